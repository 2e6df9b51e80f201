package core_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/redismm/matchmaker/core"
)

// thousand is a matchmaker over a view of 1,000 hosts that is there.
func thousand(tb testing.TB, p core.Policy) *core.MatchMaker {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("node%03d", i)
	}
	s := new(source)
	s.Set(view(names...))
	ctx, end := context.WithCancel(context.Background())
	l := core.NewLive(ctx, s, p)
	tb.Cleanup(func() {
		end()
		l.Wait()
	})
	if _, err := l.Members(ctx, "compute"); err != nil {
		tb.Fatal(err)
	}
	return core.New(l)
}

var lookups = []struct {
	name, key string
	policy    core.Policy
}{
	{"topic/random", "compute", core.Random},
	{"topic/roundrobin", "compute", core.RoundRobin},
	{"direct", "compute.node500", core.Random},
	{"fanout", "fanout~compute", core.Random},
}

func TestALookupDoesNotAllocate(t *testing.T) {
	for _, c := range lookups {
		m, ctx := thousand(t, c.policy), t.Context()
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := m.Resolve(ctx, c.key); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	for _, c := range lookups {
		m, ctx := thousand(b, c.policy), b.Context()
		b.Run(c.name+"/alone", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Resolve(ctx, c.key); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := m.Resolve(ctx, c.key); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkBare is the least that a round robin over a map of topics can cost: a load, a map and a counter.
func BenchmarkBare(b *testing.B) {
	type topic struct {
		routes []core.Route
		turn   atomic.Uint64
	}
	var known atomic.Pointer[map[string]*topic]
	known.Store(&map[string]*topic{"compute": {routes: make([]core.Route, 1000)}})
	lookup := func(key string) []core.Route {
		t := (*known.Load())[key]
		i := t.turn.Add(1) % uint64(len(t.routes))
		return t.routes[i : i+1 : i+1]
	}
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			lookup("compute")
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				lookup("compute")
			}
		})
	})
}

// BenchmarkView is what a change costs those who resolve from memory: one view of 1,000 hosts made ready.
func BenchmarkView(b *testing.B) {
	s := new(source)
	ctx, end := context.WithCancel(context.Background())
	l := core.NewLive(ctx, s, nil)
	defer l.Wait()
	defer end()
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("node%03d", i)
	}
	s.Set(view(names...))
	views := l.Watch(ctx, "compute")
	b.ReportAllocs()
	for range views {
		if !b.Loop() {
			return
		}
		s.Set(view(names...))
	}
}
