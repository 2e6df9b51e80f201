package metrics

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Backend returns b, whose calls are counted: a round of beats as one, and what failed.
func (m *Metrics) Backend(b core.Backend) core.Backend { return &counted{Backend: b, m: m} }

// counted is a backend whose calls are counted.
type counted struct {
	core.Backend
	m *Metrics

	mu    sync.Mutex
	began time.Time   // the round before
	first *core.Claim // of it
}

var (
	_ core.Alerter = (*counted)(nil)
	_ io.Closer    = (*counted)(nil)
)

// Alert is passed on.
func (c *counted) Alert(beat func(), tell func(core.Event)) {
	if a, ok := c.Backend.(core.Alerter); ok {
		a.Alert(beat, tell)
	}
}

// Close is passed on.
func (c *counted) Close() error {
	if closer, ok := c.Backend.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// note counts a call that failed.
func (c *counted) note(call string, err error) {
	if err != nil {
		c.m.errors.WithLabelValues(call).Inc()
	}
}

// AckAlive counts a round of beats. A claim without Instance is somebody else's.
func (c *counted) AckAlive(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	began := time.Now()
	os, err := c.Backend.AckAlive(ctx, ttl, claims)
	c.note("beat", err)
	if len(claims) == 0 || claims[0].Instance == "" {
		return os, err
	}
	c.m.seconds.Observe(time.Since(began).Seconds())
	if late, ok := c.late(began, claims[0]); ok {
		c.m.lateness.Observe(late.Seconds())
	}
	for _, o := range os {
		c.m.beats.WithLabelValues(o.String()).Inc()
	}
	return os, err
}

// late is how much later than due a round began. That cannot be told of the first, nor where nothing was beaten
// between.
func (c *counted) late(began time.Time, first *core.Claim) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	late, known := max(0, began.Sub(c.began)-c.m.freq), c.first == first
	c.began, c.first = began, first
	return late, known
}

// BackendRegister counts a failure.
func (c *counted) BackendRegister(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	os, err := c.Backend.BackendRegister(ctx, ttl, claims)
	c.note("register", err)
	return os, err
}

// BackendUnregister counts a failure.
func (c *counted) BackendUnregister(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	os, err := c.Backend.BackendUnregister(ctx, ttl, claims)
	c.note("unregister", err)
	return os, err
}

// Remaining counts a failure.
func (c *counted) Remaining(ctx context.Context, topic, host string) (time.Duration, error) {
	left, err := c.Backend.Remaining(ctx, topic, host)
	c.note("remaining", err)
	return left, err
}

// Topics counts a failure.
func (c *counted) Topics(ctx context.Context) ([]string, error) {
	topics, err := c.Backend.Topics(ctx)
	c.note("topics", err)
	return topics, err
}

// Members counts a failure.
func (c *counted) Members(ctx context.Context, topic string) (*core.View, error) {
	v, err := c.Backend.Members(ctx, topic)
	c.note("members", err)
	return v, err
}
