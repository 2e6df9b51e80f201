package redismm

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// Who takes the dead off the list, and when.

// sweep is one look of a sweeper.
func (r *registry) sweep(s *Store, m *memory) error {
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	node, err := s.node(ctx, compute)
	if err != nil {
		return err
	}
	conn := node.Conn()
	defer conn.Close()
	return s.sweeps.sweep(ctx, conn, compute, m)
}

func (r *registry) listed(want ...string) {
	r.Helper()
	got := r.raw.SMembers(r.Context(), keysOf.set(compute)).Val()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		r.Fatalf("listed are %q, want %q", got, want)
	}
}

func TestADeadHostIsHeldForATTLAndThenUnlisted(t *testing.T) {
	onBoth(t, func(r *registry) {
		r.process(r.wire, "node2")
		w := r.watch(r.store())
		r.until("the watcher sweeps", func() bool { return r.raw.Exists(r.Context(), keysOf.sweeper(compute)).Val() == 1 })
		dead := r.process(r.wire, "node1") // who dies does not sweep: else its lease would have to lapse first
		w.shows("node1 node2")
		dead.StopHeartbeat()
		died := time.Now()
		w.shows("node1~ node2")
		if r.mini != nil && time.Since(died) > r.config.TTL+r.config.Freq {
			r.Errorf("held after %s", time.Since(died))
		}
		w.shows("node2")
		if r.mini != nil && time.Since(died) > 2*r.config.TTL+2*r.config.Freq+time.Second {
			r.Errorf("gone after %s", time.Since(died))
		}
		r.until("unlisted", func() bool { return r.raw.SCard(r.Context(), keysOf.set(compute)).Val() == 1 })
		w.alwaysShowed("node2")
	})
}

func TestASweepPrunesWhoWasAbsentForATTLAndNobodyElse(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		s, alive := r.joined("node1")
		_, dead := r.joined("node2")
		m := newMemory()
		was := ""
		for range 3 {
			if err := r.sweep(s, m); err != nil {
				r.Fatal(err)
			}
			was = r.version().seq
			r.pass(r.config.Freq)
			r.beats(s, core.Kept, alive)
		}
		if was != "2" {
			r.Errorf("sweeps of a topic where all live made version %s", was)
		}
		last := -r.config.Freq // when it was listed still, since the first look
		for since := time.Now(); time.Since(since) < 2*r.config.TTL; {
			if err := r.sweep(s, m); err != nil {
				r.Fatal(err)
			}
			if r.raw.SIsMember(r.Context(), keysOf.set(compute), dead.Host).Val() {
				last = time.Since(since)
			}
			r.pass(r.config.Freq)
			r.beats(s, core.Kept, alive)
		}
		if last != r.config.TTL-r.config.Freq {
			r.Errorf("listed until %s after the first look, want %s", last, r.config.TTL-r.config.Freq)
		}
		r.listed("node1")
	})
}

func TestSweeperStoppedBetweenLooksPrunesNothing(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, c := r.joined("node1")
		m := newMemory()
		look := func() {
			if err := r.sweep(s, m); err != nil {
				r.Fatal(err)
			}
			r.listed("node1")
		}
		look()
		for range 3 { // Redis loses the key each time, and the host is back while the sweeper stands still
			r.do("DEL", keysOf.liveness(compute, "node1"))
			look()
			r.pass(r.config.Freq)
			look()
			r.beats(s, core.Joined, c)
			r.pass(r.config.TTL / 2)
			r.do("DEL", keysOf.liveness(compute, "node1"))
			r.pass(r.config.TTL)
			look()
			r.beats(s, core.Joined, c)
			look()
		}
		if m.seen["node1"] != c.Instance || len(m.absent) > 0 {
			r.Errorf("the sweeper remembers %+v", m)
		}
	})
}

func TestDelayedPruneChangesNothing(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, c := r.joined("node1")
		r.do("DEL", keysOf.liveness(compute, "node1"))
		snap, err := s.snapshot(r.Context(), s.read, compute, nil)
		if err != nil {
			r.Fatal(err)
		}
		was := r.version()
		prune := s.pruneCall(compute, []string{"node1"}, map[string]string{"node1": c.Instance}, snap.time+1000)
		time.Sleep(2 * time.Millisecond)
		if err := r.sent(s, prune); err != nil || prune.reply != int64(-1) {
			r.Errorf("a late prune: %v, %v, want -1", prune.reply, err)
		}
		r.listed("node1")
		r.beats(s, core.Joined, c)
		inTime := s.pruneCall(compute, []string{"node1"}, map[string]string{"node1": c.Instance}, snap.time+time.Hour.Microseconds())
		if err := r.sent(s, inTime); err != nil || inTime.reply != int64(0) {
			r.Errorf("a prune of who is back: %v, %v, want 0", inTime.reply, err)
		}
		r.listed("node1")
		if is := r.version(); is.epoch != was.epoch || is.seq != "2" {
			r.Errorf("version %+v of %+v, want the step of the join only", is, was)
		}
	})
}

func TestStalledRedisThenSweepKeepsOneHostTopic(t *testing.T) {
	onBoth(t, func(r *registry) {
		host := r.process(r.wire, "node1")
		w := r.watch(r.store())
		w.shows("node1")
		was := r.version()
		goOn := r.stall()
		r.until("the host knows", func() bool { return host.reported(core.Lost) == 1 })
		host.StopHeartbeat() // stands still as well: sweeps come first
		goOn()
		r.lapsed("node1")
		w.shows("node1~")
		r.listed("node1")
		host.StartHeartbeat()
		w.shows("node1")
		w.alwaysShowed("node1")
		if is := r.version(); is.epoch != was.epoch {
			r.Errorf("version %+v of %+v", is, was)
		}
	})
}

func TestStalledRedisPartlyBackKeepsTheRest(t *testing.T) {
	onBoth(t, func(r *registry) {
		quick := r.process(r.wire, "node1")
		slow := r.process(r.wire, "node2", "node3")
		w := r.watch(r.store())
		w.shows("node1 node2 node3")
		goOn := r.stall()
		r.until("both know", func() bool { return quick.reported(core.Lost)+slow.reported(core.Lost) == 3 })
		slow.StopHeartbeat()
		goOn()
		r.until("one is back", func() bool { return quick.reported(core.Recovered) == 1 })
		w.shows("node1 node2~ node3~")
		r.listed("node1", "node2", "node3")
		slow.StartHeartbeat()
		w.shows("node1 node2 node3")
		w.alwaysShowed("node1", "node2", "node3")
	})
}

func TestASweepFailsWithoutPruning(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		s, _ := r.joined("node1")
		r.do("DEL", keysOf.liveness(compute, "node1"))
		r.config.TTL = 2 * r.config.Freq
		m := newMemory()
		if err := r.sweep(s, m); err != nil {
			r.Fatal(err)
		}
		r.mini.SetError("READONLY You can't write against a read only replica.")
		if err := r.sweep(s, m); err == nil {
			r.Error("a sweep on a Redis that refuses has no error")
		}
		r.mini.SetError("")
		r.listed("node1")
	})
}

func TestOneProcessSweepsATopicAtATime(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.joined("node1")
		ctx := r.Context()
		a, b := r.store(), r.store()
		lease := func(s *Store, had bool) bool {
			conn := s.write.(*redis.Client).Conn()
			defer conn.Close()
			mine, err := s.sweeps.lease(ctx, conn, compute, had)
			if err != nil {
				r.Fatal(err)
			}
			return mine
		}
		a.sweeps.topics[compute], b.sweeps.topics[compute] = tended{share: 1}, tended{share: 1}
		if !lease(a, false) || lease(b, false) || !lease(a, true) {
			r.Fatal("two processes have the lease, or none")
		}
		r.pass(3 * r.config.Freq)
		if !lease(b, false) || lease(a, true) {
			r.Fatal("a lease that lapsed is not handed on")
		}
	})
}

func TestPollsAndSweepsAreAnIntervalApartWhateverTheyTake(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.config = core.HeartbeatConfig{Freq: time.Second, TTL: time.Hour}
		r.joined("node1")
		w := r.watch(r.store())
		r.settled(w)
		var polls, sweeps atomic.Int64
		r.mini.Server().SetPreHook(func(_ *server.Peer, command string, args ...string) bool {
			if command == "EVALSHA" {
				switch args[0] {
				case glanceScript.sha:
					polls.Add(1)
				case leaseScript.sha:
					sweeps.Add(1)
				}
				time.Sleep(r.config.Freq / 4)
			}
			return false
		})
		r.pass(40 * r.config.Freq)
		if polls, sweeps := polls.Load(), sweeps.Load(); polls < 39 || sweeps < 39 {
			r.Errorf("in 40 intervals %d polls and %d sweeps, want one in each, though each takes a quarter of it", polls, sweeps)
		}
	})
}

// Each time they who live are back before a sweeper looks that had waited for them.
func TestASetThatIsLostAgainAndAgainIsNotTakenForEmpty(t *testing.T) {
	m, ttl := newMemory(), 15*time.Second
	for i := range int64(10) {
		m.note(&snapshot{time: (1 + i) * 5e6, version: version{"epoch", fmt.Sprint(i), fmt.Sprint("change", i), "2"}}, 5*time.Second, ttl)
		if waited := (1+i)*5e6 - m.lost; waited != 0 {
			t.Fatalf("the sweeper has waited for %d us in vain for those of change %d, which it sees for the first time", waited, i)
		}
	}
	for i := range int64(4) { // nobody is back
		m.note(&snapshot{time: (10 + i) * 5e6, version: version{"epoch", "9", "change9", "2"}}, 5*time.Second, ttl)
	}
	if m.lost != 10*5e6 {
		t.Errorf("the sweeper waits since %d us, want since it first saw them gone, at 50 s", m.lost)
	}
}
