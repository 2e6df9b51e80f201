package core_test

import (
	"context"
	"fmt"
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
