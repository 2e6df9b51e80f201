package redismm

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// Watching through what happens to Redis.

func TestTheFirstViewComesWithinASecondThoughRedisIsDown(t *testing.T) {
	for name, broken := range map[string]func(*wire, bool){
		"refused":    func(w *wire, is bool) { w.down.Store(is) },
		"blackholed": func(w *wire, is bool) { w.dark.Store(is) },
	} {
		t.Run(name, func(t *testing.T) {
			inRealTime(t, func(r *registry) {
				lost := &wire{dial: r.wire.dial, silent: r.wire.silent}
				broken(lost, true)
				from := r.storeOver(lost)
				began := time.Now()
				w := r.watch(from)
				if took := time.Since(began); took > time.Second {
					r.Errorf("the first view came after %s", took)
				}
				v := w.last()
				if v.Stale == nil || len(v.Members) > 0 || !errors.Is(v.Err(), core.ErrUnavailable) {
					r.Errorf("the first view is %+v with error %v, want ErrUnavailable", v, v.Err())
				}
				began = time.Now()
				ctx, cancel := context.WithTimeout(r.Context(), 100*time.Millisecond)
				defer cancel()
				if _, err := from.Members(ctx, compute); !errors.Is(err, core.ErrUnavailable) || time.Since(began) > time.Second {
					r.Errorf("members: %v after %s", err, time.Since(began))
				}
				r.process(r.wire, "node1")
				broken(lost, false)
				w.shows("node1")
				if v := w.last(); v.Stale != nil {
					r.Errorf("shown is %+v, want it fresh", v)
				}
			})
		})
	}
}

func TestAViewStandsWhileRedisIsGoneAndSaysWhy(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		lost := &wire{dial: r.wire.dial}
		hosts := r.process(r.wire, "node1", "node2")
		w := r.watch(r.storeOver(lost))
		w.shows("node1 node2")
		r.pass(time.Minute)
		fresh := w.last().AsOf
		lost.down.Store(true)
		lost.lose.Store(true)
		r.until("stale", func() bool { return w.last().Stale != nil })
		for range 20 {
			r.pass(r.config.TTL / 2)
			if v := w.last(); shown(v) != "node1 node2" || v.Err() != nil || !errors.Is(v.Stale, core.ErrUnavailable) {
				r.Fatalf("shown is %q, error %v, stale %v", shown(v), v.Err(), v.Stale)
			}
		}
		if asOf := w.last().AsOf; asOf.Before(fresh) || time.Since(asOf) < 2*time.Minute {
			r.Errorf("the stale view is of %s ago", time.Since(asOf))
		}
		hosts.StopHeartbeat()
		r.do("FLUSHALL") // and Redis returns empty
		lost.down.Store(false)
		lost.lose.Store(false)
		w.shows("node1~ node2~")
		hosts.StartHeartbeat()
		w.shows("node1 node2")
		if v := w.last(); v.Stale != nil {
			r.Errorf("stale: %v", v.Stale)
		}
		w.alwaysShowed("node1", "node2")
	})
}

func TestAHostThatDiesWhileTheWatcherIsCutOffIsHeldATTLOfLooking(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		lost := &wire{dial: r.wire.dial}
		_, _ = r.joined("node1")
		r.process(r.wire, "node2")
		r.watch(r.store()) // somebody else sweeps
		w := r.watch(r.storeOver(lost))
		w.shows("node1 node2")
		lost.down.Store(true)
		lost.lose.Store(true)
		r.pass(10 * r.config.TTL)
		r.listed("node2")
		lost.down.Store(false)
		lost.lose.Store(false)
		w.shows("node1~ node2")
		held := time.Now()
		w.shows("node2")
		if d := time.Since(held); d < r.config.TTL || d > r.config.TTL+2*r.config.Freq {
			r.Errorf("held for %s, want %s or little more", d, r.config.TTL)
		}
	})
}

func TestReadersOfATopicShareASubscription(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		channel := keysOf.channel(compute)
		r.heardOf()
		subscribed := func() int { return r.mini.PubSubNumSub(channel)[channel] }
		from := r.store()
		s := r.store()
		ctx, cancel := context.WithCancel(r.Context())
		var going sync.WaitGroup
		for range 50 {
			going.Go(func() {
				for range from.Watch(ctx, compute) {
				}
			})
		}
		one, two := r.watch(from), r.watch(from)
		r.settled(one)
		r.registers(s, core.Joined, claimOf("node1"))
		one.shows("node1")
		two.shows("node1")
		if n := subscribed(); n != 1 {
			r.Errorf("%d subscriptions, want 1", n)
		}
		cancel()
		going.Wait()
		r.registers(s, core.Joined, claimOf("node2"))
		one.shows("node1 node2")
		if n := subscribed(); n != 1 {
			r.Errorf("%d subscriptions, want 1", n)
		}
		other := r.watch(r.store())
		r.until("another store subscribes", func() bool { return subscribed() == 2 })
		other.shows("node1 node2")
	})
}

func TestTheLastReaderEndsTheSubscription(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		channel := keysOf.channel(compute)
		r.heardOf()
		subscribed := func() int { return r.mini.PubSubNumSub(channel)[channel] }
		from := r.store()
		for range 3 {
			for range from.Watch(r.Context(), compute) {
				r.until("a subscription", func() bool { return subscribed() == 1 })
				break
			}
			r.until("no subscription", func() bool { return subscribed() == 0 })
		}
	})
}

func TestWatchesComeAndGoAtOnce(t *testing.T) {
	onBoth(t, func(r *registry) {
		p := r.process(r.wire, "node1")
		from := r.store()
		topics := []string{compute, "network", "volume"}
		var going sync.WaitGroup
		for i := range 8 {
			going.Go(func() {
				for n := range 30 {
					ctx, cancel := context.WithTimeout(r.Context(), time.Duration(n%5)*time.Millisecond)
					for v := range from.Watch(ctx, topics[(i+n)%len(topics)]) {
						if v.Stale == nil && n%2 == 0 {
							break
						}
					}
					cancel()
				}
			})
		}
		going.Go(func() {
			for range 30 {
				if err := p.Register(r.Context(), core.Registration{Topic: "network", Host: "node1"}); err != nil {
					r.Error(err)
				}
			}
		})
		going.Wait()
		w := r.watch(from)
		w.shows("node1")
		r.until("only the watch subscribes", func() bool {
			var names []string
			for _, topic := range topics {
				names = append(names, keysOf.channel(topic))
			}
			n := r.raw.PubSubNumSub(r.Context(), names...).Val()
			return n[names[0]] == 1 && n[names[1]] == 0 && n[names[2]] == 0
		})
	})
}

func TestADeafSubscriptionIsReplacedAndCounted(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.process(r.wire, "node1")
		deaf := &wire{dial: r.wire.dial}
		s := r.storeOver(deaf)
		w := r.watch(s)
		w.shows("node1")
		r.settled(w)
		r.pass(time.Minute)
		deaf.mute.Store(true)
		began := time.Now()
		r.joined("node2")
		w.shows("node1 node2")
		if took := time.Since(began); took > r.config.Freq {
			r.Errorf("a join that was not handed over was seen after %s", took)
		}
		deaf.mute.Store(false)
		r.until("replaced", func() bool { return s.Stats().Subscriptions == 2 })
		r.settled(w)
		if got := s.Stats(); got.Deaf != 1 {
			r.Errorf("%+v, want one deaf subscription", got)
		}
		began = time.Now()
		r.joined("node3")
		w.shows("node1 node2 node3")
		if took := time.Since(began); took > 100*time.Millisecond {
			r.Errorf("the new subscription heard of a join after %s", took)
		}
	})
}

func TestASubscriptionThatNeverHearsIsReplacedNowAndThen(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		deaf := &wire{dial: r.wire.dial}
		deaf.mute.Store(true)
		s, writer := r.storeOver(deaf), r.store()
		r.heardOf()
		r.watch(s)
		for i := range 120 {
			c := claimOf(strconv.Itoa(i))
			r.registers(writer, core.Joined, c)
			r.leaves(writer, core.Left, c)
			r.pass(r.config.Freq)
		}
		if n := s.Stats().Deaf; n < 2 || n > 7 {
			r.Errorf("replaced %d times in ten minutes", n)
		}
	})
}

func TestADatabaseThatIsFlushedIsNotTakenForADeafSubscription(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.process(r.wire, "node1")
		s := r.store()
		w := r.watch(s)
		w.shows("node1")
		for range 10 {
			r.do("FLUSHALL")
			r.pass(4 * r.config.Freq)
		}
		if got := s.Stats(); got.Deaf != 0 || got.Subscriptions != 1 {
			r.Errorf("%+v, want the first subscription", got)
		}
	})
}

func TestRegistrantsThatWatchAreBackAsSoonAsTheySeeTheLoss(t *testing.T) {
	for name, lose := range map[string]func(*registry, *wire){
		"flushed": func(r *registry, _ *wire) { r.do("FLUSHALL") },
		"gone for a while": func(r *registry, w *wire) {
			w.down.Store(true)
			w.lose.Store(true)
			r.pass(time.Minute)
			r.do("FLUSHALL")
			w.down.Store(false)
			w.lose.Store(false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onMiniredis(t, func(r *registry) {
				r.config.Freq, r.config.TTL = time.Minute, 3*time.Minute
				w := &wire{dial: r.wire.dial}
				p := r.process(w, "node1")
				own := r.watch(p.Live())
				own.shows("node1")
				r.pass(10*time.Minute + time.Second)
				lose(r, w)
				r.process(r.wire, "node2") // opens a new epoch
				told := time.Now()
				own.shows("node1 node2") // perhaps held before, for a moment that a reader need not see
				if took := time.Since(told); took > r.config.Freq/2+time.Second {
					r.Errorf("back after %s, want half an interval at most", took)
				}
			})
		})
	}
}

func TestDatabasesWithOnePrefixDoNotHearEachOther(t *testing.T) {
	onBoth(t, func(r *registry) {
		options := *r.raw.Options()
		options.DB = 5
		options.PushNotificationProcessor = nil
		client := redis.NewClient(&options)
		r.Cleanup(func() { client.Close() })
		other, err := NewStore(client, Config{HeartbeatConfig: r.config})
		if err != nil {
			r.Fatal(err)
		}
		r.Cleanup(func() { other.Close() })
		r.heardOf()
		passing := claimOf("passing")
		r.registers(other, core.Joined, passing)
		r.leaves(other, core.Left, passing)
		here, there := r.watch(r.store()), r.watch(other)
		r.settled(here)
		heard := client.Subscribe(r.Context(), newKeysOf(r, 5).channel(compute))
		defer heard.Close()
		if _, err := heard.Receive(r.Context()); err != nil {
			r.Fatal(err)
		}
		messages := make(chan string, 10)
		go func() {
			for m, err := heard.ReceiveMessage(r.Context()); err == nil; m, err = heard.ReceiveMessage(r.Context()) {
				messages <- m.Payload
			}
		}()
		r.joined("node1")
		here.shows("node1")
		r.registers(other, core.Joined, claimOf("node2"))
		there.shows("node2")
		if first := <-messages; !strings.Contains(first, "node2") {
			r.Errorf("database 5 heard %s first, want its own node2", first)
		}
		if len(there.all()) > 2 || shown(here.last()) != "node1" {
			r.Errorf("one database shows %q, the other %s", shown(here.last()), there.story())
		}
	})
}

func newKeysOf(r *registry, db int) keys {
	r.Helper()
	k, err := newKeys("", db)
	if err != nil {
		r.Fatal(err)
	}
	return k
}

func TestAWatchOfARefusedTopicShowsNobodyAndEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := OpenStore("redis://127.0.0.1:1", Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		views := 0
		for v := range s.Watch(ctx, "a{b}") {
			if views++; !errors.Is(v.Err(), core.ErrUnknownTopic) {
				t.Errorf("%v, want ErrUnknownTopic", v.Err())
			}
		}
		if views != 1 {
			t.Errorf("%d views, want 1", views)
		}
	})
}
