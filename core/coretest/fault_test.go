package coretest_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

const ttl = 15 * time.Second

var errDown = errors.New("connection refused")

func claim(host string) *core.Claim {
	return &core.Claim{Registration: core.Registration{Topic: "compute", Host: host}}
}

func register(t *testing.T, m *coretest.Memory, c *core.Claim) {
	t.Helper()
	if os, err := m.BackendRegister(t.Context(), ttl, []*core.Claim{c}); err != nil || !os[0].Holds() {
		t.Fatal(os, err)
	}
}

// watch returns a function that returns the next view.
func watch(t *testing.T, m *coretest.Memory) func() *core.View {
	ctx, cancel := context.WithCancel(t.Context())
	next, stop := iter.Pull(m.Watch(ctx, "compute"))
	t.Cleanup(stop)
	t.Cleanup(cancel)
	return func() *core.View {
		t.Helper()
		v, ok := next()
		if !ok {
			t.Fatal("the watch has ended")
		}
		return v
	}
}

func TestNothingCanBeToldWhileMemoryIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c, ctx := coretest.NewMemory(), claim("node1"), t.Context()
		register(t, m, c)
		m.Break(errDown)
		for verb, f := range map[string]func(context.Context, time.Duration, []*core.Claim) ([]core.Outcome, error){
			"register": m.BackendRegister, "beat": m.AckAlive, "leave": m.BackendUnregister,
		} {
			os, err := f(ctx, ttl, []*core.Claim{c, claim("node2")})
			if !slices.Equal(os, make([]core.Outcome, 2)) || !errors.Is(err, core.ErrUnavailable) || !errors.Is(err, errDown) {
				t.Errorf("%s: %v, %v", verb, os, err)
			}
		}
		_, members := m.Members(ctx, "compute")
		_, remaining := m.Remaining(ctx, "compute", "node1")
		_, topics := m.Topics(ctx)
		_, expire := m.Expire(ctx, "compute", "node1")
		for _, err := range []error{members, remaining, topics, expire} {
			if !errors.Is(err, core.ErrUnavailable) || !errors.Is(err, errDown) {
				t.Error(err)
			}
		}
		m.Unbreak()
		if left, err := m.Remaining(ctx, "compute", "node1"); left != ttl || err != nil {
			t.Errorf("%s left, %v: a call was carried out while nothing could be", left, err)
		}
	})
}

func TestAWatchOfABrokenMemoryShowsTheLastKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		register(t, m, claim("node1"))
		next := watch(t, m)
		known := next()
		m.Break(errDown)
		if v := next(); v.Stale != errDown || len(v.Members) != 1 || v.Version != known.Version || !v.AsOf.Equal(known.AsOf) {
			t.Errorf("view %+v, want the last known, stale", v)
		}
		time.Sleep(10 * ttl) // it lapses, and nobody can see that
		m.Unbreak()
		if v := next(); v.Stale != nil || len(v.Members) != 1 || !v.Members[0].Held {
			t.Errorf("view %+v, want it held from now on", v)
		}
		back := time.Now()
		if v := next(); len(v.Members) != 0 || time.Since(back) != ttl {
			t.Errorf("view %+v after %s", v, time.Since(back))
		}
	})
}

func TestAWatchThatBeginsWhileMemoryIsBrokenSaysSoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		register(t, m, claim("node1"))
		m.Break(errDown)
		next := watch(t, m)
		if v := next(); !errors.Is(v.Err(), core.ErrUnavailable) || v.Topic != "compute" {
			t.Errorf("view %+v: %v", v, v.Err())
		}
		m.Unbreak()
		if v := next(); v.Stale != nil || len(v.Members) != 1 || v.Members[0].Held {
			t.Errorf("view %+v", v)
		}
	})
}

func TestWhatMemoryLosesIsHeldForATTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, back := coretest.NewMemory(), claim("back")
		register(t, m, back)
		register(t, m, claim("dead"))
		next := watch(t, m)
		next()
		m.Lose()
		if v := next(); len(v.Members) != 2 || !v.Members[0].Held || !v.Members[1].Held || v.Version != (core.Version{}) {
			t.Errorf("view %+v", v)
		}
		if v, err := m.Members(t.Context(), "compute"); err != nil || !errors.Is(v.Err(), core.ErrUnknownTopic) {
			t.Errorf("who asks is told %+v, %v", v, err)
		}
		m.AckAlive(t.Context(), 2*ttl, []*core.Claim{back})
		if v := next(); len(v.Members) != 2 || v.Members[0].Held || !v.Members[1].Held {
			t.Errorf("view %+v", v)
		}
		lost := time.Now()
		if v := next(); len(v.Members) != 1 || v.Members[0].Held || time.Since(lost) != ttl {
			t.Errorf("view %+v after %s", v, time.Since(lost))
		}
	})
}

func TestAnOlderInstanceThatComesBackFirstIsNotShownInTheNewersPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, old, newer := coretest.NewMemory(), claim("node1"), claim("node1")
		register(t, m, old)
		register(t, m, newer)
		next := watch(t, m)
		next()
		m.Lose()
		next()
		m.AckAlive(t.Context(), 2*ttl, []*core.Claim{old})
		if v := next(); len(v.Members) != 1 || v.Members[0].Instance != newer.Instance || !v.Members[0].Held {
			t.Errorf("view %+v, want the newer held", v)
		}
		if v := next(); len(v.Members) != 1 || v.Members[0].Instance != old.Instance || v.Members[0].Held {
			t.Errorf("view %+v, want the older, since the newer did not come back", v)
		}
	})
}
