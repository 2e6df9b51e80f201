package core_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/redismm/matchmaker/core"
)

func pickable(hosts ...string) []*core.Member { return core.Pickable(view(hosts...).Members) }

func TestRandomPicksEachHostItsShare(t *testing.T) {
	pick := core.Random(pickable("a", "b", "c", "d", "e"))
	var picks [5]int
	const n = 50_000
	for range n {
		picks[pick(t.Context())]++
	}
	for i, got := range picks {
		if share := float64(got) * 5 / n; share < 0.9 || share > 1.1 { // 11 standard deviations
			t.Errorf("host %d was picked %.2f of its share", i, share)
		}
	}
}

func TestRoundRobinPicksEachInTurn(t *testing.T) {
	for first := range 3 {
		pick := core.RoundRobinFrom(first)(pickable("a", "b", "c"))
		for i := range 10 {
			if got := pick(t.Context()); got != (first+i)%3 {
				t.Errorf("pick %d from %d is %d", i, first, got)
			}
		}
	}
	if got := core.RoundRobinFrom(7)(pickable("a", "b"))(t.Context()); got != 1 {
		t.Errorf("from beyond the last: %d, want 1", got)
	}
}

func TestRoundRobinPicksEachEquallyOftenFromManyGoroutines(t *testing.T) {
	pick := core.RoundRobin(pickable("a", "b", "c", "d"))
	var mu sync.Mutex
	var picks [4]int
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			var mine [4]int
			for range 1000 {
				mine[pick(t.Context())]++
			}
			mu.Lock()
			defer mu.Unlock()
			for i, n := range mine {
				picks[i] += n
			}
		})
	}
	callers.Wait()
	if picks != [4]int{2000, 2000, 2000, 2000} {
		t.Errorf("picked %v", picks)
	}
}

func TestRoundRobinBeginsAnywhere(t *testing.T) {
	var began []int
	for range 200 {
		began = append(began, core.RoundRobin(pickable("a", "b", "c"))(t.Context()))
	}
	for i := range 3 {
		if !slices.Contains(began, i) {
			t.Errorf("of 200 none began with host %d", i)
		}
	}
}

func TestASingleHostIsAlwaysPicked(t *testing.T) {
	for name, p := range map[string]core.Policy{"random": core.Random, "round robin": core.RoundRobin} {
		pick := p(pickable("a"))
		for range 10 {
			if i := pick(t.Context()); i != 0 {
				t.Errorf("%s picked %d of one", name, i)
			}
		}
	}
}
