package core

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Standing is how a registration of this process stands with the backend.
type Standing uint8

const (
	pending    Standing = iota // not accepted yet
	valid                      // accepted, and beaten within its TTL
	lost                       // accepted, and perhaps lapsed since
	standingBy                 // a newer instance holds the place
	removed                    // removed by name: not beaten any more
	leaving                    // to be left: not beaten any more
)

var standings = [...]string{"pending", "valid", "lost", "standing by", "removed", "leaving"}

func (s Standing) String() string { return standings[s] }

// Status is one registration of this process.
type Status struct {
	Member   Member
	Standing string
	// ValidUntil is when the registration lapses if no further beat is acknowledged: a TTL after the last
	// acknowledged beat was sent.
	ValidUntil time.Time
}

type place struct{ topic, host string }

// entry is a registration of this process. The claim belongs to who holds the turn, the rest to mu.
type entry struct {
	claim *Claim

	standing   Standing
	state      State
	instance   string // of the claim, when it was last sent
	holder     *Member
	validUntil time.Time
	taken      []time.Time // when newer instances took the place, in the last minute
	joined     bool        // accepted at least once
}

func (e *entry) member() *Member {
	return &Member{Registration: e.claim.Registration, State: e.state, Instance: e.instance}
}

// Registrations returns the registrations of this process, by topic and host.
func (h *HeartbeatMatchMaker) Registrations() []Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Status, 0, len(h.table))
	for _, e := range h.inOrder() {
		all = append(all, Status{*e.member(), e.standing.String(), e.validUntil})
	}
	return all
}

// take waits for the turn to write to the backend; give ends it and reports what was met.
func (h *HeartbeatMatchMaker) take(ctx context.Context) error {
	select {
	case h.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: waiting for a call to the registry under way: %w", ErrUnavailable, context.Cause(ctx))
	}
}

func (h *HeartbeatMatchMaker) give(events []Event) {
	<-h.turn
	for _, e := range events {
		h.config.Observe(e)
	}
}

// writing is a method of [Backend] that takes claims.
type writing func(ctx context.Context, ttl time.Duration, claims []*Claim) ([]Outcome, error)

// send makes one call for entries and notes what became of each. The caller holds the turn.
func (h *HeartbeatMatchMaker) send(ctx context.Context, call writing, es []*entry) ([]Event, error) {
	if len(es) == 0 {
		return nil, nil
	}
	claims := make([]*Claim, len(es))
	h.mu.Lock()
	for i, e := range es {
		e.claim.State = e.state
		claims[i] = e.claim
	}
	h.mu.Unlock()
	sent := time.Now()
	outcomes, err := call(ctx, h.config.TTL, claims)
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	var events []Event
	for i, e := range es {
		events = h.note(events, e, outcomes[i], sent, now, err)
	}
	return events, err
}

// leave leaves the places of entries. One that never came to the registry has nothing to leave: its claim
// would name whoever holds the place. The caller holds the turn.
func (h *HeartbeatMatchMaker) leave(ctx context.Context, es []*entry) ([]Event, error) {
	var never []Event
	h.mu.Lock()
	es = slices.DeleteFunc(es, func(e *entry) bool {
		if e.claim.Instance != "" {
			return false
		}
		h.forget(e)
		never = append(never, Event{Kind: Departed, Member: e.member()})
		return true
	})
	h.mu.Unlock()
	events, err := h.send(ctx, h.backend.BackendUnregister, es)
	return append(never, events...), err
}

// note applies the outcome of a call that was sent at sent, and adds what is to be reported.
func (h *HeartbeatMatchMaker) note(events []Event, e *entry, o Outcome, sent, now time.Time, err error) []Event {
	e.instance = e.claim.Instance
	if h.table[e.place()] != e { // registered anew meanwhile
		return events
	}
	if e.standing == leaving { // perhaps only since the call was made: then the leave is still to come
		if o == Absent || o == Left || o == Superseded {
			h.forget(e)
			return append(events, Event{Kind: Departed, Member: e.member()})
		}
		return events
	}
	was := e.standing
	switch {
	case o.Holds():
		e.standing, e.holder = valid, nil
		e.validUntil = sent.Add(h.config.TTL)
		switch {
		case !e.joined:
			events = append(events, Event{Kind: Registered, Member: e.member()})
		case was == standingBy || was == pending:
			events = append(events, Event{Kind: Returned, Member: e.member()})
		case was == lost:
			events = append(events, Event{Kind: Recovered, Member: e.member()})
		case o == Joined || o == Replaced: // the registry did not know it any more
			events = append(events, Event{Kind: Lost, Member: e.member()}, Event{Kind: Recovered, Member: e.member()})
		}
		e.joined = true
	case o == Superseded:
		e.standing, e.holder = standingBy, e.claim.Holder
		if was != standingBy {
			events = append(events, e.superseded(now)...)
		}
	case o == Left:
		e.standing = removed
		events = append(events, Event{Kind: Removed, Member: e.member()})
	case was == valid && now.After(e.validUntil):
		e.standing = lost
		events = append(events, Event{Kind: Lost, Member: e.member(), Err: err})
	}
	return events
}

// superseded reports a newer instance, and a contest if it is the third in a minute.
func (e *entry) superseded(now time.Time) []Event {
	events := []Event{{Kind: SupersededBy, Member: e.member(), Holder: e.holder}}
	e.taken = slices.DeleteFunc(append(e.taken, now), func(t time.Time) bool { return now.Sub(t) > time.Minute })
	if len(e.taken) > 2 {
		events = append(events, Event{Kind: Contested, Member: e.member(), Holder: e.holder})
	}
	return events
}

// degradation notes whether a round failed, and reports a change of it.
func (h *HeartbeatMatchMaker) degradation(err error) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.degraded
	h.degraded = err != nil
	switch {
	case h.degraded && !was:
		return []Event{{Kind: Degraded, Err: err}}
	case was && !h.degraded:
		return []Event{{Kind: Restored}}
	}
	return nil
}

func (e *entry) place() place { return place{e.claim.Topic, e.claim.Host} }

// add puts registrations into the table, replacing those of the same place.
func (h *HeartbeatMatchMaker) add(rs []Registration) []*entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	added := make([]*entry, len(rs))
	for i := range rs {
		e := &entry{claim: &Claim{Registration: rs[i].clone()}}
		if old := h.table[e.place()]; old != nil {
			e.taken = old.taken
		}
		h.table[e.place()] = e
		added[i] = e
	}
	h.sorted = nil
	return added
}

func (h *HeartbeatMatchMaker) forget(e *entry) {
	delete(h.table, e.place())
	h.sorted = nil
}

// inOrder returns the table by topic and host.
func (h *HeartbeatMatchMaker) inOrder() []*entry {
	if h.sorted == nil {
		for _, e := range h.table {
			h.sorted = append(h.sorted, e)
		}
		slices.SortFunc(h.sorted, func(a, b *entry) int {
			return cmp.Or(cmp.Compare(a.claim.Topic, b.claim.Topic), cmp.Compare(a.claim.Host, b.claim.Host))
		})
	}
	return h.sorted
}

// due returns the entries of these standings.
func (h *HeartbeatMatchMaker) due(of ...Standing) []*entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return only(h.inOrder(), of)
}

// current returns those of es that are still in the table and of these standings.
func (h *HeartbeatMatchMaker) current(es []*entry, of ...Standing) []*entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(only(es, of), func(e *entry) bool { return h.table[e.place()] != e })
}

func only(es []*entry, of []Standing) []*entry {
	picked := make([]*entry, 0, len(es))
	for _, e := range es {
		if slices.Contains(of, e.standing) {
			picked = append(picked, e)
		}
	}
	return picked
}

// leaving marks a registration of this process as to be left, and returns nil if there is none.
func (h *HeartbeatMatchMaker) leaving(topic, host string) *entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.table[place{topic, host}]
	if e != nil {
		e.standing = leaving
	}
	return e
}

func (h *HeartbeatMatchMaker) allLeaving() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.table {
		e.standing = leaving
	}
}

// drain marks a registration of this process as draining.
func (h *HeartbeatMatchMaker) drain(topic, host string) *entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.table[place{topic, host}]
	if e == nil || e.standing == leaving || e.standing == removed {
		return nil
	}
	e.state = Draining
	return e
}

// firstStandby returns ErrSuperseded if one of es stands by.
func (h *HeartbeatMatchMaker) firstStandby(es []*entry) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range es {
		if e.standing == standingBy {
			return fmt.Errorf("register %s: %w; this one stands by", DirectKey(e.claim.Topic, e.claim.Host), ErrSuperseded)
		}
	}
	return nil
}
