package redismm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// What only a redis-server can do to its clients.

func TestBeatsGoOnWhenRedisIsFull(t *testing.T) {
	onServer(t, func(r *registry) {
		s, c := r.joined("node1")
		gone := claimOf("node2")
		r.registers(s, core.Joined, gone)
		r.beats(s, core.Kept, c)
		r.do("CONFIG", "SET", "maxmemory-policy", "noeviction")
		r.do("CONFIG", "SET", "maxmemory", "1mb")
		r.Cleanup(func() { r.raw.ConfigSet(context.Background(), "maxmemory", "0") })
		if err := r.raw.Set(r.Context(), keysOf.set(compute)+":filler", "x", 0).Err(); !redis.IsOOMError(err) {
			r.Fatalf("Redis is not full: %v", err)
		}
		r.beats(s, core.Kept, c)
		memoOf(c).acked = nil
		r.beats(s, core.Kept, c)
		c.State = core.Draining
		r.beats(s, core.Changed, c)
		r.do("DEL", keysOf.set(compute))
		r.beats(s, core.Kept, c)
		r.do("DEL", keysOf.liveness(compute, "node1"))
		r.beats(s, core.Joined, c)
		r.beats(s, core.Kept, gone)
		r.leaves(s, core.Left, gone)
		r.do("DEL", keysOf.set(compute), keysOf.version(compute), keysOf.liveness(compute, "node1"))
		r.beats(s, core.Joined, c)
		r.listed("node1")
		if v, err := s.Members(r.Context(), compute); err != nil || shown(v) != "node1!" {
			r.Errorf("%q, %v, want node1 draining", shown(v), err)
		}
	})
}

func TestPublishDeniedStillWrites(t *testing.T) {
	onServer(t, func(r *registry) {
		r.on.All().SetUser("mute", "reset", "on", ">secret", "~*", "+@all", "resetchannels")
		mute := func() *Store {
			s, err := OpenStore(r.on.As("mute", "secret"), Config{HeartbeatConfig: r.config})
			if err != nil {
				r.Fatal(err)
			}
			r.Cleanup(func() { s.Close() })
			return s
		}
		if err := mute().write.Publish(r.Context(), "any", "x").Err(); !redis.HasErrorPrefix(err, "NOPERM") {
			r.Fatalf("a publish: %v, want NOPERM", err)
		}
		s, c := mute(), claimOf("node1")
		r.registers(s, core.Joined, c)
		r.beats(s, core.Kept, c)
		r.listed("node1")
		if v := r.version(); v.seq != "1" || v.n != "1" {
			r.Errorf("version %+v, want the first, with one host", v)
		}

		// Who may not subscribe polls, and loses nobody but the dead.
		dead := r.process(r.wire, "node2")
		from := mute()
		told := make(chan core.Event, 10)
		from.Alert(func() {}, func(e core.Event) { told <- e })
		w := r.watch(from)
		w.shows("node1 node2")
		if e := <-told; e.Kind != core.Polling || !strings.Contains(e.Err.Error(), "NOPERM") || !from.Stats().Denied {
			r.Errorf("told %s, %v", e.Kind, e.Err)
		}
		r.leaves(s, core.Left, c)
		w.shows("node2")
		r.joined("node3")
		w.shows("node2 node3")
		r.process(r.wire, "node3")
		dead.StopHeartbeat()
		w.shows("node2~ node3")
		w.shows("node3")
		w.alwaysShowed("node3")
		r.on.All().SetUser("mute", "allchannels")
		r.settled(w)
		if len(told) > 0 {
			r.Errorf("told %d times more", len(told))
		}
	})
}

func TestASubscriptionThatIsKilledIsReplacedAndNothingIsMissed(t *testing.T) {
	onServer(t, func(r *registry) {
		r.heardOf()
		s := r.store()
		w := r.watch(r.store())
		r.settled(w)
		for _, host := range []string{"node1", "node2", "node3"} {
			r.do("CLIENT", "KILL", "TYPE", "pubsub")
			r.registers(s, core.Joined, claimOf(host)) // nobody hears it
			r.until(host+" is shown", func() bool { return strings.HasSuffix(shown(w.last()), host) })
			r.settled(w)
		}
		w.alwaysShowed("node1", "node2", "node3")
	})
}

func TestStalledRedisEndsCallsWithTheirContext(t *testing.T) {
	onServer(t, func(r *registry) {
		s, c := r.joined("node1")
		r.beats(s, core.Kept, c)
		goOn := r.stall()
		t.Cleanup(goOn)
		const limit, slack = 200 * time.Millisecond, 500 * time.Millisecond
		for verb, call := range calls(s, c) {
			ctx, cancel := context.WithTimeout(r.Context(), limit)
			began := time.Now()
			err := call(ctx)
			cancel()
			if took := time.Since(began); took > limit+slack {
				r.Errorf("%s took %s, want its context's %s", verb, took, limit)
			}
			if !errors.Is(err, core.ErrUnavailable) {
				r.Errorf("%s: %v, want ErrUnavailable", verb, err)
			}
		}
		goOn()
		r.until("beaten again", func() bool {
			outcomes, err := s.AckAlive(r.Context(), r.config.TTL, []*core.Claim{c})
			return err == nil && outcomes[0].Holds()
		})
	})
}

// calls are all calls of a store that ask Redis and can fail by it.
func calls(s *Store, c *core.Claim) map[string]func(context.Context) error {
	write := func(f writing, claim *core.Claim) func(context.Context) error {
		return func(ctx context.Context) error {
			outcomes, err := f(ctx, time.Second, []*core.Claim{claim})
			if (err != nil) != (outcomes[0] == core.Unknown) {
				return fmt.Errorf("outcome %s with error %v", outcomes[0], err)
			}
			return err
		}
	}
	return map[string]func(context.Context) error{
		"register":           write(s.BackendRegister, claimOf("node2")),
		"beat":               write(s.AckAlive, c),
		"ack":                write(s.AckAlive, claimOf(c.Host)),
		"unregister by name": write(s.BackendUnregister, claimOf(c.Host)),
		"expire":             func(ctx context.Context) error { _, err := s.Expire(ctx, c.Topic, c.Host); return err },
		"remaining":          func(ctx context.Context) error { _, err := s.Remaining(ctx, c.Topic, c.Host); return err },
		"topics":             func(ctx context.Context) error { _, err := s.Topics(ctx); return err },
		"members":            func(ctx context.Context) error { _, err := s.Members(ctx, c.Topic); return err },
		"drain":              func(ctx context.Context) error { return s.DrainFor(ctx, c.Topic, c.Host, time.Hour, "test") },
		"topic exchange":     func(ctx context.Context) error { _, err := s.TopicExchange(ctx, c.Topic); return err },
		"fanout exchange": func(ctx context.Context) error {
			_, err := s.FanoutExchange(ctx, core.FanoutPrefix+c.Topic)
			return err
		},
	}
}
