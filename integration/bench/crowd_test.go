package bench

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
)

// crowd are watchers of one topic.
type crowd struct {
	stores []*redismm.Store
	end    context.CancelFunc
	going  sync.WaitGroup
	mu     sync.Mutex
	shown  map[int]int // how many watchers show how many members
	news   chan struct{}
}

// watch has n stores of their own watch a topic, and returns when each shows as many members.
func watch(t *testing.T, url, topic string, n, members int, freq time.Duration) *crowd {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	c := &crowd{end: end, shown: make(map[int]int), news: make(chan struct{}, 1)}
	for range n {
		s, err := redismm.OpenStore(url, redismm.Config{HeartbeatConfig: core.HeartbeatConfig{Freq: freq, TTL: ttl}})
		must(t, err)
		c.stores = append(c.stores, s)
		c.going.Go(func() {
			last := -1
			for v := range s.Watch(ctx, topic) {
				c.show(last, len(v.Members))
				last = len(v.Members)
			}
		})
	}
	c.await(t, members)
	return c
}

func (c *crowd) show(was, now int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown[was]--
	c.shown[now]++
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// await returns when every watcher shows as many members.
func (c *crowd) await(t *testing.T, members int) {
	t.Helper()
	late := time.After(longest)
	for {
		c.mu.Lock()
		n := c.shown[members]
		c.mu.Unlock()
		if n == len(c.stores) {
			return
		}
		select {
		case <-c.news:
		case <-late:
			t.Fatalf("%d of %d watchers show %d members", n, len(c.stores), members)
		}
	}
}

// leave ends the watchers, and returns when they have ended.
func (c *crowd) leave() {
	c.end()
	c.going.Wait()
	for _, s := range c.stores {
		c.going.Go(func() { s.Close() })
	}
	c.going.Wait()
}
