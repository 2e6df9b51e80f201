package redismm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// Topics that are asked for and were never heard of.

func TestStrangersAreNotSubscribedToAndPolledTogether(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		s := r.store()
		var trips, asked atomic.Int32
		s.read.AddHook(counting(func(cmds []redis.Cmder) {
			trips.Add(1)
			asked.Add(int32(len(cmds)))
		}))
		ctx, cancel := context.WithCancel(r.Context())
		var going sync.WaitGroup
		const n = 300
		for i := range n {
			going.Go(func() {
				for v := range s.Watch(ctx, fmt.Sprintf("mistyped%d", i)) {
					if !errors.Is(v.Err(), core.ErrUnknownTopic) {
						t.Errorf("%v, want ErrUnknownTopic", v.Err())
					}
				}
			})
		}
		r.pass(10 * time.Second)
		trips.Store(0)
		asked.Store(0)
		r.pass(time.Minute)
		if n := r.mini.PubSubNumSub(keysOf.channel("mistyped7"))[keysOf.channel("mistyped7")]; n != 0 {
			r.Errorf("%d subscriptions to a stranger, want none", n)
		}
		if a, b := trips.Load(), asked.Load(); a < 10 || a > 25 || b > 110*60 {
			r.Errorf("%d strangers cost %d round trips and %d commands a minute", n, a, b)
		}
		if got := s.Stats(); got.Following != n || got.Strangers != n || got.Subscriptions != 0 {
			r.Errorf("%+v, want %d strangers and no subscription", got, n)
		}
		cancel()
		going.Wait()
		r.pass(10 * time.Second)
		if got := s.Stats(); got.Following != 0 || got.Strangers != 0 {
			r.Errorf("%+v after the last reader", got)
		}
		trips.Store(0)
		r.pass(time.Minute)
		if n := trips.Load(); n != 0 {
			r.Errorf("%d round trips for nobody", n)
		}
	})
}

func TestAStrangerThatIsHeardOfIsFollowed(t *testing.T) {
	onBoth(t, func(r *registry) {
		s := r.store()
		w := r.watch(s)
		one, c := r.joined("node1")
		w.shows("node1")
		r.settled(w)
		r.registers(one, core.Joined, claimOf("node2"))
		w.shows("node1 node2")
		if got := s.Stats(); got.Strangers != 0 || got.Subscriptions != 1 || got.Messages == 0 {
			r.Errorf("%+v, want the topic followed", got)
		}
		r.leaves(one, core.Left, c)
		w.shows("node2")
	})
}

func TestAStrangerSaysThatRedisIsGoneAndThatItIsBack(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		lost := &wire{dial: r.wire.dial}
		w := r.watch(r.storeOver(lost))
		for range 3 {
			lost.down.Store(true)
			lost.lose.Store(true)
			r.until("cannot tell", func() bool { return errors.Is(w.last().Err(), core.ErrUnavailable) })
			r.pass(time.Minute)
			lost.down.Store(false)
			lost.lose.Store(false)
			r.until("never heard of", func() bool { return errors.Is(w.last().Err(), core.ErrUnknownTopic) })
			r.pass(time.Minute)
		}
		if n := len(w.all()); n != 7 {
			r.Errorf("%d views, want 7", n)
		}
		lost.down.Store(true)
		lost.lose.Store(true)
		r.joined("node1")
		r.pass(time.Second)
		lost.down.Store(false)
		lost.lose.Store(false)
		w.shows("node1")
	})
}

func TestATopicThatIsForgottenIsAStrangerAgain(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		s := r.store()
		p := r.process(r.wire, "node1")
		w := r.watch(s)
		w.shows("node1")
		p.Close()
		r.do("FLUSHALL")
		w.shows("node1~")
		w.shows("")
		r.pass(time.Minute)
		if got := s.Stats(); got.Strangers != 1 {
			r.Errorf("%+v, want a stranger", got)
		}
		if n := r.mini.PubSubNumSub(keysOf.channel(compute))[keysOf.channel(compute)]; n != 0 {
			r.Errorf("%d subscriptions, want none", n)
		}
		r.joined("node2")
		w.shows("node2")
	})
}
