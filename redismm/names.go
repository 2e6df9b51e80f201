package redismm

import (
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// names are the topics that this process tells for listings, and when each is due again.
type names struct {
	every time.Duration // a topic is told at most by each who beats in it; 0: with every upsert

	mu     sync.Mutex
	next   map[string]time.Time
	tidied time.Time
}

const (
	nameEvery = time.Minute
	// first is how many steps of a topic's epoch are told each time: after them somebody has.
	first = 8
	// mostNames are remembered though nobody beats in them; ten times as many at all.
	mostNames = 10_000
)

// due says whether a topic is to be told now, at a sequence number of its version, by who keeps a share of its members:
// about as many tell it each time as at first, however many there are.
func (n *names) due(topic, seq string, share float64) bool {
	if n.every == 0 {
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if len(n.next) >= mostNames && now.Sub(n.tidied) >= n.every { // all are looked at
		n.tidied = now
		maps.DeleteFunc(n.next, func(_ string, next time.Time) bool { return now.After(next.Add(n.every)) })
	}
	if n.next == nil || len(n.next) >= 10*mostNames {
		n.next = make(map[string]time.Time)
	}
	next, known := n.next[topic]
	step, _ := strconv.Atoi(seq)
	if step > first {
		if !known {
			n.next[topic] = now.Add(rand.N(n.every))
			return false
		}
		if now.Before(next) {
			return false
		}
	}
	n.next[topic] = now.Add(n.every)
	return step <= first || rand.Float64() < first*share
}
