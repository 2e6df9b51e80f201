package core_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

// choosy is a registry that has no room for addresses, as the original's has not.
type choosy struct{ core.Backend }

func (choosy) Keepable(r core.Registration) error {
	if r.Addr != "" {
		return fmt.Errorf("%w: addr of %s", core.ErrUnsupported, r.Host)
	}
	return nil
}

func TestWhatABackendCanNeverKeepIsRefusedAtOnceAndNotKept(t *testing.T) {
	h := start(t, choosy{coretest.NewMemory()})
	with := core.Registration{Topic: "compute", Host: "node1", Addr: "10.0.0.1:80"}
	if err := h.Register(t.Context(), core.Registration{Topic: "compute", Host: "node2"}, with); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("register: %v, want ErrUnsupported", err)
	}
	served := false
	err := h.Serve(t.Context(), core.Service{Serve: func() error { served = true; return nil },
		Stop: func(context.Context) error { return nil }}, with)
	if !errors.Is(err, core.ErrUnsupported) || served {
		t.Errorf("serve: %v, served %t, want ErrUnsupported and nothing served", err, served)
	}
	if kept := h.Registrations(); len(kept) > 0 {
		t.Errorf("kept %+v", kept)
	}
	if err := h.SendHeartbeats(t.Context()); err != nil {
		t.Errorf("the next round: %v", err)
	}
}

// mute is a registry that can only say who is there, as the original's.
type mute struct{ core.Backend }

func (m mute) AckAlive(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	os, err := m.Backend.AckAlive(ctx, ttl, claims)
	for i, c := range claims {
		if c.State != core.Up && err == nil {
			os[i], err = core.Unknown, fmt.Errorf("%w: state %s", core.ErrUnsupported, c.State)
		}
	}
	return os, err
}

func TestWhatABackendCannotAnnounceIsRefusedAndHeartbeatsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, mute{coretest.NewMemory()})
		p.register("compute", "node1")
		p.wantErr(p.Drain(t.Context(), "compute", "node1"), core.ErrUnsupported)
		p.wantErr(p.SendHeartbeats(t.Context()), nil)
		p.wantErr(p.Fail(t.Context(), "compute", "node1"), core.ErrUnsupported)
		p.wantErr(p.SendHeartbeats(t.Context()), nil)
		began := time.Now()
		stop := func(context.Context) error {
			if took := time.Since(began); took != 0 {
				t.Errorf("the drain that cannot be announced was tried for %s", took)
			}
			return p.SendHeartbeats(t.Context())
		}
		p.wantErr(p.Retire(t.Context(), core.Farewell{Propagation: -1}, stop, core.Registration{Topic: "compute", Host: "node1"}), nil)
	})
}
