package redismm

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
)

// What a store leaves behind.

func TestCloseEndsEverythingAndTwiceIsFine(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		p := r.process(r.wire, "node1", "node2")
		s := p.Backend().(*Store)
		var going sync.WaitGroup
		for range 3 {
			going.Go(func() {
				for range s.Watch(r.Context(), compute) {
					break
				}
			})
		}
		if _, err := p.Resolve(r.Context(), compute); err != nil {
			r.Fatal(err)
		}
		going.Wait()
		began := time.Now()
		if err := p.Close(); err != nil {
			r.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			r.Errorf("Close took %s", took)
		}
		p.Close()
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		for v := range s.Watch(ctx, compute) {
			if v.Stale == nil || len(v.Members) > 0 {
				r.Errorf("a closed store shows %+v", v)
			}
		}
		if outcomes, err := s.AckAlive(ctx, r.config.TTL, claimsOf("node1")); err == nil || outcomes[0] != core.Unknown {
			r.Errorf("a closed store answers %s, %v", outcomes[0], err)
		}
	})
}

func TestWhatIsLeftInRedisLapsesByItself(t *testing.T) {
	onBoth(t, func(r *registry) {
		p := r.process(r.wire, "leaves", "removed", "drained", "dies")
		from := r.store()
		w := r.watch(from)
		w.shows("dies drained leaves removed")
		if err := p.Unregister(r.Context(), compute, "leaves"); err != nil {
			r.Fatal(err)
		}
		r.leaves(from, core.Left, claimOf("removed"))
		if err := from.DrainFor(r.Context(), compute, "drained", time.Hour, "the disk is full"); err != nil {
			r.Fatal(err)
		}
		w.shows("dies drained!")
		r.until("somebody sweeps", func() bool { return r.raw.Exists(r.Context(), keysOf.sweeper(compute)).Val() == 1 })
		p.Close()
		from.Close()
		keys := r.raw.Keys(r.Context(), "*").Val()
		if len(keys) < 4 { // the set, the version, the drains and the names of topics
			r.Errorf("Redis holds %q, want more for this test to say anything", keys)
		}
		for _, key := range keys {
			left := r.raw.PTTL(r.Context(), key).Val() // -2 where it has lapsed meanwhile
			if !strings.HasPrefix(key, defaultPrefix+":") || left == -1 || left > life {
				r.Errorf("key %q is left, for %s", key, left)
			}
		}
		if r.mini == nil {
			return
		}
		r.pass(life + time.Second)
		if keys := r.raw.Keys(r.Context(), "*").Val(); len(keys) > 0 {
			r.Errorf("a day later Redis holds %q", keys)
		}
	})
}

// TestCloseIsPromptAndLeaksNothing has no parallel part: what it counts are the goroutines of the process.
func TestCloseIsPromptAndLeaksNothing(t *testing.T) {
	for name, cut := range map[string]func(r *registry){
		"while Redis answers":       func(r *registry) {},
		"while Redis is blackholed": func(r *registry) { r.Cleanup(r.stall()) },
	} {
		t.Run(name, func(t *testing.T) {
			r := served(t)
			r.do("PING")
			before := goleak.IgnoreCurrent()
			h, err := Open(t.Context(), r.server.URL, Config{HeartbeatConfig: core.HeartbeatConfig{Freq: 2 * time.Second}})
			if err != nil {
				t.Fatal(err)
			}
			for _, topic := range []string{compute, "network"} {
				if err := h.Register(t.Context(), core.Registration{Topic: topic, Host: "node1"}); err != nil {
					t.Fatal(err)
				}
			}
			h.StartHeartbeat()
			for _, topic := range []string{compute, "network"} {
				if _, err := h.Live().Members(t.Context(), topic); err != nil {
					t.Fatal(err)
				}
			}
			r.settledOn(keysOf.channel("network"))
			cut(r)
			time.Sleep(50 * time.Millisecond) // whatever is asked now
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			h.SendHeartbeats(ctx)
			cancel()
			began := time.Now()
			if err := h.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 1500*time.Millisecond {
				t.Errorf("Close took %s", took)
			}
			if err := goleak.Find(before); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCloseIsPromptWhileNobodyAnswersTheFirstCall(t *testing.T) {
	h, err := Open(t.Context(), "redis://"+silence(t), Config{})
	if err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	h.StartHeartbeat()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	h.Register(ctx, core.Registration{Topic: compute, Host: "node1"})
	h.Live().Members(ctx, compute)
	cancel()
	began := time.Now()
	h.Close()
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("Close took %s", took)
	}
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}
