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
	// Following is how many topics are watched now; Strangers of them were never heard of.
	Following, Strangers int
}

type counts struct{ subscriptions, deaf, messages, glances, snapshots atomic.Uint64 }

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
	return Stats{
		Subscriptions: s.counts.subscriptions.Load(),
		Deaf:          s.counts.deaf.Load(),
		Denied:        denied,
		Messages:      s.counts.messages.Load(),
		Glances:       s.counts.glances.Load(),
		Snapshots:     s.counts.snapshots.Load(),
		Following:     following,
		Strangers:     strangers,
	}
}
