package core

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"sort"
	"sync/atomic"
)

// golden is 2^64 over the golden ratio. Its multiples modulo 2^64 fall evenly at every scale: however many
// are taken, an interval gets its share of them, in at most three different distances.
const golden = 0x9E3779B97F4A7C15

// Weighted picks each in proportion to its weight, smoothly: a host's turns are spread evenly among the
// others', beginning at a random place. A weight of 0 counts as 1.
func Weighted(among []*Member) Pick {
	ends := make([]uint64, len(among)) // of each one's share of the whole
	var total uint64
	for i, m := range among {
		total += uint64(weightOf(m))
		ends[i] = total
	}
	var turn atomic.Uint64
	turn.Store(rand.Uint64())
	return func(context.Context) int {
		at, _ := bits.Mul64(turn.Add(1)*golden, total)
		return sort.Search(len(ends), func(i int) bool { return ends[i] > at })
	}
}

func weightOf(m *Member) int { return max(m.Weight, 1) }
