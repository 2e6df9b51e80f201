package integration_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

func TestFanoutOf1000HostsCostsTwoRoundTrips(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	many(t, r, 1, 1000)
	var trips integration.Trips
	options, err := redis.ParseURL(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	options.ContextTimeoutEnabled = true
	options.Dialer = trips.Dial
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	s, err := redismm.NewStore(client, redismm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	mm := core.New(s)
	for key, want := range map[string]int{"fanout~topic0": 1000, "topic0": 1, "topic0.node0007": 1} {
		if _, err := mm.Resolve(t.Context(), key); err != nil { // connects, and loads the scripts
			t.Fatal(err)
		}
		before := trips.Count()
		routes, err := mm.Resolve(t.Context(), key)
		if n := trips.Count() - before; err != nil || len(routes) != want || n < 1 || n > 2 {
			t.Errorf("%s: %d routes in %d round trips, %v; want %d in 2 at most", key, len(routes), n, err, want)
		}
	}
}

// many registers hosts under topics.
func many(t testing.TB, r *integration.Redis, topics, hosts int) *core.HeartbeatMatchMaker {
	t.Helper()
	h, err := redismm.Open(t.Context(), r.URL, redismm.Config{HeartbeatConfig: core.HeartbeatConfig{Freq: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	var all []core.Registration
	for i := range topics {
		for j := range hosts {
			all = append(all, core.Registration{Topic: fmt.Sprintf("topic%d", i), Host: fmt.Sprintf("node%04d", j), Addr: "10.0.0.1:8774"})
		}
	}
	if err := h.Register(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	return h
}
