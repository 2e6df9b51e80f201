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
	next   map[string]turn
	tidied time.Time
}

// turn is when a topic is due, and the largest share that was told of since it last was.
type turn struct {
	at    time.Time
	share float64
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
		maps.DeleteFunc(n.next, func(_ string, t turn) bool { return now.After(t.at.Add(n.every)) })
	}
	if n.next == nil {
		n.next = make(map[string]turn)
	}
	t, known := n.next[topic]
	t.share = max(t.share, share)
	step, _ := strconv.Atoi(seq)
	if known || len(n.next) < 10*mostNames {
		if step > first && !known {
			t.at = now.Add(rand.N(n.every))
		}
		if step > first && now.Before(t.at) {
			n.next[topic] = t
			return false
		}
		n.next[topic] = turn{at: now.Add(n.every)}
	} // else each upsert counts: there is one a minute where nothing changes
	return step <= first || rand.Float64() < first*t.share
}
