package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// HeartbeatConfig is how a [HeartbeatMatchMaker] keeps registrations alive. The zero value works.
type HeartbeatConfig struct {
	// Freq is the interval between heartbeats, at least 10 ms; 0 means [DefaultFreq]. Each is up to a tenth
	// early, so that processes do not beat in step.
	Freq time.Duration
	// TTL is how long a registration lives without a heartbeat, at least 2 Freq; 0 means 3 Freq.
	TTL time.Duration
	// Policy picks the host of a topic key; nil means [Random].
	Policy Policy
	// Observe is told every [Event], one at a time and in the order they happened; nil means silence. It must
	// not block, nor call StopHeartbeat, Run or Close.
	Observe func(Event)
}

// Complete fills in the defaults, or returns an [ErrInvalid].
func (c HeartbeatConfig) Complete() (HeartbeatConfig, error) {
	if c.Freq == 0 {
		c.Freq = DefaultFreq
	}
	if c.TTL == 0 {
		c.TTL = DefaultTTLFactor * c.Freq
	}
	if c.Freq < 10*time.Millisecond {
		return c, Invalid("heartbeat freq", c.Freq.String(), "want at least 10ms, or 0 for 5s")
	}
	if c.TTL < 2*c.Freq {
		return c, Invalid("heartbeat ttl", c.TTL.String(),
			fmt.Sprintf("want at least twice the heartbeat freq of %s, or 0 for three times", c.Freq))
	}
	if c.Policy == nil {
		c.Policy = Random
	}
	if c.Observe == nil {
		c.Observe = func(Event) {}
	}
	return c, nil
}

// longestRound bounds a round of beats whatever the interval is.
const longestRound = 10 * time.Second

// RoundTimeout is how long one round of beats may take: half the interval, at most 10 s.
func (c HeartbeatConfig) RoundTimeout() time.Duration { return min(c.Freq/2, longestRound) }

// HeartbeatMatchMaker keeps the registrations of this process alive in a [Backend] and resolves keys from
// memory: the original's class HeartbeatMatchMakerBase over the hooks of a subclass.
//
// What is registered is kept until it is unregistered: each round of heartbeats tells the backend the whole
// of it again, whatever the backend has lost. A round comes with StartHeartbeat or Run, every Freq; without
// either, a registration lapses after its TTL. All methods may be called at once.
type HeartbeatMatchMaker struct {
	*MatchMaker
	live    *Live
	backend Backend
	config  HeartbeatConfig
	end     context.CancelCauseFunc // of the watches

	// turn holds one token while somebody writes to the backend. Claims belong to who holds it.
	turn chan struct{}
	// soon holds a token after the backend asked for a round.
	soon chan struct{}

	mu       sync.Mutex // never held across I/O
	table    map[place]*entry
	sorted   []*entry // of table, by topic and host; nil after a change
	degraded error    // why the last round failed
	untold   []Event
	readers  map[*changes]struct{}
	telling  bool  // somebody tells what is untold
	loop     *loop // the newest, which may have ended
	closed   bool
}

// errClosed is why nothing is followed after Close.
var errClosed = errors.New("the matchmaker is closed")

// NewHeartbeat returns a matchmaker over b. Close it after use. The error is an [ErrInvalid].
func NewHeartbeat(b Backend, c HeartbeatConfig) (*HeartbeatMatchMaker, error) {
	c, err := c.Complete()
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancelCause(context.Background())
	live := NewLive(ctx, b, c.Policy)
	live.grace = graceAt(c.Freq)
	h := &HeartbeatMatchMaker{
		MatchMaker: New(live),
		live:       live,
		backend:    b,
		config:     c,
		end:        end,
		turn:       make(chan struct{}, 1),
		soon:       make(chan struct{}, 1),
		table:      make(map[place]*entry),
		readers:    make(map[*changes]struct{}),
	}
	if a, ok := b.(Alerter); ok {
		a.Alert(h.beatSoon, h.report)
	}
	return h, nil
}

// Live returns the directory in memory that Resolve answers from.
func (h *HeartbeatMatchMaker) Live() *Live { return h.live }

// Backend returns the registry, for verbs that ask it each time.
func (h *HeartbeatMatchMaker) Backend() Backend { return h.backend }

// Close ends the heartbeat loop and every watch, and closes the backend if it can be closed. It does not
// leave: registrations lapse after their TTL. Run leaves. Close may be called twice.
func (h *HeartbeatMatchMaker) Close() error {
	h.mu.Lock()
	was := h.closed
	h.closed = true
	h.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.StopHeartbeat()
		h.end(errClosed)
		h.live.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(graceful): // a call that nobody answers ends with the backend
	}
	var err error
	if c, ok := h.backend.(io.Closer); ok && !was {
		err = c.Close()
	}
	<-ended
	return err
}

// graceful is how long a round under way may take to end before Close closes the backend.
const graceful = 100 * time.Millisecond

// Register takes the places over from any older instance and keeps them: the original's register. A
// registration of this process under the same topic and host is replaced.
//
// [ErrInvalid], and the [ErrUnsupported] of a [Choosy] backend, mean that nothing was kept. Any other error means that
// what could not be done now is kept and tried again by every heartbeat. As with every verb that writes, the call to the backend takes at most
// half an interval, so that no heartbeat waits too long for it.
func (h *HeartbeatMatchMaker) Register(ctx context.Context, rs ...Registration) error {
	if err := h.check(rs); err != nil {
		return err
	}
	added := h.add(rs)
	if err := h.take(ctx); err != nil {
		return fmt.Errorf("register: %w; it is kept, and tried again by every heartbeat", err)
	}
	err := h.send(ctx, h.backend.BackendRegister, h.current(added, pending))
	h.give()
	if err != nil {
		return fmt.Errorf("register: %w; it is kept, and tried again by every heartbeat", err)
	}
	return h.firstWithout("register", added)
}

// check returns why one of rs can never be kept.
func (h *HeartbeatMatchMaker) check(rs []Registration) error {
	choosy, _ := h.backend.(Choosy)
	for _, r := range rs {
		err := r.Check()
		if err == nil && choosy != nil {
			err = choosy.Keepable(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Unregister leaves a place: the original's unregister. If this process holds no registration there, whoever
// does is removed by name, and its owner is told; [ErrNotRegistered] if nobody does.
//
// After any other error a registration of this process is not beaten any more, and every heartbeat tries
// again to leave.
func (h *HeartbeatMatchMaker) Unregister(ctx context.Context, topic, host string) error {
	own := h.leaving(topic, host)
	if err := h.take(ctx); err != nil {
		return fmt.Errorf("unregister %s: %w", DirectKey(topic, host), err)
	}
	defer h.give()
	if own == nil { // perhaps it was registered while we waited
		own = h.leaving(topic, host)
	}
	if own == nil {
		return h.byName(ctx, "unregister", topic, host, h.backend.BackendUnregister)
	}
	if err := h.leave(ctx, h.current([]*entry{own}, leaving)); err != nil {
		return fmt.Errorf("unregister %s: %w; every heartbeat tries again", DirectKey(topic, host), err)
	}
	return nil
}

// Drain announces that a registration of this process wants no more work. It stays registered.
// [ErrNotRegistered] if it is not; [ErrUnsupported] if the backend cannot announce it, and then nothing has changed;
// any other error means that the next heartbeat announces it.
func (h *HeartbeatMatchMaker) Drain(ctx context.Context, topic, host string) error {
	return h.announce(ctx, "drain", topic, host, func(e *entry) { e.draining = true })
}

// Fail announces that a registration of this process does not pass its own checks: it stays registered and
// listed, and is the last to be picked. Pass takes that back, and leaves a drain as it is. Errors are those of
// Drain.
func (h *HeartbeatMatchMaker) Fail(ctx context.Context, topic, host string) error {
	return h.announce(ctx, "fail", topic, host, func(e *entry) { e.failing = true })
}

// Pass announces that a registration of this process passes its own checks again: see Fail.
func (h *HeartbeatMatchMaker) Pass(ctx context.Context, topic, host string) error {
	return h.announce(ctx, "pass", topic, host, func(e *entry) { e.failing = false })
}

// announce changes what a registration of this process says of itself, and tells the backend.
func (h *HeartbeatMatchMaker) announce(ctx context.Context, verb, topic, host string, change func(*entry)) error {
	own := h.mark(topic, host, change)
	if own == nil {
		return fmt.Errorf("%s %s: %w by this process", verb, DirectKey(topic, host), ErrNotRegistered)
	}
	if err := h.take(ctx); err != nil {
		return fmt.Errorf("%s %s: %w; the next heartbeat announces it", verb, DirectKey(topic, host), err)
	}
	err := h.send(ctx, h.backend.AckAlive, h.current([]*entry{own}, valid, lost, standingBy))
	h.give()
	switch {
	case errors.Is(err, ErrUnsupported):
		h.takeBack(own)
		return fmt.Errorf("%s %s: %w", verb, DirectKey(topic, host), err)
	case err != nil:
		return fmt.Errorf("%s %s: %w; the next heartbeat announces it", verb, DirectKey(topic, host), err)
	}
	return nil
}

// takeBack undoes what a backend cannot announce, which then never announced anything.
func (h *HeartbeatMatchMaker) takeBack(es ...*entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range es {
		e.draining, e.failing = false, false
	}
}

// AckAlive renews a registration for one TTL: the original's ack_alive, called publicly. One of this process
// is beaten as a heartbeat beats it, and is back if it had lapsed; [ErrSuperseded] if it stands by. One of
// another process must be live, else [ErrNotRegistered]: nothing is created, and nothing is adopted.
func (h *HeartbeatMatchMaker) AckAlive(ctx context.Context, topic, host string) error {
	own := h.beaten(topic, host)
	if own == nil {
		return h.byName(ctx, "ack", topic, host, h.backend.AckAlive)
	}
	if err := h.take(ctx); err != nil {
		return fmt.Errorf("ack %s: %w", DirectKey(topic, host), err)
	}
	err := h.beat(ctx, h.current([]*entry{own}, valid, lost, standingBy))
	h.give()
	if err != nil {
		return fmt.Errorf("ack %s: %w", DirectKey(topic, host), err)
	}
	return h.firstWithout("ack", []*entry{own})
}

// Expire ends a registration as if its TTL had lapsed: the original's expire. The next heartbeat of a living
// owner brings it back. [ErrNotRegistered] if nobody is there.
func (h *HeartbeatMatchMaker) Expire(ctx context.Context, topic, host string) error {
	if err := checkPlace(topic, host); err != nil {
		return err
	}
	o, err := h.backend.Expire(ctx, topic, host)
	return named("expire", topic, host, o, err)
}

// IsAlive asks the backend whether a host is registered under a topic: the original's is_alive.
func (h *HeartbeatMatchMaker) IsAlive(ctx context.Context, topic, host string) (bool, error) {
	if err := checkPlace(topic, host); err != nil {
		return false, err
	}
	left, err := h.backend.Remaining(ctx, topic, host)
	return left > 0, err
}

func (h *HeartbeatMatchMaker) byName(ctx context.Context, verb, topic, host string, call writing) error {
	if err := checkPlace(topic, host); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, h.config.RoundTimeout())
	defer cancel()
	claim := &Claim{Registration: Registration{Topic: topic, Host: host}}
	os, err := call(ctx, h.config.TTL, []*Claim{claim})
	return named(verb, topic, host, os[0], err)
}

func named(verb, topic, host string, o Outcome, err error) error {
	if err == nil && o == Absent {
		err = ErrNotRegistered
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, DirectKey(topic, host), err)
	}
	return nil
}

func checkPlace(topic, host string) error { return errors.Join(CheckTopic(topic), CheckHost(host)) }
