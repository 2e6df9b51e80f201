package integration_test

import (
	"context"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Picking says which topic every matchmaker resolves, and how often.
type Picking struct {
	Topic string
	Every time.Duration
}

// Picks is what the lookups of a process met.
type Picks struct {
	N, Failed int
	First     string           // error
	Slowest   time.Duration    // lookup
	Last      map[string]int64 // when a host was last picked
	Fresh     int64            // when a view was last not stale
	Stale     int64            // when a view was last stale
	Missing   int              // the most members that a view, seen by a watch or a lookup, has had less than one before
}

// Pick begins to resolve with every matchmaker, from memory; the topic is watched already.
func (c *Crew) Pick(p Picking, _ *int) error {
	ctx, end := context.WithCancel(context.Background())
	c.end = end
	c.picks.Last = make(map[string]int64)
	for _, h := range c.hands {
		c.ended.Go(func() {
			tick := time.NewTicker(p.Every)
			defer tick.Stop()
			for most := 0; ctx.Err() == nil; <-tick.C {
				most = c.pick(ctx, h, p.Topic, most)
			}
		})
	}
	return nil
}

// pick looks up once, and returns the most members that were ever there.
func (c *Crew) pick(ctx context.Context, h *core.HeartbeatMatchMaker, topic string, most int) int {
	began := time.Now()
	routes, err := h.Resolve(ctx, topic)
	took := time.Since(began)
	view, failed := h.Live().Members(ctx, topic)
	at := time.Now().UnixNano()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.picks.N++
	c.picks.Slowest = max(c.picks.Slowest, took)
	if err == nil {
		err = failed
	}
	if err != nil {
		c.picks.Failed++
		c.picks.First = err.Error()
		return most
	}
	c.picks.Last[routes[0].Host] = at
	most = max(most, len(view.Members))
	c.picks.Missing = max(c.picks.Missing, most-len(view.Members))
	if view.Stale == nil {
		c.picks.Fresh = at
	} else {
		c.picks.Stale = at
	}
	return most
}

// Picks returns what the lookups met since the last call; Missing is since the beginning.
func (c *Crew) Picks(_ int, out *Picks) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	*out = c.picks
	c.picks = Picks{Last: make(map[string]int64), Missing: out.Missing}
	return nil
}
