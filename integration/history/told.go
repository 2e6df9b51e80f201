package history

import (
	"context"
	"io"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Store is a backend that is closed after use, as those of Redis are.
type Store interface {
	core.Backend
	core.Alerter
	io.Closer
}

// Told is a store that has a recorder note what a process is told of its registrations.
type Told struct {
	Store
	Recorder *Recorder
	Process  string
}

type writing func(context.Context, time.Duration, []*core.Claim) ([]core.Outcome, error)

func (t *Told) note(call writing, ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	sent := time.Now()
	outcomes, err := call(ctx, ttl, claims)
	t.Recorder.Told(t.Process, sent, claims, outcomes)
	return outcomes, err
}

// BackendRegister is the store's, noted.
func (t *Told) BackendRegister(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	return t.note(t.Store.BackendRegister, ctx, ttl, claims)
}

// AckAlive is the store's, noted.
func (t *Told) AckAlive(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	return t.note(t.Store.AckAlive, ctx, ttl, claims)
}

// BackendUnregister is the store's, noted.
func (t *Told) BackendUnregister(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	return t.note(t.Store.BackendUnregister, ctx, ttl, claims)
}
