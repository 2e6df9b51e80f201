package core

import (
	"context"
	"iter"
	"time"
)

// changes are what one reader of [HeartbeatMatchMaker.Changes] has not seen: the newest event of each
// registration, in the order in which they fell due. Guarded by the matchmaker's mu.
type changes struct {
	newest map[place]Event
	order  []place
	more   chan struct{} // holds a token while there is something
}

// Changes yields how every registration of this process stands, then each [Event] as it happens, until ctx
// ends. A slow reader gets the newest event of each registration and holds up nobody; who must see every one
// sets Observe. Any number may read at once.
//
// What it yields first are events too: Registered for a registration that is valid, Lost, SupersededBy or
// Removed for others, none for one that the registry has not accepted yet; and Degraded while it cannot be
// reached.
func (h *HeartbeatMatchMaker) Changes(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		c := h.read()
		defer h.unread(c)
		for ctx.Err() == nil {
			if e, ok := h.next(c); ok {
				if !yield(e) {
					return
				}
				continue
			}
			select {
			case <-c.more:
			case <-ctx.Done():
			}
		}
	}
}

// read begins to collect for a reader.
func (h *HeartbeatMatchMaker) read() *changes {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &changes{newest: make(map[place]Event), more: make(chan struct{}, 1)}
	now := time.Now()
	for _, e := range h.inOrder() {
		if kind := e.stands(now); kind != 0 {
			c.put(e.event(kind))
		}
	}
	if h.degraded != nil {
		c.put(Event{Kind: Degraded, Err: h.degraded})
	}
	h.readers[c] = struct{}{}
	return c
}

func (h *HeartbeatMatchMaker) unread(c *changes) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.readers, c)
}

// next takes the oldest event that the reader has not seen.
func (h *HeartbeatMatchMaker) next(c *changes) (Event, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(c.order) == 0 {
		return Event{}, false
	}
	of := c.order[0]
	c.order = c.order[1:]
	e := c.newest[of]
	delete(c.newest, of)
	return e, true
}

// put adds an event, in the place of an older one of the same registration.
func (c *changes) put(e Event) {
	of := place{host: "registry"} // no topic is empty
	switch {
	case e.Member != nil:
		of = place{e.Member.Topic, e.Member.Host}
	case e.Kind == Polling:
		of.host = "changes"
	}
	if _, waits := c.newest[of]; !waits {
		c.order = append(c.order, of)
	}
	c.newest[of] = e
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// stands returns the kind of event that says how an entry stands, or 0.
func (e *entry) stands(now time.Time) EventKind {
	switch {
	case e.standing == lost, e.standing == valid && now.After(e.validUntil):
		return Lost
	case e.standing == valid:
		return Registered
	case e.standing == standingBy:
		return SupersededBy
	case e.standing == removed:
		return Removed
	}
	return 0
}

// event is what happens to an entry.
func (e *entry) event(kind EventKind) Event {
	event := Event{Kind: kind, Member: e.member()}
	switch e.standing {
	case valid, lost:
		event.ValidUntil = e.validUntil
	case standingBy:
		event.Holder = e.holder
	}
	return event
}
