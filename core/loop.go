package core

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// SendHeartbeats sends one round: it beats every registration, registers what is not registered yet, and
// leaves what could not be left: the original's send_heartbeats. A nil error means that the backend answered
// for each.
func (h *HeartbeatMatchMaker) SendHeartbeats(ctx context.Context) error {
	if err := h.take(ctx); err != nil {
		return err
	}
	defer h.give()
	steps := []struct {
		send func(context.Context, []*entry) error
		to   []standing
	}{
		{h.beat, []standing{valid, lost, standingBy}},
		{h.join, []standing{pending}},
		{h.leave, []standing{leaving}},
	}
	var failed error
	for i, step := range steps {
		es, waiting := h.due(step.to...), 1
		for _, later := range steps[i+1:] {
			if h.has(later.to) {
				waiting++
			}
		}
		part, cancel := share(ctx, waiting)
		failed = errors.Join(failed, step.send(part, es))
		cancel()
	}
	if !errors.Is(ctx.Err(), context.Canceled) { // who gave up has learnt nothing of the registry
		h.degrade(failed)
	}
	return failed
}

// share is ctx for the first of n steps: with twice as much of the time it has left as each of the others, which one that
// hangs leaves some to. The first is what keeps registrations from lapsing.
func share(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok && n > 1 {
		return context.WithTimeout(ctx, time.Until(end)*2/time.Duration(n+1))
	}
	return context.WithCancel(ctx)
}

// loop is a goroutine that sends rounds.
type loop struct {
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}
}

// StartHeartbeat begins the loop of rounds, the first at once: the original's start_heartbeat. It returns at
// once, and does nothing if the loop runs, or after Close. Only StopHeartbeat, Run's end and Close end the
// loop.
func (h *HeartbeatMatchMaker) StartHeartbeat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.loop != nil && h.loop.ctx.Err() == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &loop{ctx, cancel, make(chan struct{})}
	h.loop = l
	go func() {
		defer close(l.ended)
		h.rounds(ctx)
	}()
}

// StopHeartbeat ends the loop and returns when it has ended: the original's stop_heartbeat. Registrations
// lapse after their TTL. It may be called twice, and before StartHeartbeat.
func (h *HeartbeatMatchMaker) StopHeartbeat() {
	h.mu.Lock()
	l := h.loop
	h.mu.Unlock()
	if l != nil {
		l.cancel()
		<-l.ended
	}
}

// rounds sends a round every Freq. After one that failed the next comes soon, then less and less often, and
// never later than it would have come anyway: so many processes that lost the registry together are back within
// an interval, and spread over it.
func (h *HeartbeatMatchMaker) rounds(ctx context.Context) {
	freq := h.config.Freq
	shortest := freq / 16
	retry := shortest
	for {
		select {
		case <-h.soon: // here it is
		default:
		}
		began := time.Now()
		round, cancel := context.WithTimeout(ctx, h.config.RoundTimeout())
		err := h.SendHeartbeats(round)
		cancel()
		next := jitter(max(freq-time.Since(began), shortest))
		if err != nil {
			next, retry = min(next, retry/2+rand.N(retry/2)), min(2*retry, freq)
		} else {
			retry = shortest
		}
		if !h.rest(ctx, next) {
			return
		}
	}
}

// beatSoon asks for a round before it is due.
func (h *HeartbeatMatchMaker) beatSoon() {
	select {
	case h.soon <- struct{}{}:
	default:
	}
}

// rest waits for d, or for up to half an interval once a round is asked for: many processes are told
// at the same moment. It says whether ctx is still on.
func (h *HeartbeatMatchMaker) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	due := time.Now().Add(d)
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-h.soon:
		return pause(ctx, min(time.Until(due), rand.N(h.config.Freq/2)))
	case <-ctx.Done():
		return false
	}
}

// leaveTimeout bounds the farewell of Run.
const leaveTimeout = 5 * time.Second

// Run keeps the registrations alive until ctx ends, then leaves all of them within 5 s. Its error says how
// many could not be left, and lapse.
func (h *HeartbeatMatchMaker) Run(ctx context.Context) error {
	h.StartHeartbeat()
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	stopped := make(chan struct{})
	go func() { // a round under way may take longer than the farewell
		defer close(stopped)
		h.StopHeartbeat()
	}()
	defer func() {
		select {
		case <-stopped:
		case <-ctx.Done():
		}
	}()
	h.allLeaving()
	return h.leaveAll(ctx)
}

// leaveAll leaves what is to be left, again and again until ctx ends.
func (h *HeartbeatMatchMaker) leaveAll(ctx context.Context) error {
	err := h.insist(ctx, func(ctx context.Context) error { return h.leave(ctx, h.due(leaving)) })
	if err != nil {
		return fmt.Errorf("%d registrations could not be left and lapse after %s: %w",
			len(h.due(leaving)), h.config.TTL, err)
	}
	return nil
}

// jitter shortens d by up to a tenth.
func jitter(d time.Duration) time.Duration { return d - rand.N(d/10+1) }

// pause waits for d and says whether ctx is still on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
