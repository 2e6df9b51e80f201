package integration_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
)

// Crew is what a process of a budget can be told to do. Times are of the machine's wall clock, in
// nanoseconds, so that processes of one machine can compare them.
type Crew struct {
	hands []*core.HeartbeatMatchMaker

	mu    sync.Mutex
	noted []Sighting
	more  chan struct{} // closed when something is noted
	picks Picks
	end   context.CancelFunc // of picking
	ended sync.WaitGroup
}

// Opening says how many matchmakers to open, and how.
type Opening struct {
	URL       string
	N         int
	Freq, TTL time.Duration
}

// Open opens matchmakers, each with connections of its own.
func (c *Crew) Open(o Opening, _ *int) error {
	logging.Disable() // an outage is no news here
	for range o.N {
		h, err := redismm.Open(context.Background(), o.URL, redismm.Config{HeartbeatConfig: core.HeartbeatConfig{Freq: o.Freq, TTL: o.TTL}})
		if err != nil {
			return err
		}
		c.hands = append(c.hands, h)
	}
	return nil
}

// everyHand does something with every matchmaker, some at once.
func (c *Crew) everyHand(do func(i int, h *core.HeartbeatMatchMaker) error) error {
	failed := make(chan error, len(c.hands))
	turns := make(chan struct{}, 32)
	for i, h := range c.hands {
		turns <- struct{}{}
		go func() {
			failed <- do(i, h)
			<-turns
		}()
	}
	var first error
	for range c.hands {
		if err := <-failed; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Keeping says which hosts to register: each matchmaker some, from a number on.
type Keeping struct {
	Topic, Prefix string
	From, Each    int
}

// Keep registers hosts and keeps them.
func (c *Crew) Keep(k Keeping, _ *int) error {
	return c.everyHand(func(i int, h *core.HeartbeatMatchMaker) error {
		hosts := make([]core.Registration, k.Each)
		for j := range hosts {
			host := fmt.Sprintf("%s%05d", k.Prefix, k.From+i*k.Each+j)
			hosts[j] = core.Registration{Topic: k.Topic, Host: host, Addr: "10.0.0.1:8774", Zone: "zone1"}
		}
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		_ = h.Register(ctx, hosts...) // what fails is tried again by every beat
		h.StartHeartbeat()
		return nil
	})
}
