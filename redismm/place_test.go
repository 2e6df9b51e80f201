package redismm

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Who holds a place.

func TestNewestWinsAfterFlush(t *testing.T) {
	onBoth(t, func(r *registry) {
		old, newer := r.store(), r.store()
		a, b := claimOf("node1"), claimOf("node1")
		r.registers(old, core.Joined, a)
		r.registers(newer, core.Replaced, b)
		r.do("FLUSHALL")
		r.beats(old, core.Joined, a)
		r.beats(newer, core.Replaced, b)
		r.beats(old, core.Superseded, a)
		r.do("FLUSHALL")
		r.beats(newer, core.Joined, b)
		r.beats(old, core.Superseded, a)
		if a.Holder == nil || a.Holder.Instance != b.Instance {
			r.Errorf("the holder is %+v, want instance %s", a.Holder, b.Instance)
		}
	})
}

func TestTwoToldSupersededNeverBoth(t *testing.T) {
	onBoth(t, func(r *registry) {
		s := []*Store{r.store(), r.store()}
		c := []*core.Claim{claimOf("node1"), claimOf("node1")}
		random := rand.New(rand.NewPCG(1, 2))
		both := 0
		for step := range 300 {
			switch i := random.IntN(2); random.IntN(5) {
			case 0:
				c[i] = claimOf("node1")
				fallthrough
			case 1: // also a register that is sent again
				s[i].BackendRegister(r.Context(), r.config.TTL, c[i:i+1])
			case 2:
				r.do("FLUSHALL")
			case 3:
				r.do("DEL", keysOf.liveness(compute, "node1"))
			case 4:
				time.Sleep(time.Microsecond)
			}
			first := random.IntN(2)
			told := [2]core.Outcome{}
			for _, i := range []int{first, 1 - first, first, 1 - first} {
				if c[i].Instance != "" {
					outcomes, err := s[i].AckAlive(r.Context(), r.config.TTL, c[i:i+1])
					if err != nil {
						r.Fatal(err)
					}
					told[i] = outcomes[0]
				}
			}
			if c[0].Instance == "" || c[1].Instance == "" {
				continue
			}
			both++
			if told[0].Holds() == told[1].Holds() {
				r.Fatalf("step %d: told %s and %s", step, told[0], told[1])
			}
			if held := c[0].Instance > c[1].Instance; told[0].Holds() != held {
				r.Fatalf("step %d: the older holds the place", step)
			}
		}
		if both < 200 {
			r.Errorf("both were told something %d times, want 200", both)
		}
	})
}

func TestFlushThenRegisterBeatsOldGeneration(t *testing.T) {
	onBoth(t, func(r *registry) {
		old, a := r.joined("node1")
		time.Sleep(time.Millisecond) // a Redis without memory draws generations from its clock
		r.do("FLUSHALL")
		r.beats(old, core.Joined, a)
		newer, b := r.store(), claimOf("node1")
		r.registers(newer, core.Replaced, b)
		r.do("FLUSHALL")
		time.Sleep(time.Millisecond)
		newest, c := r.store(), claimOf("node1")
		r.registers(newest, core.Joined, c)
		r.beats(old, core.Superseded, a)
		r.beats(newer, core.Superseded, b)
		r.beats(newest, core.Kept, c)
	})
}

func TestAClockThatStepsBackDoesNotMakeANewRegistrationOlder(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		old, a := r.joined("node1")
		r.mini.SetTime(time.Now().Add(-time.Hour))
		newer, b := r.store(), claimOf("node1")
		r.registers(newer, core.Replaced, b)
		r.beats(old, core.Superseded, a)
		r.leaves(newer, core.Left, b)
		r.registers(r.store(), core.Joined, claimOf("node1"))
	})
}

func TestRetriedRegisterDoesNotTakeBack(t *testing.T) {
	onBoth(t, func(r *registry) {
		lossy := &wire{dial: r.wire.dial}
		old, a := r.storeOver(lossy), claimOf("node1")
		r.registers(old, core.Joined, claimOf("node2")) // Redis knows the scripts
		if err := old.ticket(r.Context(), []*core.Claim{a}); err != nil {
			r.Fatal(err)
		}
		was := a.Instance
		lossy.lose.Store(true)
		outcomes, err := old.BackendRegister(r.Context(), r.config.TTL, []*core.Claim{a})
		lossy.lose.Store(false)
		if outcomes[0] != core.Unknown || err == nil {
			r.Fatalf("a register whose reply is lost: %s, %v", outcomes[0], err)
		}
		if v := r.version(); v.seq != "2" {
			r.Fatalf("the register whose reply was lost made version %+v; want it executed once", v)
		}
		newer, b := r.store(), claimOf("node1")
		r.registers(newer, core.Replaced, b)
		r.registers(old, core.Superseded, a)
		r.beats(newer, core.Kept, b)
		if a.Instance != was {
			r.Errorf("a retry made instance %s of %s", a.Instance, was)
		}
	})
}

func TestTakeoverLostByFailoverIsTakenBack(t *testing.T) {
	onBoth(t, func(r *registry) {
		old, a := r.joined("node1")
		lagging := r.save()
		newer, b := r.store(), claimOf("node1")
		r.registers(newer, core.Replaced, b)
		r.beats(old, core.Superseded, a)
		w := r.watch(r.store())
		r.rollBack(lagging)
		r.beats(old, core.Kept, a)
		r.beats(newer, core.Replaced, b)
		r.beats(old, core.Superseded, a)
		r.beats(newer, core.Kept, b)
		w.shows("node1")
		w.alwaysShowed("node1")
		w.neverShowed(a.Instance)
	})
}

// late is an upsert on its way since now.
func (r *registry) late(s *Store, c *core.Claim, timeout time.Duration) *call {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	notAfter := noteOf(c).clock.notAfter(ctx, time.Hour)
	if notAfter == 0 {
		r.Fatal("the store has not heard Redis's time")
	}
	return s.upsertCall(&batch{topic: c.Topic, at: []int{0}, claims: []*core.Claim{c}}, r.config.TTL, notAfter)
}

func (r *registry) arrives(s *Store, c *call) []string {
	r.Helper()
	run(r.Context(), s.write, []*call{c})
	words, err := texts(c.reply)
	if c.err != nil || err != nil {
		r.Fatal(c.err, err)
	}
	return words
}

func TestBeatAfterTombstoneExpiredIsRefused(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, c := r.joined("node1")
		late := r.late(s, c, r.config.RoundTimeout())
		r.leaves(s, core.Left, c)
		if words := r.arrives(s, r.late(s, c, time.Hour)); words[5] != "left" {
			r.Fatalf("a beat after the leave: %q, want left", words)
		}
		r.lapsed("node1")
		if words := r.arrives(s, late); words[1] != "late" {
			r.Errorf("a beat after the tombstone: %q, want late", words)
		}
		if n := r.raw.SCard(r.Context(), keysOf.set(compute)).Val(); n != 0 {
			r.Errorf("%d hosts are listed, want none", n)
		}
	})
}

func TestABeatThatIsLateIsSentOnceMore(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		s, c := r.joined("node1")
		r.do("FLUSHALL")
		noteOf(c).clock = servertime{1, time.Now()} // as if Redis's clock had stepped far ahead since
		r.beats(s, core.Joined, c)
		r.beats(s, core.Kept, c)
	})
}

func TestSupersededStandsByAndReturns(t *testing.T) {
	onBoth(t, func(r *registry) {
		old := r.process(r.wire, "node1", "node2")
		newer := r.process(r.wire, "node1")
		r.until("the older is told", func() bool { return old.reported(core.SupersededBy) == 1 })
		w := r.watch(r.store())
		successor := w.last().Members[0].Instance
		newer.StopHeartbeat() // dies
		r.until("the older is back", func() bool { return old.reported(core.Returned) == 1 })
		own := old.Registrations()[0].Member.Instance
		r.until("the older is shown", func() bool {
			m := w.last().Members[0]
			return m.Instance == own && !m.Held
		})
		if successor <= own {
			r.Errorf("the older has instance %s, its successor %s", own, successor)
		}
		w.alwaysShowed("node1", "node2")
		if n := old.reported(core.Contested) + old.reported(core.Lost) + old.reported(core.Removed); n > 0 {
			r.Errorf("events: %v", old.events)
		}
	})
}

func TestRemovedByNameStandbysToo(t *testing.T) {
	onBoth(t, func(r *registry) {
		old, newer := r.process(r.wire, "node1"), r.process(r.wire, "node1")
		r.until("the older stands by", func() bool { return old.reported(core.SupersededBy) == 1 })
		if err := r.process(r.wire).Unregister(r.Context(), compute, "node1"); err != nil {
			r.Fatal(err)
		}
		r.until("both are told", func() bool { return old.reported(core.Removed)+newer.reported(core.Removed) == 2 })
		r.lapsed("node1")
		for range 3 {
			if err := errors.Join(old.SendHeartbeats(r.Context()), newer.SendHeartbeats(r.Context())); err != nil {
				r.Fatal(err)
			}
		}
		if v, err := r.store().Members(r.Context(), compute); err != nil || len(v.Members) > 0 {
			r.Errorf("%s is back, %v", shown(v), err)
		}
	})
}

func TestLateBeatDoesNotUndoDrain(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, c := r.joined("node1")
		late := r.late(s, c, time.Hour)
		c.State = core.Draining
		r.beats(s, core.Changed, c)
		was := r.version()
		if words := r.arrives(s, late); words[5] != "ok" {
			r.Errorf("a late beat: %q, want ok", words)
		}
		if is := r.version(); is != was {
			r.Errorf("a late beat made version %+v of %+v", is, was)
		}
		r.beats(s, core.Kept, c)
		if v, err := s.Members(r.Context(), compute); err != nil || shown(v) != "node1!" {
			r.Errorf("%q, %v, want node1 draining", shown(v), err)
		}
	})
}

func TestAConnectionThatWasClosedCostsABeatNothing(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		var opened []net.Conn
		s := r.storeOver(&wire{dial: func() (net.Conn, error) {
			conn, err := r.wire.dial()
			opened = append(opened, conn)
			return conn, err
		}})
		c := claimOf("node1")
		r.registers(s, core.Joined, c)
		for range 5 {
			noteOf(c).acked = nil // as after a failure: it is told whole, without a touch before
			for _, conn := range opened {
				conn.Close()
			}
			n := len(opened)
			r.beats(s, core.Kept, c)
			if len(opened) == n {
				r.Fatal("the beat went over a connection that was closed")
			}
		}
	})
}
