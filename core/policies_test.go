package core

import (
	"context"
	"fmt"
	"math"
	"testing"
)

func crowd(weights ...int) []*Member {
	ms := make([]*Member, len(weights))
	for i, w := range weights {
		ms[i] = &Member{Registration: Registration{Topic: "t", Host: fmt.Sprintf("host%03d", i), Weight: w}}
	}
	return ms
}

// shares picks n times and returns how often each was picked, and the longest wait of each for its next turn.
func shares(ctx func(i int) context.Context, pick Pick, hosts, n int) (counts, waits []int) {
	counts, waits = make([]int, hosts), make([]int, hosts)
	last := make([]int, hosts)
	for i := range n {
		h := pick(ctx(i))
		counts[h]++
		waits[h] = max(waits[h], i-last[h])
		last[h] = i
	}
	return counts, waits
}

func plain(int) context.Context { return context.Background() }

func TestWeightedPicksInProportionAndSmoothly(t *testing.T) {
	weights := []int{1, 2, 0, 5, 11, 1000}
	total := 1 + 2 + 1 + 5 + 11 + 1000
	const rounds = 100
	counts, waits := shares(plain, Weighted(crowd(weights...)), len(weights), total*rounds)
	for i, w := range weights {
		want := max(w, 1) * rounds
		if math.Abs(float64(counts[i]-want)) > float64(want)/20+5 {
			t.Errorf("weight %d was picked %d times, want about %d", w, counts[i], want)
		}
		if even := total / max(w, 1); waits[i] > 3*even+1 {
			t.Errorf("weight %d waited %d picks for its turn, want at most thrice its even distance %d", w, waits[i], even)
		}
	}
}

func TestWeightedStaysInRangeAtTheLargestWeights(t *testing.T) {
	ms := crowd(make([]int, 1000)...)
	for _, m := range ms {
		m.Weight = MaxWeight
	}
	counts, _ := shares(plain, Weighted(ms), len(ms), 100_000)
	for i, n := range counts {
		if n < 80 || n > 120 {
			t.Fatalf("host %d of 1,000 alike was picked %d times of 100,000", i, n)
		}
	}
}

func affine(i int) context.Context { return WithAffinity(context.Background(), fmt.Sprint("key ", i)) }

func TestRendezvousSpreadsKeysByWeight(t *testing.T) {
	counts, _ := shares(affine, Rendezvous(crowd(1, 1, 2, 4)), 4, 40_000)
	for i, want := range []int{5000, 5000, 10_000, 20_000} {
		if math.Abs(float64(counts[i]-want)) > float64(want)/12 {
			t.Errorf("host %d got %d keys, want about %d", i, counts[i], want)
		}
	}
}

func TestRendezvousMovesOnlyTheKeysOfTheHostThatGoes(t *testing.T) {
	all := crowd(1, 1, 1, 1, 1, 1, 1, 1)
	before, after := Rendezvous(all), Rendezvous(all[:7])
	moved := 0
	for i := range 10_000 {
		was, is := all[before(affine(i))].Host, all[after(affine(i))].Host
		if was != is {
			moved++
			if was != all[7].Host {
				t.Fatalf("key %d moved from %s, which stays, to %s", i, was, is)
			}
		}
	}
	if moved < 1000 || moved > 1500 {
		t.Errorf("%d of 10,000 keys moved when one of 8 hosts went, want about 1,250", moved)
	}
}

func TestRendezvousAnswersAlikeInEveryProcess(t *testing.T) {
	pick := Rendezvous(crowd(1, 1, 1, 1, 1))
	var got [8]int
	for i := range got {
		got[i] = pick(affine(i))
	}
	if want := [8]int{4, 4, 3, 0, 1, 4, 0, 2}; got != want {
		t.Errorf("keys 0 to 7 met hosts %v, want %v as in every release", got, want)
	}
}

func TestRendezvousWithoutAKeyPicksAny(t *testing.T) {
	counts, _ := shares(plain, Rendezvous(crowd(1, 1, 1, 1)), 4, 4000)
	for i, n := range counts {
		if n < 800 || n > 1200 {
			t.Errorf("host %d was picked %d times of 4,000", i, n)
		}
	}
}

func TestZonePicksNearHostsAndSpillsOverWhenThereIsNone(t *testing.T) {
	ms := crowd(1, 1, 1, 1)
	ms[1].Zone, ms[3].Zone = "near", "near"
	counts, _ := shares(plain, Zone("near", RoundRobin)(ms), 4, 1000)
	if counts[0]+counts[2] != 0 || counts[1] != 500 || counts[3] != 500 {
		t.Errorf("of two near and two far hosts were picked %v", counts)
	}
	counts, _ = shares(plain, Zone("elsewhere", RoundRobin)(ms), 4, 1000)
	for i, n := range counts {
		if n != 250 {
			t.Errorf("with nobody near host %d was picked %d times of 1,000", i, n)
		}
	}
}

func TestPoliciesDoNotAllocate(t *testing.T) {
	ms := crowd(1, 2, 3)
	ctx := affine(1)
	for name, p := range map[string]Policy{"Weighted": Weighted, "Rendezvous": Rendezvous, "Zone": Zone("near", Weighted)} {
		pick := p(ms)
		if n := testing.AllocsPerRun(100, func() { pick(ctx) }); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
