package redismm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// What a topic's version is worth.

// changed waits until it is not was any more, and returns it.
func (r *registry) changed(was version) version {
	r.Helper()
	is := r.version()
	if is == was {
		r.Fatalf("the version is %+v still", was)
	}
	return is
}

func TestFastPathRefusesEqualSeqOtherChange(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, c := r.joined("node1")
		lagging := r.save()
		c.State = core.Draining
		r.beats(s, core.Changed, c)
		r.beats(s, core.Kept, c)
		lost := r.version()
		r.rollBack(lagging)
		if err := r.store().DrainFor(r.Context(), compute, "node2", time.Hour, "test"); err != nil {
			r.Fatal(err)
		}
		if now := r.version(); now.epoch != lost.epoch || now.seq != lost.seq || now.n != lost.n || now.change == lost.change {
			r.Fatalf("version %+v, want one like %+v but for the change", now, lost)
		}
		r.beats(s, core.Changed, c)
		if v, err := s.Members(r.Context(), compute); err != nil || shown(v) != "node1!" {
			r.Errorf("%q, %v, want node1 draining", shown(v), err)
		}
	})
}

func TestTheFastPathIsTakenAndTellsTheWholeEachMinute(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		s, c := r.joined("node1")
		var whole, quick atomic.Int64
		s.write.AddHook(counting(func(cmds []redis.Cmder) {
			for _, cmd := range cmds {
				switch args := cmd.Args(); args[min(1, len(args)-1)] {
				case upsertScript.sha:
					whole.Add(1)
				case touchScript.sha:
					quick.Add(1)
				}
			}
		}))
		for range 120 {
			r.pass(r.config.Freq)
			r.beats(s, core.Kept, c)
		}
		if whole.Load() != 10 || quick.Load() != 110 {
			r.Errorf("in 10 minutes %d beats were whole and %d quick, want 10 and 110", whole.Load(), quick.Load())
		}
	})
}

// counting is a hook that is shown every round trip.
type counting func(cmds []redis.Cmder)

func (counting) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c([]redis.Cmder{cmd})
		return next(ctx, cmd)
	}
}

func (c counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c(cmds)
		return next(ctx, cmds)
	}
}

func TestHealedIndexIsAVersionStep(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, c := r.joined("node1")
		r.do("SREM", keysOf.set(compute), "node1")
		r.do("SADD", keysOf.set(compute), "ghost")
		w := r.watch(r.store())
		if shown(w.last()) != "" {
			r.Fatalf("shown is %q before the beat", shown(w.last()))
		}
		was := r.version()
		memoOf(c).acked = nil // the minute is over
		r.beats(s, core.Kept, c)
		if is := r.changed(was); is.epoch != was.epoch || is.seq != "2" || is.n != "2" {
			r.Errorf("version %+v of %+v, want the next with both hosts", is, was)
		}
		w.shows("node1")
	})
}

func TestQuietTopicOutlivesADay(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, c := r.joined("node1")
		other, old, gone := r.store(), claimOf("node2"), claimOf("node3")
		r.registers(other, core.Joined, old, gone)
		r.registers(other, core.Replaced, claimOf("node2"))
		r.leaves(other, core.Left, gone)
		r.beats(s, core.Kept, c)
		drain := func(d time.Duration) func() error {
			return func() error { return s.DrainFor(r.Context(), compute, "node1", d, "test") }
		}
		for _, step := range []struct {
			script string
			do     func() error
		}{
			{"upsert, once a minute", func() error { memoOf(c).acked = nil; r.beats(s, core.Kept, c); return nil }},
			{"upsert of the superseded", func() error { r.beats(other, core.Superseded, old); return nil }},
			{"leave of the superseded", func() error { r.leaves(other, core.Superseded, old); return nil }},
			{"leave again", func() error { r.leaves(other, core.Left, gone); return nil }},
			{"drain", drain(time.Hour)},
			{"drain of nobody", drain(0)},
			{"suspect", func() error { return r.sent(s, s.suspectCall(compute, []string{"node1"})) }},
			{"suspect of nobody", func() error { return r.sent(s, s.suspectCall(compute, nil)) }},
			{"prune", func() error { return r.sent(s, s.pruneCall(compute, []string{"node1"}, nil, 1<<60)) }},
			{"remove", func() error { r.leaves(other, core.Left, claimOf("node2")); return nil }},
			{"expire", func() error { _, err := s.Expire(r.Context(), compute, "node1"); return err }},
		} {
			r.raw.PExpire(r.Context(), keysOf.set(compute), time.Hour)
			r.raw.PExpire(r.Context(), keysOf.version(compute), time.Hour)
			if err := step.do(); err != nil {
				r.Fatal(err)
			}
			for _, key := range []string{keysOf.set(compute), keysOf.version(compute)} {
				left := r.raw.PTTL(r.Context(), key).Val()
				if gone := left == -2 && step.script == "expire"; left < 23*time.Hour && !gone {
					r.Errorf("%s leaves %q for %s, want a day", step.script, key, left)
				}
			}
		}
	})
	t.Run("25 hours", func(t *testing.T) {
		onMiniredis(t, func(r *registry) {
			r.config = core.HeartbeatConfig{Freq: 10 * time.Minute, TTL: 30 * time.Minute}
			r.process(r.wire, "node1")
			w := r.watch(r.store())
			w.shows("node1")
			was := r.version()
			for range 25 {
				r.pass(time.Hour)
			}
			if is := r.version(); is != was {
				r.Errorf("a quiet day made version %+v of %+v", is, was)
			}
			if v := w.shows("node1"); v.Stale != nil || len(w.all()) > 2 {
				r.Errorf("stale: %v; %s", v.Stale, w.story())
			}
		})
	})
}

// sent makes a call, and returns its error.
func (r *registry) sent(s *Store, c *call) error {
	run(r.Context(), s.write, []*call{c})
	return c.err
}

func TestLostVersionIsRebuilt(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, c := r.joined("node1")
		r.joined("node2")
		w := r.watch(r.store())
		was := r.version()
		r.do("DEL", keysOf.version(compute))
		r.beats(s, core.Kept, c)
		if is := r.version(); is.epoch == was.epoch || is.epoch == "" || is.seq != "1" || is.n != "2" {
			r.Errorf("version %+v, want the first of a new epoch with both hosts", is)
		}
		for _, field := range []string{"e", "s", "c", "n"} {
			was = r.version()
			r.do("HDEL", keysOf.version(compute), field)
			if field != "c" { // Redis loses none by itself: it is found when the minute is over
				memoOf(c).acked = nil
			}
			r.beats(s, core.Kept, c)
			if is := r.version(); is.epoch == was.epoch || is.seq != "1" || is.n != "2" {
				r.Errorf("without field %s: version %+v, want the first of a new epoch with both hosts", field, is)
			}
		}
		last := r.version().core()
		r.until("the new epoch is shown", func() bool { return w.last().Version == last })
		w.alwaysShowed("node1", "node2")
	})
}

func TestLostIndexOpensAnEpoch(t *testing.T) {
	onBoth(t, func(r *registry) {
		s1, c1 := r.joined("node1")
		s2, c2 := r.joined("node2")
		for range 2 { // both by the fast path
			r.beats(s1, core.Kept, c1)
			r.beats(s2, core.Kept, c2)
		}
		w := r.watch(r.store())
		was := r.version()
		r.do("DEL", keysOf.set(compute))
		if _, err := r.store().Members(r.Context(), compute); !errors.Is(err, core.ErrUnavailable) {
			r.Errorf("members of a topic whose index is lost: %v, want ErrUnavailable", err)
		}
		r.beats(s1, core.Kept, c1)
		if is := r.version(); is.epoch == was.epoch || is.n != "1" {
			r.Errorf("version %+v of %+v, want a new epoch with one host", is, was)
		}
		r.beats(s2, core.Kept, c2)
		w.shows("node1 node2")
		w.alwaysShowed("node1", "node2")
		if v, err := r.store().Members(r.Context(), compute); err != nil || shown(v) != "node1 node2" {
			r.Errorf("%q, %v, want both", shown(v), err)
		}
	})
}

func TestALostIndexIsAnnouncedByASweepToo(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.joined("node1")
		was := r.version()
		r.do("DEL", keysOf.set(compute))
		s, seen := r.store(), newMemory()
		began := time.Now()
		for time.Since(began) < r.config.TTL { // who lives has until then to be back
			if err := r.sweep(s, seen); err != nil {
				r.Fatal(err)
			}
			if is := r.version(); is != was {
				r.Fatalf("version %+v of %+v after %s, want what contradicts the set for a TTL", is, was, time.Since(began))
			}
			if _, err := s.TopicExchange(r.Context(), compute); !errors.Is(err, core.ErrUnavailable) {
				r.Fatalf("%v, want ErrUnavailable", err)
			}
			r.pass(r.config.Freq)
		}
		if err := r.sweep(s, seen); err != nil {
			r.Fatal(err)
		}
		if is := r.version(); is.epoch == was.epoch || is.n != "0" {
			r.Errorf("version %+v of %+v, want a new epoch without hosts", is, was)
		}
	})
}

func TestDivergentHistoryIsNoticed(t *testing.T) {
	onBoth(t, func(r *registry) {
		r.config = core.HeartbeatConfig{Freq: 5 * time.Minute, TTL: 15 * time.Minute} // no poll comes in between
		r.joined("node1")
		w := r.watch(r.store())
		r.settled(w)
		lagging := r.save()
		gone, _ := r.joined("node2")
		w.shows("node1 node2")
		gone.Close()
		r.rollBack(lagging)

		// A step that nobody hears, to the same number, then one that everybody does.
		unheard, c := r.store(), claimOf("node3")
		if err := unheard.ticket(r.Context(), []*core.Claim{c}); err != nil {
			r.Fatal(err)
		}
		step := r.late(unheard, c, time.Hour)
		step.args[4] = "elsewhere"
		r.arrives(unheard, step)
		if now, known := r.version(), w.last().Version; now.epoch != known.Epoch || now.core().Seq != known.Seq {
			r.Fatalf("version %+v, want the epoch and number of %+v", now, known)
		}
		heard := len(w.all())
		r.joined("node4")
		w.shows("node1 node2~ node3 node4")
		if steps := len(w.all()) - heard; steps != 1 {
			r.Errorf("%d views until then, want 1; %s", steps, w.story())
		}
		w.alwaysShowed("node1", "node2", "node3")
	})
}

func TestVersionAbsentTwiceIsNotUnchanged(t *testing.T) {
	onBoth(t, func(r *registry) {
		r.joined("node1")
		r.joined("node2")
		r.do("DEL", keysOf.version(compute))
		s := r.connected()
		trips := 0
		s.read.AddHook(counting(func(cmds []redis.Cmder) {
			if trips++; trips == 2 {
				r.do("SREM", keysOf.set(compute), "node2")
				r.do("DEL", keysOf.liveness(compute, "node2"), keysOf.version(compute))
			}
		}))
		snap, err := s.snapshot(r.Context(), s.read, compute, nil)
		if err != nil {
			r.Fatal(err)
		}
		if len(snap.hosts) != 1 || snap.values["node1"].kind != live || snap.whole() {
			r.Errorf("snapshot of a topic without version: %+v", snap)
		}
	})
}

func TestSnapshotDuringChangeIsConsistent(t *testing.T) {
	onBoth(t, func(r *registry) {
		r.joined("fixed")
		if err := r.raw.ScriptLoad(r.Context(), snapshotScript.text).Err(); err != nil {
			r.Fatal(err)
		}
		other := r.store()
		guest := claimOf("guest0")
		r.registers(other, core.Joined, guest)
		for changes := range 5 {
			s := r.connected()
			trips, made := 0, 0
			s.read.AddHook(counting(func(cmds []redis.Cmder) {
				// Between the two trips of an attempt one guest leaves and another comes.
				if trips++; trips%2 == 0 && made < changes {
					made++
					next := claimOf("guest" + strings.Repeat("1", made))
					r.leaves(other, core.Left, guest)
					r.registers(other, core.Joined, next)
					guest = next
				}
			}))
			snap, err := s.snapshot(r.Context(), s.read, compute, []string{"beside"})
			if err != nil {
				r.Fatal(err)
			}
			if want := r.version(); snap.version != want || !snap.whole() {
				r.Errorf("%d changes: version %+v with %d hosts, want %+v", changes, snap.version, len(snap.hosts), want)
			}
			for _, h := range []string{"fixed", guest.Host} {
				if snap.values[h].kind != live || !slices.Contains(snap.hosts, h) {
					r.Errorf("%d changes: %s is not shown alive", changes, h)
				}
			}
			if want := min(2*changes+2, 7); trips != want {
				r.Errorf("%d changes: %d trips, want %d", changes, trips, want)
			}
		}
	})
}

func TestNoscriptInPipelineRepeatsOnlyThatBatch(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, c := r.joined("node1")
		ctx := r.Context()
		r.do("SCRIPT", "FLUSH")
		if err := r.raw.ScriptLoad(ctx, leaveScript.text).Err(); err != nil {
			r.Fatal(err)
		}
		gone, other := claimOf("node2"), claimOf("node3")
		gone.Instance, other.Instance = newStamp(1), newStamp(1)
		leave := &call{script: leaveScript, keys: s.topicKeys(compute, "node2"),
			args: []any{1000, s.life(), newNonce(), keysOf.channel(compute), "node2", gone.Instance}}
		leaves := *leave
		noteOf(other).clock = noteOf(c).clock
		upsert := r.late(s, other, time.Hour)
		executed := 0
		s.write.AddHook(counting(func(cmds []redis.Cmder) { executed += len(cmds) }))
		run(ctx, s.write, []*call{leave, upsert, &leaves})
		if leave.err != nil || upsert.err != nil || leaves.err != nil {
			r.Fatal(leave.err, upsert.err, leaves.err)
		}
		if executed != 4 {
			r.Errorf("%d commands for three calls of which one was unknown, want 4", executed)
		}
		if is := r.version(); is.seq != "3" {
			r.Errorf("version %+v; want one step of the leave and one of the join after the first", is)
		}
		r.do("SCRIPT", "FLUSH")
		r.beats(s, core.Kept, c)
		r.beats(s, core.Kept, c)
	})
}
