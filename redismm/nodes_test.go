package redismm

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// What connections and servers do that a store must survive.

// clustered is a store over a cluster whose slots are where slots says.
func (r *registry) clustered(slots func() []redis.ClusterSlot, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *Store {
	r.Helper()
	c := redis.NewClusterClient(&redis.ClusterOptions{Dialer: dial, ContextTimeoutEnabled: true,
		ClusterSlots: func(context.Context) ([]redis.ClusterSlot, error) { return slots(), nil }})
	r.Cleanup(func() { c.Close() })
	s, err := NewStore(c, Config{HeartbeatConfig: r.config})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { s.Close() })
	return s
}

func kept(from, to int, by string) redis.ClusterSlot {
	return redis.ClusterSlot{Start: from, End: to, Nodes: []redis.ClusterNode{{Addr: by}}}
}

func TestAStalledServerOfAClusterHoldsUpNoOther(t *testing.T) {
	inRealTime(t, func(r *registry) {
		r.config = calm
		stalling := &registry{T: t, mini: miniredis.RunT(t)}
		well := r.mini.Addr()
		s := r.clustered(func() []redis.ClusterSlot {
			return []redis.ClusterSlot{kept(0, 8191, well), kept(8192, 16383, stalling.mini.Addr())}
		}, nil)
		h, err := core.NewHeartbeat(s, r.config)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		var all []core.Registration
		var here []string
		for i := range 150 { // more than a pipeline to each
			topic := fmt.Sprintf("topic%d", i)
			all = append(all, core.Registration{Topic: topic, Host: "node1"})
			if node, err := s.node(t.Context(), topic); err != nil {
				t.Fatal(err)
			} else if node.Options().Addr == well {
				here = append(here, topic)
			}
		}
		if err := h.Register(t.Context(), all...); err != nil {
			t.Log(err) // it is kept
		}
		h.StartHeartbeat()
		registered := func() bool {
			for _, topic := range here {
				if !r.mini.Exists(s.keys.liveness(topic, "node1")) {
					return false
				}
			}
			return true
		}
		r.until("registered", registered)
		goOn := stalling.stall()
		defer goOn()
		for end := time.Now().Add(2 * r.config.TTL); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if !registered() {
				t.Fatalf("a registration of %d lapsed at the server that is well", len(here))
			}
		}
	})
}

func TestAClusterServerThatWasForgottenIsHeardAgain(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		other := miniredis.NewMiniRedis()
		r.Cleanup(other.Close)
		var to atomic.Pointer[string]
		serve := func(addr string) { to.Store(&addr) }
		serve("127.0.0.1:1")
		s := r.clustered(func() []redis.ClusterSlot { return []redis.ClusterSlot{kept(0, 16383, *to.Load())} },
			func(ctx context.Context, network, addr string) (net.Conn, error) {
				if addr == "127.0.0.1:2" {
					return other.Dial()
				}
				return r.wire.Dial(ctx, network, addr)
			})
		r.process(r.wire, "node1")
		w := r.watch(s)
		w.shows("node1")
		r.pass(time.Minute)
		serve("127.0.0.1:2")
		r.pass(5 * time.Minute) // go-redis closes the client of the first
		serve("127.0.0.1:1")
		r.pass(5 * time.Minute)
		before := s.Stats()
		r.process(r.wire, "node2")
		w.shows("node1 node2")
		r.pass(time.Minute)
		if after := s.Stats(); after.Messages == before.Messages || after.Subscriptions > before.Subscriptions+2 {
			r.Errorf("heard nothing: %+v, then %+v", before, after)
		}
	})
}

func TestASweeperGoesOnAfterAShortTimeWithoutWrites(t *testing.T) {
	onServer(t, func(r *registry) {
		dead := r.process(r.wire, "node1")
		r.process(r.wire, "node2")
		w := r.watch(r.store())
		w.shows("node1 node2")
		r.until("somebody sweeps", func() bool { return r.raw.Exists(r.Context(), keysOf.sweeper(compute)).Val() == 1 })
		r.server.MakeReadonly()
		time.Sleep(2 * r.config.Freq) // sweeps are refused meanwhile
		r.server.MakeWritable()
		r.until("whole", func() bool { return shown(w.last()) == "node1 node2" && w.last().Stale == nil })
		dead.StopHeartbeat()
		w.shows("node2")
	})
}

// silent is a connection on which nothing comes once it has subscribed and quiet is set.
type silent struct {
	net.Conn
	subscribed atomic.Bool
	quiet      *atomic.Bool
}

func (c *silent) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("\r\nsubscribe\r\n")) {
		c.subscribed.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *silent) Read(b []byte) (int, error) {
	for {
		if n, err := c.Conn.Read(b); err != nil || !c.subscribed.Load() || !c.quiet.Load() {
			return n, err
		}
	}
}

func TestASilentSubscriptionMakesNoViewStale(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		var quiet atomic.Bool
		s := r.storeOver(&wire{dial: func() (net.Conn, error) {
			conn, err := r.wire.dial()
			return &silent{Conn: conn, quiet: &quiet}, err
		}})
		r.process(r.wire, "node1")
		w := r.watch(s)
		w.shows("node1")
		r.pass(20 * time.Second)
		quiet.Store(true)
		r.process(r.wire, "node2")
		r.pass(2 * r.config.Freq)
		quiet.Store(false)
		w.shows("node1 node2")
		for _, v := range w.all() {
			if v.Stale != nil {
				r.Errorf("stale, though Redis answers: %v", v.Stale)
			}
		}
		if s.Stats().Deaf == 0 {
			r.Error("nobody noticed that the subscription was silent")
		}
	})
}

func TestATopicIsSweptOnceAnIntervalByWhoWatchesIt(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		r.process(r.wire, "node1")
		r.watch(r.store()).shows("node1")
		r.pass(time.Minute)
		var renewals atomic.Int64
		r.mini.Server().SetPreHook(func(_ *server.Peer, cmd string, args ...string) bool {
			if strings.EqualFold(cmd, "PEXPIRE") && strings.HasSuffix(args[0], ":w") {
				renewals.Add(1)
			}
			return false
		})
		r.pass(100 * r.config.Freq)
		if n := renewals.Load(); n < 90 || n > 115 {
			r.Errorf("swept %d times in a hundred intervals", n)
		}
	})
}

func TestClosingIsPromptWhileASentinelDoesNotAnswer(t *testing.T) {
	s, err := OpenStore("redis://"+silence(t)+"/0?master_name=mm&min_idle_conns=4", Config{HeartbeatConfig: quick})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	s.BackendRegister(ctx, time.Second, claimsOf("node1"))
	s.Members(ctx, compute)
	began := time.Now()
	s.Close()
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("Close took %s", took)
	}
}
