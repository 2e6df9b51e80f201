package redismm

import "sync/atomic"

// Stats is what a store did since it was made, for those who watch over it.
type Stats struct {
	// Subscriptions counts the connections on which changes are heard; each after the first replaced one.
	Subscriptions uint64
	// Deaf counts those that were replaced because they stood, and what was published did not come.
	Deaf uint64
	// Denied says that Redis refuses channels to this user: changes are seen up to a heartbeat interval late.
	Denied bool
	// Messages counts changes heard, Glances the polls that asked whether anything had changed, and Snapshots
	// the topics that were read whole.
	Messages, Glances, Snapshots uint64
	// Resyncs counts the topics that were read whole, as Snapshots does, by why: "first", "message" that did not
	// follow on what was known, "subscription" that began anew, "poll" that found a difference, "held" members.
	Resyncs map[string]uint64
	// Errors counts the calls that Redis did not answer, or refused.
	Errors uint64
	// Following is how many topics are watched now; Strangers of them were never heard of.
	Following, Strangers int
}

type counts struct {
	subscriptions, deaf, messages, glances, errors atomic.Uint64
	snapshots                                      [len(reasons)]atomic.Uint64
}

// reason is why a topic is read whole.
type reason uint8

const (
	forFirst reason = iota
	forMessage
	forSubscription
	forPoll
	forHeld
)

var reasons = [...]string{"first", "message", "subscription", "poll", "held"}

// Stats returns what the store did until now. It asks nobody.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	following, denied := len(s.follows), false
	for _, e := range s.ears {
		denied = denied || e.denied.Load()
	}
	s.mu.Unlock()
	s.strangers.mu.Lock()
	strangers := len(s.strangers.waits)
	s.strangers.mu.Unlock()
	resyncs, snapshots := make(map[string]uint64, len(reasons)), uint64(0)
	for i, name := range reasons {
		n := s.counts.snapshots[i].Load()
		resyncs[name] = n
		snapshots += n
	}
	return Stats{
		Subscriptions: s.counts.subscriptions.Load(),
		Deaf:          s.counts.deaf.Load(),
		Denied:        denied,
		Messages:      s.counts.messages.Load(),
		Glances:       s.counts.glances.Load(),
		Snapshots:     snapshots,
		Resyncs:       resyncs,
		Errors:        s.counts.errors.Load(),
		Following:     following,
		Strangers:     strangers,
	}
}
