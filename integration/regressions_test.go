package integration_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// Regression 5.
func TestHalfOfARegistrationThatRedisLostIsHealedByABeat(t *testing.T) {
	for name, key := range map[string]string{
		"the index":        "mm:{compute}",
		"the liveness key": "mm:{compute}@node1",
		"the version":      "mm:{compute}:v",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := integration.StartRedis(t)
			keep(t, r.URL, "compute", "node1", "node2")
			lookup := listed(core.New(store(t, r.URL)), "compute")
			becomes(t, soon, lookup, "node1 node2")
			c := r.Client()
			if n := c.Del(t.Context(), key).Val(); n != 1 {
				t.Fatalf("there was no key %q to lose", key)
			}
			becomes(t, beating.Freq+slack, func(ctx context.Context) string {
				if c.Exists(ctx, key).Val() == 0 {
					return "not healed"
				}
				return lookup(ctx)
			}, "node1 node2")
		})
	}
}

// A key that somebody else made of another type: the registration is refused as a whole, and its neighbours are
// not.
func TestKeyOfAWrongTypeLeavesNothingHalfWritten(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	h := open(t, r.URL, calm)
	mm := core.New(store(t, r.URL))
	c := r.Client()
	c.RPush(t.Context(), "mm:{compute}@node1", "not ours")
	c.RPush(t.Context(), "mm:{volume}", "not ours")
	for topic, why := range map[string]string{"compute": "mm:{compute}@node1", "volume": "WRONGTYPE"} {
		err := h.Register(t.Context(), core.Registration{Topic: topic, Host: "node1"})
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("register %s: %v, want an error that says %s", topic, err, why)
		}
	}
	if got := c.SMembers(t.Context(), "mm:{compute}").Val(); len(got) > 0 {
		t.Errorf("the index of compute holds %q, want nothing", got)
	}
	for _, key := range []string{"mm:{volume}@node1", "mm:{volume}:v"} {
		if c.Exists(t.Context(), key).Val() > 0 {
			t.Errorf("key %q was written, though the index of volume cannot be", key)
		}
	}
	register(t, h, "compute", "node2")
	if got := listed(mm, "compute")(t.Context()); got != "node2" {
		t.Errorf("compute lists %q, want node2", got)
	}
	c.Del(t.Context(), "mm:{compute}@node1", "mm:{volume}")
	if err := h.SendHeartbeats(t.Context()); err != nil {
		t.Errorf("a beat after the keys were removed: %v", err)
	}
	if got := listed(mm, "compute")(t.Context()) + ", " + listed(mm, "volume")(t.Context()); got != "node1 node2, node1" {
		t.Errorf("compute, volume list %q, want node1 node2, node1", got)
	}
}

// Regression 7.
func TestWatchSeesTheFirstJoinAndTheLastDeparture(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	const promptly = 500 * time.Millisecond // of a message, where a poll would take the interval of 10 s
	rare := core.HeartbeatConfig{Freq: 10 * time.Second, TTL: 30 * time.Second}
	watcher, err := redismm.OpenStore(r.URL, redismm.Config{HeartbeatConfig: rare})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { watcher.Close() })
	views := make(chan *core.View, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for v := range watcher.Watch(ctx, "compute") {
			views <- v
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	shows := func(within time.Duration, want ...string) {
		t.Helper()
		deadline := time.After(within)
		for {
			select {
			case v := <-views:
				if v.Stale == nil && slices.Equal(hostsOf(v), want) {
					return
				}
			case <-deadline:
				t.Fatalf("no view of %q within %s", want, within)
			}
		}
	}
	shows(time.Second + slack) // a topic never heard of, which is asked for once a second
	h := open(t, r.URL, rare)
	register(t, h, "compute", "node1")
	shows(time.Second+promptly, "node1")
	for range 2 {
		if err := h.Unregister(t.Context(), "compute", "node1"); err != nil {
			t.Fatal(err)
		}
		shows(promptly)
		register(t, h, "compute", "node1")
		shows(promptly, "node1")
	}
}

// Regression 8.
func TestTopicDoesNotSeeTopicsThatBeginLikeIt(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	topics := []string{"foo", "foobar", "foo@bar", "foo:v", "foo.bar", "Foo", "fo", "foo*", "foo?"}
	h := open(t, r.URL, calm)
	for _, topic := range topics {
		register(t, h, topic, "of "+topic)
	}
	mm := core.New(store(t, r.URL))
	for _, topic := range topics {
		if got := listed(mm, topic)(t.Context()); got != "of "+topic {
			t.Errorf("topic %q lists %q", topic, got)
		}
	}
	if err := h.Unregister(t.Context(), "foo", "of foo"); err != nil {
		t.Fatal(err)
	}
	if got := listed(mm, "foobar")(t.Context()); got != "of foobar" {
		t.Errorf("foobar lists %q after its neighbour foo left", got)
	}
}

// Regression 24. A busy machine makes calls slow and none quick, so that each kind of call is judged by the
// quickest of several rounds; a script that takes all hosts at once has no quick calls.
func TestNoScriptKeepsRedisFor5msAt10000Hosts(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t, "slowlog-log-slower-than 20", "slowlog-max-len 100000")
	s := store(t, r.URL)
	h := open(t, r.URL, calm)
	const hosts, rounds = 10_000, 5
	all := make([]core.Registration, hosts)
	for i := range all {
		all[i] = core.Registration{Topic: "compute", Host: fmt.Sprintf("node%05d", i), Addr: "10.0.0.1:8774"}
	}
	mm := core.New(s)
	for range rounds {
		if err := h.Register(t.Context(), all...); err != nil { // each host is replaced
			t.Fatal(err)
		}
		if err := h.SendHeartbeats(t.Context()); err != nil {
			t.Fatal(err)
		}
		v, err := s.Members(t.Context(), "compute")
		if err != nil || len(v.Members) != hosts {
			t.Fatalf("%d members, %v", len(v.Members), err)
		}
		if _, err := mm.Resolve(t.Context(), "compute"); err != nil {
			t.Fatal(err)
		}
	}
	took := make(map[string][]time.Duration) // by command, script and number of keys
	calls := 0
	for _, e := range r.Client().SlowLogGet(t.Context(), -1).Val() {
		what := e.Args[0]
		switch what {
		case "eval", "eval_ro":
			continue // a script's first calls, with its text; the others are by its hash
		case "evalsha", "evalsha_ro":
			what = strings.Join(e.Args[:3], " ")
			calls++
		}
		took[what] = append(took[what], e.Duration)
	}
	for what, ds := range took {
		slices.Sort(ds)
		t.Logf("%s: %d calls, the quickest %s, the median %s", what, len(ds), ds[0], ds[len(ds)/2])
		if len(ds) >= rounds-1 && ds[0] > 5*time.Millisecond {
			t.Errorf("%s keeps Redis for %s at %d hosts, want 5 ms at most", what, ds[0], hosts)
		}
	}
	if least := 3 * (rounds - 1) * hosts / 512; calls < least {
		t.Errorf("Redis logged %d script calls, want %d: nothing was checked", calls, least)
	}
}

// Regression 26.
func TestDatabasesOfOneServerDoNotHearEachOther(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	keep(t, r.Database(0), "compute", "node1")
	reader := store(t, r.Database(0))
	views := integration.Record(t, time.Millisecond, nextView(t, reader, "compute"))
	integration.Eventually(t, soon, "a view of node1", func() bool {
		s := views.Samples()
		return len(s) > 0 && s[len(s)-1].Answer == "node1"
	})
	before := len(views.Samples())

	heard := r.Client().PSubscribe(t.Context(), "*")
	defer heard.Close()
	if _, err := heard.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := open(t, r.Database(1), calm)
	for i := range 20 {
		register(t, other, "compute", fmt.Sprintf("other%d", i))
	}
	for range 20 {
		m, err := heard.ReceiveMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(m.Channel, "mm/1:") {
			t.Fatalf("database 1 is announced on channel %q", m.Channel)
		}
	}
	if got := listed(core.New(reader), "compute")(t.Context()); got != "node1" {
		t.Errorf("database 0 lists %q, want node1", got)
	}
	if got := listed(core.New(store(t, r.Database(1))), "compute")(t.Context()); strings.Contains(got, "node1") || got == nobody {
		t.Errorf("database 1 lists %q, want the others", got)
	}
	if got := views.Stop()[before:]; len(got) > 2 {
		t.Errorf("%d views in database 0 for 20 changes in database 1: %v", len(got), got)
	}
}

// nextView returns a question that is answered by each next view of a topic.
func nextView(t *testing.T, w core.Watcher, topic string) func(ctx context.Context) string {
	views := make(chan *core.View)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for v := range w.Watch(ctx, topic) {
			select {
			case views <- v:
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return func(ctx context.Context) string {
		select {
		case v := <-views:
			return strings.Join(hostsOf(v), " ")
		case <-ctx.Done():
			return ""
		}
	}
}
