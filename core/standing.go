package core

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// standing is how a registration of this process stands with the backend.
type standing uint8

const (
	pending    standing = iota // not accepted yet
	valid                      // accepted, and beaten within its TTL
	lost                       // accepted, and perhaps lapsed since
	standingBy                 // a newer instance holds the place
	removed                    // removed by name: not beaten any more
	leaving                    // to be left: not beaten any more
)

var standings = [...]string{"pending", "valid", "lost", "standing by", "removed", "leaving"}

func (s standing) String() string { return standings[s] }

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

	standing   standing
	draining   bool
	failing    bool
	instance   string // of the claim, when it was last sent
	holder     *Member
	validUntil time.Time
	newest     string      // of the instances that took the place
	taken      []time.Time // when instances never heard of before took the place, in the last minute
	joined     bool        // accepted at least once
	kept       bool        // in the table
}

func (e *entry) member() *Member {
	return &Member{Registration: e.claim.Registration, State: e.state(), Instance: e.instance}
}

// state is what the entry announces. One that fails is the last to be picked, draining or not.
func (e *entry) state() State {
	switch {
	case e.failing:
		return Failing
	case e.draining:
		return Draining
	}
	return Up
}

// Registrations returns the registrations of this process, by topic and host.
func (h *HeartbeatMatchMaker) Registrations() []Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Status, 0, len(h.table))
	now := time.Now()
	for _, e := range h.inOrder() {
		standing := e.standing
		if standing == valid && now.After(e.validUntil) { // nobody beats, or not yet again
			standing = lost
		}
		all = append(all, Status{*e.member(), standing.String(), e.validUntil})
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

func (h *HeartbeatMatchMaker) give() {
	<-h.turn
	h.observe()
}

// report tells an event that the backend noticed.
func (h *HeartbeatMatchMaker) report(e Event) {
	h.mu.Lock()
	h.met(e)
	h.mu.Unlock()
	h.observe()
}

// observe tells Observe what is untold.
func (h *HeartbeatMatchMaker) observe() {
	h.mu.Lock()
	if h.telling { // whoever does tells the rest too
		h.mu.Unlock()
		return
	}
	h.telling = true
	for len(h.untold) > 0 {
		e := h.untold[0]
		h.untold = h.untold[1:]
		h.mu.Unlock()
		h.config.Observe(e)
		h.mu.Lock()
	}
	h.telling = false
	h.mu.Unlock()
}

// writing is a method of [Backend] that takes claims.
type writing func(ctx context.Context, ttl time.Duration, claims []*Claim) ([]Outcome, error)

// beat, join and leave make one call for entries. The caller holds the turn.
func (h *HeartbeatMatchMaker) beat(ctx context.Context, es []*entry) error {
	return h.send(ctx, h.backend.AckAlive, es)
}

func (h *HeartbeatMatchMaker) join(ctx context.Context, es []*entry) error {
	return h.send(ctx, h.backend.BackendRegister, es)
}

// leave leaves the places of entries. One that never came to the registry has nothing to leave: its claim
// would name whoever holds the place.
func (h *HeartbeatMatchMaker) leave(ctx context.Context, es []*entry) error {
	h.mu.Lock()
	es = slices.DeleteFunc(es, func(e *entry) bool {
		if e.claim.Instance != "" {
			return false
		}
		h.forget(e)
		return true
	})
	h.mu.Unlock()
	return h.send(ctx, h.backend.BackendUnregister, es)
}

// send makes one call for entries and notes what became of each.
func (h *HeartbeatMatchMaker) send(ctx context.Context, call writing, es []*entry) error {
	if len(es) == 0 {
		return nil
	}
	claims := make([]*Claim, len(es))
	h.mu.Lock()
	for i, e := range es {
		e.claim.State = e.state()
		claims[i] = e.claim
	}
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, h.config.RoundTimeout())
	defer cancel()
	sent := time.Now()
	outcomes, err := call(ctx, h.config.TTL, claims)
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, e := range es {
		h.note(e, outcomes[i], sent, now, err)
	}
	return err
}

// note applies the outcome of a call that was sent at sent.
func (h *HeartbeatMatchMaker) note(e *entry, o Outcome, sent, now time.Time, err error) {
	e.instance = e.claim.Instance
	if !e.kept { // registered anew meanwhile
		return
	}
	if e.standing == leaving { // perhaps only since the call was made: then the leave is still to come
		if o == Absent || o == Left || o == Superseded {
			h.forget(e)
		}
		return
	}
	was := e.standing
	switch {
	case o.Holds():
		e.standing, e.holder = valid, nil
		e.validUntil = sent.Add(h.config.TTL)
		switch {
		case !e.joined:
			h.met(e.event(Registered))
		case was == standingBy:
			h.met(e.event(Returned))
		case was == lost:
			h.met(e.event(Recovered))
		case o == Joined || o == Replaced: // the registry did not know it any more
			h.met(e.event(Lost))
			h.met(e.event(Recovered))
		}
		e.joined = true
	case o == Superseded:
		e.standing, e.holder = standingBy, e.claim.Holder
		if was != standingBy {
			h.superseded(e, now)
		}
	case o == Left:
		e.standing = removed
		h.met(e.event(Removed))
	case was == valid && now.After(e.validUntil):
		e.standing = lost
		event := e.event(Lost)
		event.Err = err
		h.met(event)
	}
}

// met keeps an event until the turn ends. The caller holds mu.
func (h *HeartbeatMatchMaker) met(e Event) {
	h.untold = append(h.untold, e)
	for c := range h.readers {
		c.put(e)
	}
}

// superseded reports a newer instance, and a contest if it is the third in a minute.
func (h *HeartbeatMatchMaker) superseded(e *entry, now time.Time) {
	h.met(e.event(SupersededBy))
	if e.holder != nil {
		if e.holder.Instance <= e.newest { // it is back, as it may be after a loss
			return
		}
		e.newest = e.holder.Instance
	}
	e.taken = slices.DeleteFunc(append(e.taken, now), func(t time.Time) bool { return now.Sub(t) > time.Minute })
	if len(e.taken) > 2 {
		h.met(e.event(Contested))
	}
}

// degrade notes whether a round failed, and reports a change of it.
func (h *HeartbeatMatchMaker) degrade(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.degraded
	h.degraded = err
	switch {
	case err != nil && was == nil:
		h.met(Event{Kind: Degraded, Err: err})
	case err == nil && was != nil:
		h.met(Event{Kind: Restored})
	}
}

func (e *entry) place() place { return place{e.claim.Topic, e.claim.Host} }

// add puts registrations into the table, replacing those of the same place.
func (h *HeartbeatMatchMaker) add(rs []Registration) []*entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	added := make([]*entry, len(rs))
	for i := range rs {
		e := &entry{claim: &Claim{Registration: rs[i].clone()}, kept: true}
		if old := h.table[e.place()]; old != nil {
			old.kept = false
			e.taken, e.newest = old.taken, old.newest
			e.failing = old.failing && old.standing != leaving // until it passes
		}
		h.table[e.place()] = e
		added[i] = e
	}
	h.sorted = nil
	return added
}

// forget takes an entry that has left out of the table.
func (h *HeartbeatMatchMaker) forget(e *entry) {
	if !e.kept { // registered anew meanwhile
		return
	}
	e.kept = false
	delete(h.table, e.place())
	h.sorted = nil
	if e.joined || e.claim.Instance != "" { // else it never came to the registry
		h.met(e.event(Departed))
	}
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
func (h *HeartbeatMatchMaker) due(of ...standing) []*entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return only(h.inOrder(), of)
}

// has says whether an entry is of one of these standings.
func (h *HeartbeatMatchMaker) has(of []standing) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.inOrder(), func(e *entry) bool { return slices.Contains(of, e.standing) })
}

// current returns those of es that are still in the table and of these standings.
func (h *HeartbeatMatchMaker) current(es []*entry, of ...standing) []*entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(only(es, of), func(e *entry) bool { return !e.kept })
}

func only(es []*entry, of []standing) []*entry {
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

// allLeaving marks all as to be left. What was removed by name has nothing to leave.
func (h *HeartbeatMatchMaker) allLeaving() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p, e := range h.table {
		if e.standing == removed {
			e.kept = false
			delete(h.table, p)
			h.sorted = nil
		}
		e.standing = leaving
	}
}

// beaten returns the registration of this process that heartbeats beat under a topic and host, or nil.
func (h *HeartbeatMatchMaker) beaten(topic, host string) *entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.table[place{topic, host}]
	if e == nil || !slices.Contains([]standing{valid, lost, standingBy}, e.standing) {
		return nil
	}
	return e
}

// mark changes what a registration of this process announces, and returns nil if there is none.
func (h *HeartbeatMatchMaker) mark(topic, host string, change func(*entry)) *entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.table[place{topic, host}]
	if e == nil || e.standing == leaving || e.standing == removed {
		return nil
	}
	change(e)
	return e
}

// firstWithout returns why the first of es that does not hold its place does not.
func (h *HeartbeatMatchMaker) firstWithout(verb string, es []*entry) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range es {
		switch e.standing {
		case standingBy:
			return fmt.Errorf("%s %s: %w; this one stands by", verb, DirectKey(e.claim.Topic, e.claim.Host), ErrSuperseded)
		case removed:
			return fmt.Errorf("%s %s: %w any more: removed by name", verb, DirectKey(e.claim.Topic, e.claim.Host), ErrNotRegistered)
		}
	}
	return nil
}
