package registry_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration/registry"
	"github.com/redismm/matchmaker/redismm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onBoth runs a test on a redis-server, and in memory in a bubble.
func onBoth(t *testing.T, hosts registry.Hosts, f func(t *testing.T, r *registry.Registry)) {
	t.Run("redis-server", func(t *testing.T) { t.Parallel(); f(t, registry.Start(t, hosts)) })
	t.Run("in memory", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { f(t, registry.InMemory(t, hosts)) })
	})
}

func resolve(t *testing.T, r *registry.Registry, key string) string {
	t.Helper()
	routes, err := r.MatchMaker.Resolve(t.Context(), key)
	if err != nil {
		return err.Error()
	}
	var hosts []string
	for _, route := range routes {
		hosts = append(hosts, route.Host)
	}
	return strings.Join(hosts, " ")
}

func TestHostsAreKilledStoppedAndStarted(t *testing.T) {
	t.Parallel()
	onBoth(t, registry.Hosts{Topic: "compute", N: 5}, func(t *testing.T, r *registry.Registry) {
		const ttl = 750 * time.Millisecond
		r.Settle()
		began := time.Now()
		r.Stop("node1")
		r.Settle()
		if took := time.Since(began); took > ttl/2 && r.URL == "" { // a bubble's time is exact
			t.Errorf("who was stopped is listed for %s", took)
		}
		began = time.Now()
		r.Kill("node2")
		r.Settle()
		if took := time.Since(began); took < ttl/2 {
			t.Errorf("who was killed is listed for %s, want its TTL at least", took)
		}
		r.Start("node2", "node9")
		r.Settle()
		if got := resolve(t, r, "fanout~compute"); got != "node2 node3 node4 node5 node9" {
			t.Errorf("listed: %s", got)
		}
		if err := r.Host("node3").Drain(t.Context(), "compute", "node3"); err != nil {
			t.Error(err)
		}
	})
}

func TestHostsAreBackAfterTheRegistryWasDownOrLostItsData(t *testing.T) {
	t.Parallel()
	onBoth(t, registry.Hosts{Topic: "compute", N: 3}, func(t *testing.T, r *registry.Registry) {
		store, err := redismm.NewStore(r.Client(), redismm.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		exact := core.New(store)
		ask := func() (n int, err error) {
			routes, err := exact.Resolve(t.Context(), "fanout~compute")
			return len(routes), err
		}
		if n, err := ask(); n != 3 || err != nil {
			t.Fatalf("%d hosts, %v; want 3", n, err)
		}
		r.FlushAll()
		back(t, "after a loss", ask)
		r.Down()
		if _, err := ask(); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("down: %v, want ErrUnavailable", err)
		}
		r.Up()
		back(t, "after an outage", ask)
		r.Settle()
	})
}

func back(t *testing.T, when string, ask func() (int, error)) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		n, err := ask()
		if n == 3 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %d hosts, %v; want 3", when, n, err)
		}
	}
}

func TestAnHourPassesAtOnceInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := registry.InMemory(t, registry.Hosts{Topic: "compute", N: 3, Freq: time.Minute})
		began := time.Now()
		time.Sleep(time.Hour)
		r.Kill("node2")
		time.Sleep(10 * time.Minute)
		r.Settle()
		if got := resolve(t, r, "fanout~compute"); got != "node1 node3" || time.Since(began) < time.Hour {
			t.Errorf("after %s: %s", time.Since(began), got)
		}
	})
}
