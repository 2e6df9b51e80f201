package core

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
)

// Policy prepares how one of several hosts is picked. It is called once for each view, with the members
// that [Pickable] chose, at least one.
type Policy func(among []*Member) Pick

// Pick returns an index into the members that its Policy was given. It is called for each lookup, by any
// number of callers at once, and does not allocate.
type Pick func(ctx context.Context) int

// Random picks any, as the original's Redis topic exchange does.
func Random(among []*Member) Pick {
	n := len(among)
	return func(context.Context) int { return rand.IntN(n) }
}

// RoundRobin picks each in turn, beginning at a random one so that many processes do not begin with the
// same: the original's class RoundRobinRingExchange began with the first.
func RoundRobin(among []*Member) Pick { return RoundRobinFrom(rand.IntN(len(among)))(among) }

// RoundRobinFrom picks each in turn, beginning with the one at index first.
func RoundRobinFrom(first int) Policy {
	return func(among []*Member) Pick {
		n := uint64(len(among))
		var turn atomic.Uint64
		turn.Store(uint64(first))
		return func(context.Context) int { return int((turn.Add(1) - 1) % n) }
	}
}
