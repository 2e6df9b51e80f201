package redismm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

// How members come into a view and leave it.

func TestDeadHostWithLostIndexLeavesViews(t *testing.T) {
	onBoth(t, func(r *registry) {
		dead := r.process(r.wire, "node1")
		r.process(r.wire, "node2")
		w := r.watch(r.store())
		w.shows("node1 node2")
		dead.StopHeartbeat()
		r.do("DEL", keysOf.set(compute))
		w.shows("node2")
		w.alwaysShowed("node2")
		w.sawHeld("node1")
	})
}

// sawHeld fails the test unless a view showed a host as held.
func (w *sights) sawHeld(host string) {
	w.Helper()
	held := func(m *core.Member) bool { return m.Host == host && m.Held }
	if !slices.ContainsFunc(w.all(), func(v *core.View) bool { return slices.ContainsFunc(v.Members, held) }) {
		w.Errorf("%s was never held; %s", host, w.story())
	}
}

func TestRollbackWithinEpochIsHeld(t *testing.T) {
	onBoth(t, func(r *registry) {
		s1, c1 := r.joined("node1")
		lagging := r.save()
		s2, c2 := r.joined("node2")
		w := r.watch(r.store())
		was := r.version()
		r.rollBack(lagging)
		if is := r.version(); is.epoch != was.epoch || is.seq >= was.seq {
			r.Fatalf("version %+v, want an earlier one than %+v", is, was)
		}
		w.shows("node1 node2~")
		r.beats(s1, core.Kept, c1)
		r.beats(s2, core.Joined, c2)
		w.shows("node1 node2")
		w.alwaysShowed("node1", "node2")
	})
}

func TestOlderInstanceNeverShownAfterRollback(t *testing.T) {
	onBoth(t, func(r *registry) {
		old, a := r.joined("node1")
		lagging := r.save()
		newer, b := r.store(), claimOf("node1")
		r.registers(newer, core.Replaced, b)
		w := r.watch(r.store())
		r.rollBack(lagging)
		w.shows("node1~")
		r.beats(old, core.Kept, a)
		r.beats(newer, core.Replaced, b)
		w.shows("node1")
		w.alwaysShowed("node1")
		w.neverShowed(a.Instance)
	})
}

func TestAnOlderInstanceIsShownWhenItsSuccessorLapsed(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		old, a := r.joined("node1")
		newer, b := r.store(), claimOf("node1")
		r.registers(newer, core.Replaced, b)
		w := r.watch(r.store())
		r.do("DEL", keysOf.liveness(compute, "node1"))
		r.beats(old, core.Joined, a)
		died := time.Now()
		for w.last().Members[0].Instance != a.Instance {
			r.pass(r.config.Freq)
			r.beats(old, core.Kept, a)
		}
		if d := time.Since(died); d < r.config.TTL || d > 2*r.config.TTL {
			r.Errorf("shown after %s, want a TTL or somewhat more", d)
		}
		w.alwaysShowed("node1")
	})
}

// However many changes come between a reading and what was told before it, and though no sweeper takes it out.
func TestADeadHostLeavesATopicThatNeverRests(t *testing.T) {
	onBoth(t, func(r *registry) {
		dies := r.process(r.wire, "node1")
		r.process(r.wire, "node2")
		w := r.watch(r.store())
		w.shows("node1 node2")
		dies.Close()
		died := time.Now()
		rests := r.config.Freq / 25
		if r.server != nil {
			rests /= 20
		}
		ended, others := make(chan struct{}), new(sync.WaitGroup)
		for i := range 3 {
			s, c := r.store(), claimOf(fmt.Sprint("comes and goes ", i))
			others.Go(func() {
				for {
					select {
					case <-ended:
						return
					case <-time.After(time.Duration(1+i) * rests):
					}
					s.BackendRegister(r.Context(), r.config.TTL, []*core.Claim{c})
					s.BackendUnregister(r.Context(), r.config.TTL, []*core.Claim{c})
					c.Instance, c.Memo = "", nil
				}
			})
		}
		bound := 2*r.config.TTL + 2*r.config.Freq + time.Second
		shows := func(held bool) bool {
			return slices.ContainsFunc(w.last().Members, func(m *core.Member) bool { return m.Host == "node1" && (m.Held || !held) })
		}
		r.until("node1 is held", func() bool { return shows(true) })
		r.do("SET", keysOf.sweeper(compute), "somebody who does not sweep", "EX", "3600")
		for shows(false) && time.Since(died) <= bound {
			r.pass(r.config.Freq / 20)
		}
		took := time.Since(died)
		close(ended)
		others.Wait()
		if took > bound {
			r.Errorf("node1 is shown %s after its death, want %s at most", took, bound)
		}
		w.alwaysShowed("node2")
	})
}

func TestEvictedSetDoesNotEmptyAView(t *testing.T) {
	onBoth(t, func(r *registry) {
		r.process(r.wire, "node1")
		r.process(r.wire, "node2")
		w := r.watch(r.store())
		w.shows("node1 node2")
		for range 3 {
			was := r.version().epoch
			r.do("DEL", keysOf.set(compute))
			r.until("both are listed again", func() bool {
				is := r.version()
				return is.epoch != was && is.n == "2"
			})
			w.shows("node1 node2")
		}
		w.alwaysShowed("node1", "node2")
	})
}

func TestEvictedLivenessKeyDoesNotFlap(t *testing.T) {
	onBoth(t, func(r *registry) {
		p := r.process(r.wire, "node1")
		r.process(r.wire, "node2")
		w := r.watch(r.store())
		w.shows("node1 node2")
		for n := range 3 {
			r.do("DEL", keysOf.liveness(compute, "node1"))
			r.until("the owner knows", func() bool { return p.reported(core.Recovered) == n+1 })
			w.shows("node1 node2")
		}
		w.alwaysShowed("node1", "node2")
	})
}

func TestFlushBringsEverybodyBackWithinAnInterval(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.process(r.wire, "node1", "node2")
		r.process(r.wire, "node3")
		w := r.watch(r.store())
		w.shows("node1 node2 node3")
		r.do("FLUSHALL")
		r.pass(r.config.Freq + time.Second)
		r.listed("node1", "node2", "node3")
		if shown(w.last()) != "node1 node2 node3" {
			r.Errorf("shown is %q", shown(w.last()))
		}
		w.alwaysShowed("node1", "node2", "node3")
	})
}

func TestThreeLeavesAreSeenAtOnce(t *testing.T) {
	onBoth(t, func(r *registry) {
		s := r.store()
		cs := claimsOf("node1", "node2", "node3", "node4")
		r.registers(s, core.Joined, cs...)
		w := r.watch(r.store())
		w.shows("node1 node2 node3 node4")
		r.settled(w)
		left := time.Now()
		for _, c := range cs[:3] {
			r.leaves(s, core.Left, c)
		}
		w.shows("node4")
		if d := time.Since(left); r.mini != nil && d > 2*gather {
			r.Errorf("seen after %s, want at most %s", d, 2*gather)
		}
		for _, v := range w.all() {
			if slices.ContainsFunc(v.Members, func(m *core.Member) bool { return m.Held }) {
				r.Errorf("who left was held; %s", w.story())
			}
		}
		left = time.Now()
		r.leaves(s, core.Left, cs[3])
		w.shows("")
		if d := time.Since(left); r.mini != nil && d > 2*gather {
			r.Errorf("the last is seen after %s, want at most %s", d, 2*gather)
		}
		if err := w.last().Err(); !errors.Is(err, core.ErrNoHosts) {
			r.Errorf("when the last has left: %v, want ErrNoHosts", err)
		}
	})
}

// settled waits until the watcher has subscribed and hears what is published.
func (r *registry) settled(w *sights) { r.Helper(); r.settledOn(keysOf.channel(w.last().Topic)) }

func (r *registry) settledOn(channel string) {
	r.Helper()
	r.until("a subscription", func() bool {
		return r.raw.PubSubNumSub(r.Context(), channel).Val()[channel] > 0
	})
}

// heardOf makes the topic one that was heard of, and where nobody is.
func (r *registry) heardOf() {
	r.Helper()
	s, c := r.joined("passing")
	r.leaves(s, core.Left, c)
}

func TestLeftOfOlderKeepsNewer(t *testing.T) {
	onBoth(t, func(r *registry) {
		old, a := r.joined("node1")
		newer, b := r.store(), claimOf("node1")
		r.registers(newer, core.Replaced, b)
		w := r.watch(r.store())
		r.settled(w)
		r.do("FLUSHALL")
		r.beats(old, core.Joined, a)
		w.shows("node1~")
		r.settled(w)
		r.leaves(old, core.Left, a)
		r.pass(3 * gather)
		w.shows("node1~")
		r.beats(newer, core.Joined, b)
		w.shows("node1")
		w.alwaysShowed("node1")
		w.neverShowed(a.Instance)
	})
}

func TestOlderBeatsFirstAfterFlushNoViewFlaps(t *testing.T) {
	onBoth(t, func(r *registry) {
		old, a := r.joined("node1")
		newer, b := r.store(), claimOf("node1")
		r.registers(newer, core.Replaced, b)
		w := r.watch(r.store())
		r.settled(w)
		for range 3 {
			r.do("FLUSHALL")
			r.beats(old, core.Joined, a)
			w.shows("node1~")
			r.beats(newer, core.Replaced, b)
			w.shows("node1")
		}
		w.alwaysShowed("node1")
		w.neverShowed(a.Instance)
	})
}

func TestHeldIsNotPickedWhileOthersAreUp(t *testing.T) {
	onBoth(t, func(r *registry) {
		dead := r.process(r.wire, "node1")
		lasting := r.process(r.wire, "node2")
		from := r.store()
		w := r.watch(from)
		ctx, cancel := context.WithCancel(r.Context())
		live := core.NewLive(ctx, from, core.RoundRobin)
		r.Cleanup(func() { cancel(); live.Wait() })
		picked := func() (hosts []string) {
			for range 20 {
				routes, err := live.TopicExchange(ctx, compute)
				if err != nil {
					r.Fatal(err)
				}
				hosts = append(hosts, routes[0].Host)
			}
			slices.Sort(hosts)
			return slices.Compact(hosts)
		}
		w.shows("node1 node2")
		r.until("both are picked", func() bool { return len(picked()) == 2 })
		dead.StopHeartbeat()
		w.shows("node1~ node2")
		r.until("only the other is picked", func() bool {
			alone := slices.Equal(picked(), []string{"node2"})
			if got := shown(w.last()); r.mini != nil && got != "node1~ node2" {
				r.Fatalf("node1 was picked as long as it was held; shown is %q", got)
			}
			return alone
		})
		routes, err := live.FanoutExchange(ctx, core.FanoutPrefix+compute)
		if now := shown(w.last()); now == "node1~ node2" && (err != nil || len(routes) != 2) {
			r.Errorf("a fanout answers %d routes, %v, want both", len(routes), err)
		}
		w.shows("node2")
		lasting.StopHeartbeat()
		w.shows("node2~")
		if hosts := picked(); !slices.Equal(hosts, []string{"node2"}) {
			r.Errorf("picked is %q where all are held, want node2", hosts)
		}
	})
}

func TestOutsideDrainSurvivesBeatsAndRestart(t *testing.T) {
	onBoth(t, func(r *registry) {
		r.config = core.HeartbeatConfig{Freq: 5 * time.Second, TTL: 15 * time.Second} // nobody lapses, on a busy machine too
		s, c := r.joined("node1")
		r.joined("node2")
		r.joined("node3")
		w := r.watch(r.store())
		outside := r.store()
		drain := func(d time.Duration) {
			if err := outside.DrainFor(r.Context(), compute, "node1", d, "the disk is full"); err != nil {
				r.Fatal(err)
			}
		}
		drain(time.Hour)
		r.beats(s, core.Kept, c)
		r.beats(s, core.Kept, c)
		r.drained(w, "node1! node2 node3")
		again := claimOf("node1")
		r.registers(r.store(), core.Replaced, again)
		r.drained(w, "node1! node2 node3")
		drain(0)
		r.drained(w, "node1 node2 node3")
		drain(0)

		drain(r.config.Freq)
		r.drained(w, "node1! node2 node3")
		if r.mini != nil { // it ends by itself
			r.do("PERSIST", keysOf.liveness(compute, "node1"))
			r.do("PERSIST", keysOf.liveness(compute, "node2"))
			r.do("PERSIST", keysOf.liveness(compute, "node3"))
			if err := outside.DrainFor(r.Context(), compute, "node2", time.Hour, "another"); err != nil {
				r.Fatal(err)
			}
			r.pass(3 * r.config.Freq)
			r.drained(w, "node1 node2! node3")
		}
	})
}

// drained checks that lookups that ask Redis, and a watcher, agree on who drains.
func (r *registry) drained(w *sights, want string) {
	r.Helper()
	ctx, asked := r.Context(), r.store()
	v, err := asked.Members(ctx, compute)
	if err != nil || shown(v) != want {
		r.Errorf("members are %q, %v, want %q", shown(v), err, want)
	}
	up := 0
	for i := range v.Members {
		routes, err := asked.DirectExchange(ctx, core.DirectKey(compute, v.Members[i].Host))
		if err != nil || routes[0].Member == nil || routes[0].Member.State != v.Members[i].State {
			r.Errorf("direct answers %+v, %v, want state %s", routes, err, v.Members[i].State)
		}
		if v.Members[i].State == core.Up {
			up++
		}
	}
	picked := map[string]int{}
	for range 64 {
		routes, err := asked.TopicExchange(ctx, compute)
		if err != nil {
			r.Fatal(err)
		}
		picked[routes[0].Host]++
	}
	for i := range v.Members {
		if n := picked[v.Members[i].Host]; (v.Members[i].State == core.Up) != (n > 0) || (n > 0 && n < 64/up/4) {
			r.Errorf("picked of %q are %v, want those up, each with its share", want, picked)
			break
		}
	}
	w.shows(want)
}

func TestALabelNamedStateDoesNotKeepAHostFromBeingPicked(t *testing.T) {
	onBoth(t, func(r *registry) {
		s := r.store()
		plain, labelled := claimOf("node1"), claimOf("node2")
		labelled.Labels = map[string]string{"state": "draining", "a": `"state":"failing"`}
		r.registers(s, core.Joined, plain, labelled)
		picked := map[string]bool{}
		for range 64 {
			routes, err := s.TopicExchange(r.Context(), compute)
			if err != nil {
				r.Fatal(err)
			}
			picked[routes[0].Host] = true
		}
		if len(picked) != 2 {
			r.Errorf("picked are %v, want both", picked)
		}
	})
}

func TestAMemberThatHasNotChangedIsTheSameInTheNextView(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		p := r.process(r.wire, "node1", "node2")
		w := r.watch(r.store())
		before := w.shows("node1 node2")
		if err := p.Drain(r.Context(), compute, "node2"); err != nil {
			r.Fatal(err)
		}
		after := w.shows("node1 node2!")
		if before.Members[0] != after.Members[0] {
			r.Error("node1 is another member, and has not changed")
		}
		if before.Members[1] == after.Members[1] || before.Members[1].State != core.Up {
			r.Error("node2 changed in a view that had been shown")
		}
	})
}
