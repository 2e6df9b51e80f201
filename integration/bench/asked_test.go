package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/integration/bench/figures"
	"github.com/redismm/matchmaker/integration/bench/page"
	"github.com/redismm/matchmaker/redismm"
)

var topicPart = part{"topic", "One host, asked of Redis", `Store.TopicExchange, which asks Redis each time and reads the record of who it draws, beside the original's lookup (SRANDMEMBER,
then TTL) and one PING. Everybody has one connection; nobody looks two keys up at once.`, topicAsked}

var fanoutPart = part{"fanout", "All hosts, asked of Redis", `Store.FanoutExchange, which reads and decodes every record, beside: the original (SMEMBERS, then a TTL for each host, and
no records); the original at its best, which is the same in one pipeline; a registry with a hash for each service (HGETALL and JSON);
bare SMEMBERS and MGET, whose replies nobody decodes.`, fanoutAsked}

// ttl is longer than a benchmark.
const ttl = 10 * time.Minute

// calm beats so seldom that nobody beats by himself while something is measured.
var calm = core.HeartbeatConfig{Freq: 5 * time.Minute, TTL: ttl}

// keeper is a matchmaker over a server; its heartbeats come when they are sent.
func keeper(t *testing.T, url string, config core.HeartbeatConfig) *core.HeartbeatMatchMaker {
	t.Helper()
	h, err := redismm.Open(t.Context(), url, redismm.Config{HeartbeatConfig: config})
	must(t, err)
	t.Cleanup(func() { h.Close() })
	return h
}

// store is a store over a client that counts its round trips.
func store(t *testing.T, url string) (*redismm.Store, *integration.Trips) {
	t.Helper()
	options, err := redis.ParseURL(url)
	must(t, err)
	trips := new(integration.Trips)
	options.ContextTimeoutEnabled, options.PoolSize, options.Dialer = true, 1, trips.Dial
	c := redis.NewClient(options)
	t.Cleanup(func() { c.Close() })
	s, err := redismm.NewStore(c, redismm.Config{HeartbeatConfig: calm})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s, trips
}

func hostsOf(rs []core.Registration) []string {
	hosts := make([]string, len(rs))
	for i, r := range rs {
		hosts[i] = r.Host
	}
	return hosts
}

// populated is a server with a topic of each size, in our layout, in the original's in database 1, and as a hash in
// database 2.
func populated(t *testing.T, sizes ...int) (s *server, o original, h hashed) {
	t.Helper()
	s = start(t)
	other := func(n int) *redis.Client {
		c := redis.NewClient(&redis.Options{Addr: s.Addr, DB: n, PoolSize: 1, ContextTimeoutEnabled: true, DisableIdentity: true})
		t.Cleanup(func() { c.Close() })
		return c
	}
	o, h = original{other(1), ttl}, hashed{other(2), ttl}
	ctx := within(t)
	all := keeper(t, s.URL, calm)
	for _, n := range sizes {
		rs := registrations(topicOf(n), 0, n)
		must(t, all.Register(ctx, rs...))
		must(t, o.all(ctx, topicOf(n), hostsOf(rs)))
		must(t, h.all(ctx, rs))
	}
	return s, o, h
}

func topicOf(size int) string { return fmt.Sprintf("topic%d", size) }

// many calls f n times.
func many(t *testing.T, n int, f func(context.Context) error) func() {
	return func() {
		for range n {
			if err := f(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	}
}

func topicAsked(t *testing.T, p *page.Part) {
	sizes := []int{1, 10, 100, 1000, 10_000}
	s, o, _ := populated(t, sizes...)
	ours, trips := store(t, s.URL)
	calls, turns := sized(500, 200), sized(41, 2) // many short turns: what disturbs one meets all sides of few
	table := p.Table("Lookups in a second, one after the other:", "hosts", "ours", "the original", "ratio", "PING", "Redis CPU, ours", "the original's")
	var mine, its, pings, slowest figures.Sample
	var points, theirs []figures.Point
	for _, n := range sizes {
		key := topicOf(n)
		all := interleaved(turns,
			work{do: many(t, calls, func(ctx context.Context) error { _, err := ours.TopicExchange(ctx, key); return err }), server: s.spent},
			work{do: many(t, calls, func(ctx context.Context) error { return o.topic(ctx, key) }), server: s.spent},
			work{do: many(t, calls, func(ctx context.Context) error { return s.client.Ping(ctx).Err() })})
		each := float64(calls)
		mine, its, pings = all[0].took.Times(1/each), all[1].took.Times(1/each), all[2].took.Times(1/each)
		ratio := its.Over(mine)
		if slowest == nil || ratio.Median() < slowest.Median() {
			slowest = ratio
		}
		points = append(points, figures.Point{Size: float64(n), Cost: mine.Median()})
		theirs = append(theirs, figures.Point{Size: float64(n), Cost: its.Median()})
		table.Row(fmt.Sprint(n), page.Number(1/mine.Median()), page.Number(1/its.Median()), page.Number(ratio.Median()), page.Number(1/pings.Median()),
			page.Seconds(all[0].server.Median()/each), page.Seconds(all[1].server.Median()/each))
	}
	before := trips.Count()
	many(t, 100, func(ctx context.Context) error { _, err := ours.TopicExchange(ctx, topicOf(10)); return err })()
	p.Judge("round trips of an uncached topic lookup", figures.Sample{float64(trips.Count()-before) / 100}, "", figures.AtMost(1))
	p.Judge("uncached topic lookups in a second beside the original's, 1 to 10,000 hosts: the least of all sizes", slowest, " ×", figures.AtLeast(1.6))
	p.Fit(figures.Law{What: "an uncached topic lookup", With: "hosts of the topic"}, points...)
	p.Plot(page.Plot{Name: "topic", Title: "One host, asked of Redis", X: "hosts of the topic", Y: "seconds a lookup",
		Lines: []page.Line{{Name: "ours", Points: points}, {Name: "the original", Points: theirs}}})
}

func fanoutAsked(t *testing.T, p *page.Part) {
	sizes := []int{10, 100, 1000, sized(10_000, 2000)}
	s, o, h := populated(t, sizes...)
	ours, _ := store(t, s.URL)
	names := []string{"ours", "bare SMEMBERS + MGET", "the original, pipelined", "hash + JSON", "the original"}
	table := p.Table("One list of all hosts:", append([]string{"hosts", "CPU of Redis in italics"}, names...)...)
	lines := make([]page.Line, len(names))
	for i := range lines {
		lines[i].Name = names[i]
	}
	var cpu []figures.Point
	for _, n := range sizes {
		key, calls := topicOf(n), max(1, sized(20_000, 1000)/n)
		check := func(got int, err error) error {
			if err == nil && got != n {
				err = fmt.Errorf("%d of %d hosts", got, n)
			}
			return err
		}
		do := func(times int, f func(context.Context) (int, error)) work {
			return work{do: many(t, times, func(ctx context.Context) error { return check(f(ctx)) }), server: s.spent}
		}
		all := interleaved(rounds(),
			do(calls, func(ctx context.Context) (int, error) {
				r, err := ours.FanoutExchange(ctx, "fanout~"+key)
				return len(r), err
			}),
			do(calls, func(ctx context.Context) (int, error) { return bare(ctx, s.client, "mm:{"+key+"}", "mm:{"+key+"}@") }),
			do(calls, func(ctx context.Context) (int, error) { return o.pipelined(ctx, key) }),
			do(calls, func(ctx context.Context) (int, error) { return h.fanout(ctx, key) }),
			do(1, func(ctx context.Context) (int, error) { return o.fanout(ctx, key) }))
		took, spent := []string{fmt.Sprint(n), "time"}, []string{"", "*Redis*"}
		for i := range all {
			times := float64(calls)
			if i == len(all)-1 {
				times = 1
			}
			all[i].took, all[i].server = all[i].took.Times(1/times), all[i].server.Times(1/times)
			took, spent = append(took, page.Seconds(all[i].took.Median())), append(spent, "*"+page.Seconds(all[i].server.Median())+"*")
			lines[i].Points = append(lines[i].Points, figures.Point{Size: float64(n), Cost: all[i].took.Median()})
		}
		table.Row(took...)
		table.Row(spent...)
		cpu = append(cpu, figures.Point{Size: float64(n), Cost: all[0].server.Median()})
		if n == 1000 {
			p.Judge("uncached fanout of 1,000 with records, beside the original's: how many times as fast", all[4].took.Over(all[0].took), " ×", figures.AtLeast(50))
			p.Judge("CPU of Redis for it, the original's beside ours", all[4].server.Over(all[0].server), " ×", figures.AtLeast(20))
			p.Judge("the time of it beside bare SMEMBERS and MGET", all[0].took.Over(all[1].took), " ×", figures.AtMost(1.5))
		}
	}
	p.Fit(figures.Law{What: "an uncached fanout", With: "hosts of the topic", Power: 1}, lines[0].Points...)
	p.Fit(figures.Law{What: "CPU of Redis of an uncached fanout", With: "hosts of the topic", Power: 1}, cpu...)
	p.Plot(page.Plot{Name: "fanout", Title: "All hosts, asked of Redis", X: "hosts of the topic", Y: "seconds a list", Lines: lines})
}
