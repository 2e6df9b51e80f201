package redismm

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// Servers that were the right ones.

func TestReplicaDoesNotTurnAViewBack(t *testing.T) {
	onServer(t, func(r *registry) {
		r.config = calm
		old := integration.StartRedis(t)
		host, port, _ := net.SplitHostPort(r.server.Addr)
		var to atomic.Pointer[string]
		lead := func(addr string) { to.Store(&addr) }
		lead(r.server.Addr)
		s := r.storeOver(&wire{dial: func() (net.Conn, error) { return net.Dial("tcp", *to.Load()) }})

		r.process(r.wire, "node1")
		w := r.watch(s)
		w.shows("node1")
		if err := old.Client().Do(t.Context(), "REPLICAOF", host, port).Err(); err != nil {
			t.Fatal(err)
		}
		r.until("the replica follows", func() bool {
			return old.Client().Exists(t.Context(), keysOf.liveness(compute, "node1")).Val() == 1
		})
		old.MakeReadonly() // it follows nobody any more
		r.process(r.wire, "node2")
		w.shows("node1 node2")

		lead(old.Addr) // a name or a proxy leads to it now
		cut(r.raw)
		r.until("the view is stale", func() bool { return w.last().Stale != nil })
		if v, err := s.Members(t.Context(), compute); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("a lookup at a replica: %q, %v, want ErrUnavailable", shown(v), err)
		}
		time.Sleep(2 * r.config.TTL) // for it to be believed
		if v := w.last(); shown(v) != "node1 node2" || v.Stale == nil {
			t.Errorf("a replica turned the view back to %q, stale %v", shown(v), v.Stale)
		}
		lead(r.server.Addr)
		cut(old.Client())
		r.until("the view is fresh", func() bool { return w.last().Stale == nil })
		w.alwaysShowed("node1", "node2")
	})
}

// cut ends all connections to a server but this.
func cut(at *redis.Client) {
	for _, kind := range []string{"normal", "pubsub"} {
		at.Do(context.Background(), "CLIENT", "KILL", "TYPE", kind)
	}
}

func TestTryAgainDuringSlotMigration(t *testing.T) {
	t.Parallel()
	const unslotted = "its keys are in no slots that move"
	t.Run("single", func(t *testing.T) { t.Skip(unslotted) })
	t.Run("sentinel", func(t *testing.T) { t.Skip(unslotted) })
	t.Run("cluster", asksAgainDuringSlotMigration)
}

func asksAgainDuringSlotMigration(t *testing.T) {
	on := integration.StartCluster(t)
	x := &spread{t, on, calm}
	r := &registry{T: t, config: calm}
	h, err := core.NewHeartbeat(x.store(), calm)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, host := range []string{"node1", "node2", "node3"} {
		if err := h.Register(t.Context(), core.Registration{Topic: compute, Host: host}); err != nil {
			t.Fatal(err)
		}
	}
	h.StartHeartbeat()
	w := r.watch(x.store())
	was := w.shows("node1 node2 node3")

	finish := on.MigrateSlot(keysOf.set(compute))
	s := x.store()
	lookup := func() error { _, err := s.Members(t.Context(), compute); return err }
	for end := time.Now().Add(2 * calm.Freq); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := lookup(); err != nil && !errors.Is(err, core.ErrUnavailable) { // never that nobody is there
			t.Errorf("a lookup meanwhile: %v", err)
		}
	}
	round, cancel := context.WithTimeout(t.Context(), calm.Freq/2)
	if err := h.SendHeartbeats(round); err == nil || !strings.Contains(err.Error(), "TRYAGAIN") {
		t.Errorf("a round of beats meanwhile: %v, want that it is told TRYAGAIN", err)
	}
	cancel()
	finish()
	moved := time.Now()
	r.until("beaten again", func() bool { return h.SendHeartbeats(t.Context()) == nil })
	r.until("whole", func() bool { return shown(w.last()) == "node1 node2 node3" && w.last().Stale == nil && lookup() == nil })
	if took := time.Since(moved); took > calm.Freq+time.Second {
		t.Errorf("whole after %s, want an interval and a second at most", took)
	}
	w.alwaysShowed("node1", "node2", "node3")
	for i, m := range w.last().Members {
		if m.Instance != was.Members[i].Instance {
			t.Errorf("%s is another instance", m.Host)
		}
	}
}

// bypass opens a store that reaches the servers of a Sentinel past their proxies: a partition does not cut it off.
func bypass(t *testing.T, on *integration.Sentinel) *Store {
	t.Helper()
	direct := make(map[string]string)
	for _, server := range on.Servers {
		direct[server.At()] = server.Addr
	}
	to, err := parseDSN(on.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, own := to.connect()
	own.aside.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, cmp.Or(direct[addr], addr))
	}
	s, err := newStore(client, Config{HeartbeatConfig: calm}, own)
	if err != nil {
		t.Fatal(err)
	}
	s.own(client, to)
	t.Cleanup(func() { s.Close() })
	return s
}

// Regression 15: the old primary is cut off from the sentinels and the replicas, and not from one who watches nor
// from one who beats. It takes itself for the primary, answers pings, and tells what nobody else hears.
func TestWhoIsLeftAtTheOldPrimaryGoesToTheNewOne(t *testing.T) {
	t.Parallel()
	t.Run("single", func(t *testing.T) { t.Skip("a single server has no old primary") })
	t.Run("sentinel", func(t *testing.T) { leavesTheOldPrimary(t, func(*integration.Sentinel) {}) })
	// As where the sentinel that somebody listens to leads the failover, and has not announced it yet.
	t.Run("sentinels announce nothing", func(t *testing.T) {
		leavesTheOldPrimary(t, func(on *integration.Sentinel) {
			for _, s := range on.Sentinels {
				if err := s.Client().Do(t.Context(), "ACL", "SETUSER", "default", "resetchannels").Err(); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
	t.Run("cluster", func(t *testing.T) { t.Skip("a primary that is cut off knows it, and refuses") })
}

func leavesTheOldPrimary(t *testing.T, amiss func(*integration.Sentinel)) {
	on := integration.StartSentinel(t, integration.Proxied)
	r := &registry{T: t, config: calm}
	keeps := func(s *Store, host string) {
		t.Helper()
		h, err := core.NewHeartbeat(s, calm)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		if err := h.Register(t.Context(), core.Registration{Topic: compute, Host: host}); err != nil {
			t.Log(err) // it is kept
		}
		h.StartHeartbeat()
	}
	x := &spread{t, on, calm}
	watcher := bypass(t, on)
	keeps(x.store(), "node1")
	keeps(bypass(t, on), "left")
	w := r.watch(watcher)
	w.shows("left node1")
	listeners := func(at *integration.Redis) int64 {
		channel := keysOf.channel(compute)
		return at.Client().PubSubNumSub(t.Context(), channel).Val()[channel]
	}
	amiss(on)
	before, now := on.Partition()
	r.until("listening to the new primary alone", func() bool { return listeners(now) == 1 && listeners(before) == 0 })
	keeps(x.store(), "node2")
	w.shows("left node1 node2")
	w.alwaysShowed("left", "node1")
	if deaf := watcher.Stats().Deaf; deaf > 0 {
		t.Errorf("it took %d subscriptions that were deaf to notice", deaf)
	}
	// And the one who beats is with them, not with the old one.
	r.until("nobody beats at the old primary", func() bool {
		return before.Client().Exists(t.Context(), keysOf.liveness(compute, "left")).Val() == 0
	})
	if now.Client().Exists(t.Context(), keysOf.liveness(compute, "left")).Val() == 0 {
		t.Error("who was left at the old primary is not registered at the new one")
	}
}
