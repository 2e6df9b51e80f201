package core

import (
	"context"
	"math"
	"math/rand/v2"
)

type affinity struct{}

// WithAffinity returns a context under which [Rendezvous] picks the same host for the same key.
func WithAffinity(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, affinity{}, hash(key))
}

// Rendezvous picks by the key of [WithAffinity]: the same key meets the same host in every process, in
// proportion to the weights, and a host that comes or goes moves only the keys that it gains or had. Without
// a key it picks any.
func Rendezvous(among []*Member) Pick {
	hosts := make([]uint64, len(among))
	weights := make([]float64, len(among))
	for i, m := range among {
		hosts[i], weights[i] = hash(m.Host), float64(weightOf(m))
	}
	return func(ctx context.Context) int {
		key, ok := ctx.Value(affinity{}).(uint64)
		if !ok {
			return rand.IntN(len(hosts))
		}
		best, highest := 0, math.Inf(-1)
		for i, h := range hosts {
			// A number in (0, 1) for the pair; its logarithm over the weight makes larger weights win in
			// proportion.
			u := (float64(mix(h^key)>>11) + 0.5) / (1 << 53)
			if score := math.Log(u) / weights[i]; score > highest {
				best, highest = i, score
			}
		}
		return best
	}
}

// hash is FNV-1a, spread: the same in every process.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// mix spreads every bit over all others: the finish of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
