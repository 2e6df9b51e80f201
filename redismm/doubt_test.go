package redismm

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"

	"github.com/redismm/matchmaker/core"
)

// What a watcher does not take for granted: that it was told, that a snapshot was whole, that it heard all.

func TestALostIndexIsSeenByTheNextPollThoughItsVersionStands(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.joined("node1")
		r.joined("node2")
		w := r.watch(r.store())
		w.shows("node1 node2")
		r.settled(w)
		was := r.version()
		r.do("DEL", keysOf.set(compute))
		r.pass(r.config.Freq + 3*gather)
		if got := shown(w.last()); got != "node1~ node2~" || r.version() != was {
			r.Errorf("shown is %q at version %+v of %+v, want both held", got, r.version(), was)
		}
	})
}

func TestASetWithoutAVersionIsNotATopicNeverHeardOf(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		w := r.watch(r.store())
		if err := w.last().Err(); !errors.Is(err, core.ErrUnknownTopic) {
			r.Fatalf("%v, want ErrUnknownTopic", err)
		}
		r.do("SADD", keysOf.set(compute), "node1") // all else is lost
		r.pass(r.config.Freq + 3*gather)
		if err := w.last().Err(); !errors.Is(err, core.ErrUnavailable) {
			r.Errorf("%v, want ErrUnavailable", err)
		}
	})
}

func TestWhomTheFirstSnapshotMissedIsLookedForAgain(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.joined("node1")
		r.joined("node2")
		key := keysOf.liveness(compute, "node2")
		value := r.do("GET", key)
		r.do("DEL", key)
		was := r.version()
		w := r.watch(r.store())
		w.shows("node1")
		r.settled(w)
		r.do("SET", key, value, "PX", r.config.TTL.Milliseconds()) // as by a failover, and nothing tells of it
		r.pass(r.config.Freq + 3*gather)
		if got := shown(w.last()); got != "node1 node2" || r.version() != was {
			r.Errorf("shown is %q at version %+v of %+v, want both", got, r.version(), was)
		}
	})
}

func TestALeaveThatNobodyHeardIsSeenByTheNextPollAndHoldsNobody(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		s, c := r.joined("node1")
		r.joined("node2")
		w := r.watch(r.store())
		w.shows("node1 node2")
		r.settled(w)
		r.told(func(elsewhere *Store) { r.leaves(elsewhere, core.Left, c) })
		left := time.Now()
		w.shows("node2")
		if took := time.Since(left); took > r.config.Freq+3*gather {
			r.Errorf("seen after %s, want an interval at most", took)
		}
		for _, v := range w.all() {
			if slices.ContainsFunc(v.Members, func(m *core.Member) bool { return m.Held }) {
				r.Errorf("who left was held; %s", w.story())
			}
		}
		r.leaves(s, core.Left, c)
	})
}

// A hold counts only while the watcher hears what is told.
func TestADeafWatcherDropsNobodyWhomItHolds(t *testing.T) {
	for name, deafen := range map[string]func(f *follower, unanswered <-chan struct{}){
		"whose question is not answered":        func(_ *follower, unanswered <-chan struct{}) { <-unanswered },
		"that lost messages while it was asked": func(f *follower, _ <-chan struct{}) { f.deaf() },
	} {
		t.Run(name, func(t *testing.T) {
			onMiniredis(t, func(r *registry) {
				owner, c := r.joined("node1")
				from := r.store()
				w := r.watch(from)
				w.shows("node1")
				r.settled(w)
				f := from.follows[compute]
				ctx, end := context.WithCancel(r.Context())
				defer end()
				r.mini.Server().SetPreHook(func(_ *server.Peer, command string, args ...string) bool {
					if command == "PING" && len(args) > 0 {
						deafen(f, ctx.Done())
					}
					return false
				})
				r.do("SET", keysOf.sweeper(compute), "another process that never does")
				r.do("DEL", keysOf.liveness(compute, c.Host))
				if err := r.sent(owner, owner.suspectCall(compute, []string{c.Host})); err != nil {
					r.Fatal(err)
				}
				w.shows("node1~")
				r.pass(5 * r.config.TTL)
				if got := shown(w.last()); got != "node1~" {
					r.Errorf("five TTLs later %q is shown, want it held", got)
				}
				r.mini.Server().SetPreHook(nil)
				end()
				r.pass(2*r.config.TTL + 5*r.config.Freq)
				if got := shown(w.last()); got != "" {
					r.Errorf("it hears again, and shows %q two TTLs later", got)
				}
			})
		})
	}
}
