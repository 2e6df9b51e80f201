package redismm

import (
	"fmt"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// Registries of several servers.

// spread is a registry in a topology, opened by its DSN.
type spread struct {
	*testing.T
	on     integration.Topology
	config core.HeartbeatConfig
}

func (s *spread) TTL() time.Duration { return s.config.TTL }
func (s *spread) Flush()             { s.Helper(); s.on.All().FlushAll() }

func (s *spread) store() *Store {
	s.Helper()
	store, err := OpenStore(s.on.DSN(), Config{HeartbeatConfig: s.config})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { store.Close() })
	return store
}

func TestTheUsersOwnClientOfEachTopologyWillDo(t *testing.T) {
	t.Parallel()
	integration.OnEach(t, func(t *testing.T, on integration.Topology) {
		s, err := NewStore(on.Dial(), Config{HeartbeatConfig: quick})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.BackendRegister(t.Context(), quick.TTL, claimsOf("node1")); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Members(t.Context(), compute); err != nil || shown(v) != "node1" {
			t.Errorf("%q, %v", shown(v), err)
		}
	})
}

// crowd is 200 hosts kept by ten processes, and 20 watching ones.
type crowd struct {
	*spread
	views []*sights
}

const crowdSize = 200

// calm is a heartbeat whose TTL a failover on a busy machine leaves time for.
var calm = core.HeartbeatConfig{Freq: time.Second, TTL: 3 * time.Second}

func crowded(s *spread) *crowd {
	s.Helper()
	c := &crowd{spread: s}
	r := &registry{T: s.T, config: calm}
	for p := range 10 {
		h, err := core.NewHeartbeat(s.store(), calm)
		if err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { h.Close() })
		for i := range crowdSize / 10 {
			if err := h.Register(s.Context(), core.Registration{Topic: compute, Host: fmt.Sprintf("node%03d", p*crowdSize/10+i)}); err != nil {
				s.Log(err) // it is kept
			}
		}
		h.StartHeartbeat()
	}
	for range 20 {
		c.views = append(c.views, r.watch(s.store()))
	}
	c.whole("at the start", time.Now())
	return c
}

// whole waits until every view shows all hosts alive, and returns how long after from the last did.
func (c *crowd) whole(when string, from time.Time) {
	c.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for _, w := range c.views {
		for !all(w.last()) {
			if time.Now().After(deadline) {
				v := w.last()
				c.Fatalf("%s: not whole: %d members, %d held, stale %v", when, len(v.Members), holding(v), v.Stale)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	if took := time.Since(from); took > calm.Freq+time.Second {
		c.Errorf("%s: whole after %s, want an interval and a second at most", when, took)
	} else {
		c.Logf("%s: whole after %s", when, took.Round(time.Millisecond))
	}
}

func all(v *core.View) bool { return len(v.Members) == crowdSize && holding(v) == 0 && v.Stale == nil }

func holding(v *core.View) int {
	n := 0
	for i := range v.Members {
		if v.Members[i].Held {
			n++
		}
	}
	return n
}

// neverLost fails the test if a view that had shown all lost one.
func (c *crowd) neverLost() {
	c.Helper()
	for i, w := range c.views {
		was := false
		for _, v := range w.all() {
			if was && len(v.Members) != crowdSize {
				for _, o := range w.all() {
					c.Logf("  %s %d members, %d held, %s.%d, stale %v", o.AsOf.Format("05.000"), len(o.Members), holding(o), o.Version.Epoch[:min(4, len(o.Version.Epoch))], o.Version.Seq, o.Stale)
				}
				c.Fatalf("view %d shows %d of %d hosts that live", i, len(v.Members), crowdSize)
			}
			was = was || len(v.Members) == crowdSize
		}
	}
}

func TestNoViewLosesALiveHostInAFailover(t *testing.T) {
	key := keysOf.set(compute)
	lost := func(on integration.Topology) {
		on.FailoverToLaggingReplica(key, func() { time.Sleep(2 * calm.Freq) })
	}
	t.Run("single", func(t *testing.T) { t.Skip("a single server has none to fail over to") })
	t.Run("sentinel", func(t *testing.T) {
		on := integration.StartSentinel(t)
		c := crowded(&spread{t, on, calm})
		on.Failover(key)
		c.whole("after a failover", time.Now())
		lost(on)
		c.whole("after a failover that lost the last writes", time.Now())
		old := on.Primary()
		old.Kill()
		on.PrimaryAfter(old)
		c.whole("after the death of the primary", time.Now())
		c.neverLost()
	})
	t.Run("cluster", func(t *testing.T) {
		on := integration.StartCluster(t)
		c := crowded(&spread{t, on, calm})
		on.Failover(key)
		c.whole("after a failover", time.Now())
		lost(on)
		c.whole("after a failover that lost the last writes", time.Now())
		old := on.Primary(key)
		old.Kill()
		on.PrimaryAfter(key, old)
		c.whole("after the death of the primary", time.Now())
		old.Restart()
		on.MigrateSlot(key)()
		c.whole("after the migration of the topic", time.Now())
		c.neverLost()
	})
}
