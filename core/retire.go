package core

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// Farewell is how long the steps of [HeartbeatMatchMaker.Retire] may take. The zero value works.
type Farewell struct {
	// Propagation is how long readers may take to hear of a drain; 0 means [DefaultPropagation], less than 0
	// none.
	Propagation time.Duration
	// Drain is how long what is in flight may take; 0 means [DefaultDrain].
	Drain time.Duration
}

const (
	// DefaultPropagation is how long readers may take to hear of a drain.
	DefaultPropagation = 2 * time.Second
	// DefaultDrain is how long what is in flight may take.
	DefaultDrain = 25 * time.Second

	// announceTimeout bounds the announcement of a drain.
	announceTimeout = time.Second
)

// Retire takes a host out of service without a failed request, under each of its registrations, in the one
// order that does: it announces that they drain, or tries to for a second; waits until readers have heard of
// it; calls stop, which refuses new work and returns when what is in flight is done, or its ctx has ended;
// and leaves, or tries to for 5 s. Heartbeats must go on until it returns.
//
// Once ctx has ended it hurries: nothing is waited for, stop is called with a ctx that has ended, and leaving is
// tried for a second. Its error is stop's, and says what could not be left and lapses. What this process does
// not hold is passed over.
func (h *HeartbeatMatchMaker) Retire(ctx context.Context, f Farewell, stop func(context.Context) error, rs ...Registration) error {
	h.announceDrain(ctx, rs)
	pause(ctx, cmp.Or(f.Propagation, DefaultPropagation))
	draining, cancel := context.WithTimeout(ctx, cmp.Or(f.Drain, DefaultDrain))
	err := stop(draining)
	cancel()
	for i := range rs {
		h.leaving(rs[i].Topic, rs[i].Host)
	}
	within := leaveTimeout
	if ctx.Err() != nil {
		within = announceTimeout
	}
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	return errors.Join(err, h.leaveAll(ctx))
}

// announceDrain tells the registry that hosts drain, as soon as it can be told within announceTimeout.
func (h *HeartbeatMatchMaker) announceDrain(ctx context.Context, rs []Registration) {
	var es []*entry
	for i := range rs {
		if e := h.mark(rs[i].Topic, rs[i].Host, func(e *entry) { e.draining = true }); e != nil {
			es = append(es, e)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	err := h.insist(ctx, func(ctx context.Context) error { // what fails now is told by the next heartbeat
		return h.beat(ctx, h.current(es, valid, lost, standingBy))
	})
	if errors.Is(err, ErrUnsupported) {
		h.takeBack(es...)
	}
}

// insist makes a call to the backend again and again until it succeeds or ctx ends.
func (h *HeartbeatMatchMaker) insist(ctx context.Context, call func(context.Context) error) error {
	var err error
	for wait := h.config.Freq / 16; ; wait = min(2*wait, time.Second) {
		if late := h.take(ctx); late != nil {
			return errors.Join(err, late)
		}
		err = call(ctx)
		h.give()
		if err == nil || errors.Is(err, ErrUnsupported) || !pause(ctx, wait) {
			return err
		}
	}
}
