package redismm

import (
	"errors"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

// What is gone is unknown until somebody beats.

// TestWhoLeavesAfterALossTellsNobodyThatNobodyIsThere: each change that is not a beat, in a registry that has lost
// its index, with and without all else.
func TestWhoLeavesAfterALossTellsNobodyThatNobodyIsThere(t *testing.T) {
	losses := map[string]struct {
		keys []string
		want error
	}{
		"of the index":         {[]string{keysOf.set(compute)}, core.ErrUnavailable},
		"of index and version": {[]string{keysOf.set(compute), keysOf.version(compute)}, core.ErrUnknownTopic},
	}
	changes := map[string]func(r *registry, s *Store, c *core.Claim){
		"leaves":     func(r *registry, s *Store, c *core.Claim) { r.leaves(s, core.Left, c) },
		"is removed": func(r *registry, s *Store, c *core.Claim) { r.leaves(s, core.Left, claimsOf(c.Host)...) },
		"is expired": func(r *registry, s *Store, c *core.Claim) {
			if o, err := s.Expire(r.Context(), compute, c.Host); o != core.Left || err != nil {
				r.Fatalf("expire: %v, %v", o, err)
			}
		},
		"is drained": func(r *registry, s *Store, c *core.Claim) {
			if err := s.DrainFor(r.Context(), compute, c.Host, time.Hour, "test"); err != nil {
				r.Fatal(err)
			}
		},
		"is suspected": func(r *registry, s *Store, c *core.Claim) { // by a sweep that saw it in time
			calls := []*call{s.suspectCall(compute, []string{c.Host})}
			if run(r.Context(), s.write, calls); calls[0].err != nil {
				r.Fatal(calls[0].err)
			}
		},
		"stands by": func(r *registry, s *Store, c *core.Claim) { r.beats(s, core.Superseded, c) },
	}
	for loss, of := range losses {
		for change, happens := range changes {
			t.Run(change+" after a loss "+loss, func(t *testing.T) {
				onBoth(t, func(r *registry) {
					other, d := r.joined("node2")
					s, c := r.joined("node1")
					if change == "stands by" {
						r.registers(r.store(), core.Replaced, claimsOf(c.Host)...)
					}
					for _, key := range of.keys {
						r.do("DEL", key)
					}
					happens(r, s, c)
					v, err := r.store().Members(r.Context(), compute)
					if err == nil {
						err = v.Err()
					}
					if !errors.Is(err, of.want) || errors.Is(err, core.ErrNoHosts) {
						r.Errorf("a reader is told %v, want %v", err, of.want)
					}
					r.beats(other, core.Kept, d)
					if v, err := r.store().Members(r.Context(), compute); err != nil || len(v.Members) == 0 {
						r.Errorf("after a beat a reader is told %q, %v", shown(v), err)
					}
				})
			})
		}
	}
}

// A watcher learns of a leave that makes no step by the tombstone.
func TestLeaveAfterALossOfEverythingIsSeenByTheNextPoll(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.joined("node2")
		s, c := r.joined("node1")
		w := r.watch(r.store())
		w.shows("node1 node2")
		r.settled(w)
		for _, key := range []string{keysOf.set(compute), keysOf.version(compute)} {
			r.do("DEL", key)
		}
		r.leaves(s, core.Left, c)
		r.pass(r.config.Freq + 3*gather)
		if got := shown(w.last()); got != "node2~" {
			r.Errorf("shown is %q, want node2 held, and node1 gone", got)
		}
	})
}

// TestWhoIsBackFirstAfterALossAndGoesTellsNobodyThatNobodyIsThere: who was lost with the index has a TTL to be back.
func TestWhoIsBackFirstAfterALossAndGoesTellsNobodyThatNobodyIsThere(t *testing.T) {
	goes := map[string]func(r *registry, s *Store, c *core.Claim){
		"leaves":     func(r *registry, s *Store, c *core.Claim) { r.leaves(s, core.Left, c) },
		"is removed": func(r *registry, s *Store, c *core.Claim) { r.leaves(s, core.Left, claimsOf(c.Host)...) },
		"is evicted": func(r *registry, _ *Store, c *core.Claim) { r.do("DEL", keysOf.liveness(compute, c.Host)) },
	}
	for how, goes := range goes {
		t.Run(how, func(t *testing.T) {
			onBoth(t, func(r *registry) {
				other, d := r.joined("node2")
				s, c := r.joined("node1")
				r.do("DEL", keysOf.set(compute))
				r.beats(s, core.Kept, c)
				opened := time.Now()
				goes(r, s, c)
				asked := r.store()
				w := r.watch(asked)
				answers := func(want error) {
					t.Helper()
					v, err := asked.Members(r.Context(), compute)
					if err == nil {
						err = v.Err()
					}
					_, pick := asked.TopicExchange(r.Context(), compute)
					if !errors.Is(err, want) || !errors.Is(pick, want) {
						r.Errorf("%s after the loss a lookup answers %v, and a pick %v; want %v", time.Since(opened), err, pick, want)
					}
					r.until("a watcher is told so", func() bool { return errors.Is(w.last().Err(), want) })
				}
				answers(core.ErrUnavailable)
				r.beats(other, core.Kept, d)
				w.shows("node2")
				r.leaves(other, core.Left, d)
				answers(core.ErrUnavailable) // as long as others may come
				r.pass(r.config.TTL - time.Since(opened) + time.Millisecond)
				answers(core.ErrNoHosts)
			})
		})
	}
}

// A drain from outside is nowhere but in Redis. Who is drained lives on.
func TestADrainThatRedisLosesIsOver(t *testing.T) {
	onBoth(t, func(r *registry) {
		r.process(r.wire, "node1")
		s := r.store()
		w := r.watch(s)
		w.shows("node1")
		if err := s.DrainFor(r.Context(), compute, "node1", time.Hour, "upgrade"); err != nil {
			r.Fatal(err)
		}
		w.shows("node1!")
		r.do("FLUSHALL")
		w.shows("node1")
		w.alwaysShowed("node1")
	})
}
