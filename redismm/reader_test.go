package redismm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

func TestFreshReaderOfALostIndexIsNotToldThatNobodyIsThere(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.joined("node1")
		r.do("DEL", keysOf.set(compute))
		m, err := core.NewHeartbeat(r.store(), r.config)
		if err != nil {
			r.Fatal(err)
		}
		defer m.Close()
		if _, err = m.Resolve(r.Context(), compute); !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNoMatch) {
			r.Errorf("%v, want ErrUnavailable", err)
		}
	})
}

func TestQuietPollsDoNotReadTheTopic(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.process(r.wire, "node1")
		s := r.store()
		var reads, polls atomic.Int32
		s.read.AddHook(counting(func(cmds []redis.Cmder) {
			for _, c := range cmds {
				switch c.Name() {
				case "smembers":
					reads.Add(1)
				case "evalsha":
					polls.Add(1)
				}
			}
		}))
		w := r.watch(s)
		w.shows("node1")
		r.pass(r.config.Freq)
		reads.Store(0)
		polls.Store(0)
		r.pass(time.Minute)
		if n := reads.Load(); n != 0 {
			r.Errorf("a watcher read the topic %d times in a quiet minute", n)
		}
		if n := polls.Load(); n < 5 {
			r.Errorf("a watcher polled %d times in a minute", n)
		}
	})
}

func TestTopicThatCannotBeSweptHoldsUpNoOther(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		dead, _ := r.joined("node1")
		dead.Close()
		watcher := r.store()
		w := r.watch(watcher)
		w.shows("node1")
		r.do("SET", keysOf.set("alien"), "x")
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() {
			for range watcher.Watch(ctx, "alien") {
			}
		}()
		watcher.sweeps.tend("alien", 0, 0, leaseUnknown)
		for range 2*int(r.config.TTL/r.config.Freq) + 4 {
			watcher.sweeps.tend("alien", 0, 0, leaseUnknown)
			r.pass(r.config.Freq)
		}
		if got := shown(w.last()); got != "" {
			r.Errorf("two TTLs and more after its death the view is %q", got)
		}
	})
}

func TestSurvivorOfAMassDeathFindsTheDead(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		doomed := r.store()
		names := make([]string, 299)
		for i := range names {
			names[i] = fmt.Sprintf("dead%03d", i)
		}
		r.registers(doomed, core.Joined, claimsOf(names...)...)
		p := r.process(r.wire, "alive")
		if _, err := p.Resolve(r.Context(), compute); err != nil {
			r.Fatal(err)
		}
		doomed.Close()
		r.pass(r.config.TTL)
		last := time.Now()
		for held := false; !held; r.pass(r.config.Freq) {
			v, err := p.Live().Members(r.Context(), compute)
			if err != nil {
				r.Fatal(err)
			}
			held = v.Members[1].Held
			if late := time.Since(last); late > 8*r.config.Freq {
				r.Fatalf("%s after their TTL the dead are picked", late)
			}
		}
	})
}

func TestClosedStoreTellsItsWatchers(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.process(r.wire, "node1")
		s := r.store()
		w := r.watch(s)
		w.shows("node1")
		s.Close()
		r.pass(time.Second)
		if v := w.last(); v.Stale == nil || !strings.Contains(v.Stale.Error(), "closed") || shown(v) != "node1" {
			r.Errorf("%q, stale %v", shown(v), v.Stale)
		}
	})
}

func TestFlushesAreNoContest(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		old := r.process(r.wire, "node1")
		r.pass(time.Millisecond)
		r.process(r.wire, "node1")
		r.pass(2 * r.config.Freq)
		for range 40 {
			r.do("FLUSHALL")
			r.pass(r.config.Freq)
		}
		if n := old.reported(core.SupersededBy); n < 2 {
			r.Errorf("superseded %d times, want some", n)
		}
		if n := old.reported(core.Contested); n != 0 {
			r.Errorf("contested %d times, though nobody took the place anew", n)
		}
	})
}

func TestTopicsForgetsWhatWasForgotten(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		s := r.store()
		for i := range 50 {
			c := &core.Claim{Registration: core.Registration{Topic: fmt.Sprintf("reply-%d", i), Host: "a"}}
			r.registers(s, core.Joined, c)
			r.leaves(s, core.Left, c)
			r.pass(time.Hour)
		}
		names, err := s.Topics(r.Context())
		if err != nil || len(names) == 0 || len(names) > 25 {
			r.Errorf("%d topics, %v, want those of the last day", len(names), err)
		}
		if n := r.raw.SCard(r.Context(), keysOf.topics()).Val(); int(n) != len(names) {
			r.Errorf("%d names are kept for %d topics", n, len(names))
		}
	})
}
