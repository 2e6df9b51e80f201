package bench

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
	"github.com/redismm/matchmaker/integration/bench/figures"
	"github.com/redismm/matchmaker/integration/bench/page"
)

var cachedPart = part{"cached", "Lookups from memory", `MatchMaker.Resolve over a topic that is followed, beside the least that a round
robin over topics can cost: an atomic load, a map and a counter. In parallel, each core makes as many calls, and all count
at one counter, as round robins must. The original has no memory: its lookup is in the part "topic".`, cached}

var lookups = []struct {
	name, key string
	policy    core.Policy
}{
	{"topic, random", "compute", core.Random},
	{"topic, round robin", "compute", core.RoundRobin},
	{"direct", "compute.node00005", core.Random},
	{"fanout", "fanout~compute", core.Random},
}

// registrations are n hosts of a topic, each with a record of about 120 bytes.
func registrations(topic string, from, n int) []core.Registration {
	rs := make([]core.Registration, n)
	for i := range rs {
		j := from + i
		rs[i] = core.Registration{Topic: topic, Host: fmt.Sprintf("node%05d", j), Addr: fmt.Sprintf("10.%d.%d.%d:8774", j>>16&255, j>>8&255, j&255),
			Zone: "eu-west-1a", Labels: map[string]string{"version": "2026.11.3", "rack": fmt.Sprintf("rack-%03d", j%1000), "shard": "blue-green"}}
	}
	return rs
}

// inMemory is a matchmaker that knows n hosts of compute.
func inMemory(t *testing.T, n int, policy core.Policy) *core.HeartbeatMatchMaker {
	t.Helper()
	h, err := core.NewHeartbeat(coretest.NewMemory(), core.HeartbeatConfig{Policy: policy, Freq: calm.Freq, TTL: calm.TTL})
	must(t, err)
	t.Cleanup(func() { h.Close() })
	must(t, h.Register(t.Context(), registrations("compute", 0, n)...))
	_, err = h.Live().WaitFor(t.Context(), "compute", n)
	must(t, err)
	return h
}

func cached(t *testing.T, p *page.Part) {
	calls, turns := sized(40_000, 10_000), sized(41, 2) // many short turns: what disturbs one meets both sides of few
	table := p.Table("A lookup, in nanoseconds, beside the bare one:", "key", "hosts", "alone", "bare", "ratio", "in parallel", "bare", "ratio", "allocations")
	var worst [2]figures.Sample
	var allocations figures.Sample
	lines := make([]page.Line, len(lookups))
	for i, l := range lookups {
		lines[i].Name = l.name
		for _, n := range []int{10, 100, 1000, 10_000} {
			h, ctx := inMemory(t, n, l.policy), t.Context()
			resolve := func() {
				if _, err := h.Resolve(ctx, l.key); err != nil {
					t.Error(err)
				}
			}
			least := bareLookup(n)
			all := interleaved(turns, work{do: func() { alone(calls, resolve) }}, work{do: func() { alone(calls, least) }},
				work{do: func() { parallel(calls, resolve) }}, work{do: func() { parallel(calls, least) }})
			row := []string{l.name, fmt.Sprint(n)}
			for k := range 2 {
				ours, its := all[2*k].took.Times(1e9/float64(calls)), all[2*k+1].took.Times(1e9/float64(calls))
				ratio := ours.Over(its)
				row = append(row, page.Number(ours.Median()), page.Number(its.Median()), page.Number(ratio.Median()))
				if ratio.Median() > worst[k].Median() {
					worst[k] = ratio
				}
				if k == 0 {
					lines[i].Points = append(lines[i].Points, figures.Point{Size: float64(n), Cost: ours.Median()})
				}
			}
			a := testing.AllocsPerRun(1000, resolve)
			allocations = append(allocations, a)
			table.Row(append(row, page.Number(a))...)
			h.Close()
		}
		p.Fit(figures.Law{What: "a lookup from memory, " + l.name, With: "hosts of the topic"}, lines[i].Points...)
	}
	p.Judge("cached resolve beside a bare load, map and counter, alone: the slowest kind and size", worst[0], " ×", figures.AtMost(4))
	p.Judge("the same, on all cores at once", worst[1], " ×", figures.AtMost(4))
	p.Judge("allocations of a cached resolve, of any kind and size", allocations, "", figures.AtMost(0))
	p.Plot(page.Plot{Name: "cached", Title: "A lookup from memory", X: "hosts of the topic", Y: "nanoseconds", Lines: lines})
}

// bareLookup is a round robin over a map of topics that never changes.
func bareLookup(n int) func() {
	type topic struct {
		routes []core.Route
		turn   atomic.Uint64
	}
	var known atomic.Pointer[map[string]*topic]
	known.Store(&map[string]*topic{"compute": {routes: make([]core.Route, n)}})
	return func() {
		t := (*known.Load())["compute"]
		i := t.turn.Add(1) % uint64(len(t.routes))
		if len(t.routes[i:i+1:i+1]) != 1 {
			panic("no route")
		}
	}
}

func alone(calls int, f func()) {
	for range calls {
		f()
	}
}

// parallel makes calls on every core at once, in all as many as there are.
func parallel(calls int, f func()) {
	var going sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		going.Go(func() { alone(calls/runtime.GOMAXPROCS(0), f) })
	}
	going.Wait()
}

// longest is how long whatever a benchmark waits for may take.
const longest = 2 * time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	t.Cleanup(cancel)
	return ctx
}
