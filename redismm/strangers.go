package redismm

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// strangers are the topics that are watched and were never heard of, most of them mistyped. They are not
// subscribed to, but polled together.
type strangers struct {
	store *Store
	ctx   context.Context
	end   context.CancelFunc

	mu    sync.Mutex
	waits map[string]*follower // by topic
	runs  bool
}

func newStrangers(s *Store) *strangers {
	ctx, end := context.WithCancel(context.Background())
	return &strangers{store: s, ctx: ctx, end: end, waits: make(map[string]*follower)}
}

func (a *strangers) add(f *follower) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waits[f.topic] = f
	if !a.runs {
		a.runs = true
		a.store.going.Go(a.run) // add is called by what going counts
	}
}

func (a *strangers) remove(f *follower) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waits[f.topic] == f {
		delete(a.waits, f.topic)
	}
}

// askEvery is how often n strangers are asked for: once a second, or a hundred of them a second where there are
// more, or all once an interval where that is more often.
func (a *strangers) askEvery(n int) time.Duration {
	return min(a.store.config.Freq, max(time.Second, time.Duration(n)*10*time.Millisecond))
}

// run asks until there is no stranger.
func (a *strangers) run() {
	for {
		a.mu.Lock()
		topics := slices.Collect(maps.Keys(a.waits))
		a.runs = len(topics) > 0 && a.ctx.Err() == nil
		goesOn := a.runs
		a.mu.Unlock()
		if !goesOn {
			return
		}
		every := a.askEvery(len(topics))
		timer := time.NewTimer(every - rand.N(every/10))
		select {
		case <-timer.C:
		case <-a.ctx.Done():
			timer.Stop()
			continue
		}
		for some := range slices.Chunk(topics, 1000) {
			a.ask(some)
		}
	}
}

// ask asks whether topics are heard of by now, and tells the followers of those that are.
func (a *strangers) ask(topics []string) {
	ctx, cancel := context.WithTimeout(a.ctx, a.store.config.RoundTimeout())
	defer cancel()
	pipe := a.store.read.Pipeline()
	found := make([]*redis.IntCmd, len(topics))
	for i, topic := range topics {
		found[i] = existing(ctx, pipe, a.store.topicKeys(topic))
	}
	pipe.Exec(ctx)
	for i, topic := range topics {
		a.tell(topic, found[i].Val() > 0, found[i].Err())
	}
}

// tell lets a follower know what it does not: that its topic is heard of, or cannot be asked for, or can
// again.
func (a *strangers) tell(topic string, heardOf bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.waits[topic]
	if f == nil || (!heardOf && (err != nil) == f.lost.Load()) {
		return
	}
	select {
	case f.news <- err:
	default: // it has not read the last yet
	}
}
