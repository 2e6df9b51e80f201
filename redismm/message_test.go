package redismm

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// Messages as Redis may hand them over: lost, twice, out of order.

// told makes steps in the topic that nobody hears, and returns what would have been told of each.
func (r *registry) told(steps ...func(s *Store)) []string {
	r.Helper()
	elsewhere := r.store()
	elsewhere.keys = newKeysOf(r, 5)
	heard := r.raw.Subscribe(r.Context(), elsewhere.keys.channel(compute))
	defer heard.Close()
	if _, err := heard.Receive(r.Context()); err != nil {
		r.Fatal(err)
	}
	texts := make([]string, len(steps))
	for i, step := range steps {
		step(elsewhere)
		m, err := heard.ReceiveMessage(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		texts[i] = m.Payload
	}
	return texts
}

func TestMessagesMayBeLostRepeatedAndReordered(t *testing.T) {
	story := []string{"node1", "node1 node2", "node1 node2 node3", "node1 node3", "node1", "node1 node4"}
	for name, c := range map[string]struct {
		order string // of messages by number; * is the third, telling a change of a later release, and ? is none at all
		reads int32
	}{
		"in order":             {"12345", 0},
		"each twice":           {"1122334455", 0},
		"all once more":        {"1234512345", 0},
		"the first lost":       {"2345", 1},
		"one lost":             {"1245", 1},
		"all but the last":     {"5", 1},
		"two in wrong order":   {"13245", 1},
		"in reverse":           {"54321", 1},
		"one not understood":   {"12*45", 1},
		"one that is not ours": {"12?345", 1},
	} {
		for how, between := range map[string]time.Duration{"one by one": 3 * gather, "at once": 0} {
			t.Run(name+", "+how, func(t *testing.T) {
				onMiniredis(t, func(r *registry) {
					from := r.store()
					var reads atomic.Int32
					from.read.AddHook(counting(func(cmds []redis.Cmder) {
						for _, c := range cmds {
							if c.Name() == "smembers" {
								reads.Add(1)
							}
						}
					}))
					r.joined("node1")
					w := r.watch(from)
					w.shows("node1")
					r.settled(w)
					r.pass(100 * time.Millisecond) // and the next poll is seconds away
					node2, node3 := claimOf("node2"), claimOf("node3")
					texts := r.told(
						func(s *Store) { r.registers(s, core.Joined, node2) },
						func(s *Store) { r.registers(s, core.Joined, node3) },
						func(s *Store) { r.leaves(s, core.Left, node2) },
						func(s *Store) { r.leaves(s, core.Left, node3) },
						func(s *Store) { r.registers(s, core.Joined, claimOf("node4")) },
					)
					reads.Store(0)
					for _, number := range c.order {
						text := strings.Replace(texts[2], "left", "moved", 1)
						switch number {
						case '?':
							text = text[1:]
						case '*':
						default:
							text = texts[number-'1']
						}
						r.raw.Publish(r.Context(), keysOf.channel(compute), text)
						r.pass(between)
					}
					r.pass(3 * gather)
					if got := shown(w.last()); got != story[5] {
						r.Errorf("shown is %q, want %q", got, story[5])
					}
					if n := reads.Load(); n != c.reads {
						r.Errorf("the topic was read %d times, want %d", n, c.reads)
					}
					w.follows(story)
				})
			})
		}
	}
}

// follows fails the test unless the views tell a story, from which some may be left out.
func (w *sights) follows(story []string) {
	w.Helper()
	rest := story
	for _, v := range w.all() {
		i := slices.Index(rest, shown(v))
		if i < 0 && shown(v) != "" {
			w.Fatalf("%q is shown where %q is left of the story; %s", shown(v), strings.Join(rest, "; "), w.story())
		}
		rest = rest[max(i, 0):]
	}
}

func TestWhatHappensBeforeTheSubscriptionStandsIsNotMissed(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.joined("node1")
		stands := make(chan struct{})
		r.mini.Server().SetPreHook(func(_ *server.Peer, command string, _ ...string) bool {
			if command == "SUBSCRIBE" {
				<-stands
			}
			return false
		})
		w := r.watch(r.store())
		w.shows("node1")
		r.joined("node2")
		close(stands)
		r.pass(3 * gather) // and the next poll is seconds away
		if got := shown(w.last()); got != "node1 node2" {
			r.Errorf("shown is %q, want both", got)
		}
	})
}

func TestTheLastMessageThatIsLostIsMadeUpForByAPoll(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.joined("node1")
		w := r.watch(r.store())
		w.shows("node1")
		r.settled(w)
		r.pass(100 * time.Millisecond)
		r.told(func(s *Store) { r.registers(s, core.Joined, claimOf("node2")) })
		lost := time.Now()
		w.shows("node1 node2")
		if took := time.Since(lost); took > r.config.Freq {
			r.Errorf("shown after %s, want an interval of %s at most", took, r.config.Freq)
		}
	})
}

func TestAMessageThatIsLostWithItsConnectionIsMadeUpForByTheNext(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		cut := &wire{dial: r.wire.dial}
		r.joined("node1")
		w := r.watch(r.storeOver(cut))
		w.shows("node1")
		r.settled(w)
		for i := range 3 {
			r.pass(100 * time.Millisecond)
			cut.lose.Store(true)
			r.joined(fmt.Sprintf("node1%d", i))
			r.pass(time.Millisecond)
			cut.lose.Store(false)
			lost := time.Now()
			r.until("the host is shown", func() bool { return len(w.last().Members) == i+2 })
			if took := time.Since(lost); took > time.Second {
				r.Errorf("shown %s after the connection was cut, want a second at most", took)
			}
			r.settled(w)
		}
		w.alwaysShowed("node1", "node10", "node11", "node12")
	})
}
