package core_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// BenchmarkResolve is a lookup from memory beside the least that a round robin over a map of topics can cost:
// a load, a map and a counter. Medians of five each, in turns.
func BenchmarkResolve(b *testing.B) {
	const turns = 5
	for _, c := range lookups {
		m, ctx := thousand(b, c.policy), b.Context()
		resolve := func() {
			if _, err := m.Resolve(ctx, c.key); err != nil {
				b.Error(err)
			}
		}
		bare := bareLookup()
		for name, time := range map[string]func(func()) time.Duration{"alone": alone, "parallel": parallel} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				var ours, least, ratios []float64
				for b.Loop() {
					for range turns {
						its, mine := float64(time(bare))/calls, float64(time(resolve))/calls
						least, ours, ratios = append(least, its), append(ours, mine), append(ratios, mine/its)
					}
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(median(ours), "resolve-ns")
				b.ReportMetric(median(least), "bare-ns")
				b.ReportMetric(median(ratios), "resolve/bare")
			})
		}
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// calls is how many lookups are timed at once.
const calls = 500_000

func alone(f func()) time.Duration {
	began := time.Now()
	for range calls {
		f()
	}
	return time.Since(began)
}

// parallel makes as many calls on each processor.
func parallel(f func()) time.Duration {
	var going sync.WaitGroup
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		going.Go(func() {
			for range calls {
				f()
			}
		})
	}
	going.Wait()
	return time.Since(began) / time.Duration(runtime.GOMAXPROCS(0))
}

func bareLookup() func() {
	type topic struct {
		routes []core.Route
		turn   atomic.Uint64
	}
	var known atomic.Pointer[map[string]*topic]
	known.Store(&map[string]*topic{"compute": {routes: make([]core.Route, 1000)}})
	return func() {
		t := (*known.Load())["compute"]
		i := t.turn.Add(1) % uint64(len(t.routes))
		if len(t.routes[i:i+1:i+1]) != 1 {
			panic("no route")
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
