package integration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// gathering is the size of a topic that many watch.
type gathering struct {
	processes, watchers, members int // of each kind; in all
	beat                         core.HeartbeatConfig
	intervals, changes           int
}

var (
	smallGathering = gathering{2, 50, 100, prompt, 2, 5}
	fullGathering  = gathering{5, 500, 1000, core.HeartbeatConfig{Freq: 5 * time.Second, TTL: 15 * time.Second}, 12, 100}
)

// A minute holds each member's whole telling once, so that every window is alike.
func TestBudgetWatchersCostAtMostTheBeatsAndSeeEveryChange(t *testing.T) {
	parallel(t, true) // the others have ended when it measures times
	g := smallGathering
	if fullSize() {
		g = fullGathering
	}
	r := integration.StartRedis(t, "appendonly no") // as Redis is by default: what it logs is as much again
	keepers := startCrews(t, g.processes)
	keepers.open(t, r.URL, g.members/g.processes, g.beat)
	keepers.keep(t, "compute", "node", g.members/g.processes, 1)
	registered(t, r, "compute", g.members)
	watchers := startCrews(t, g.processes)
	watchers.open(t, r.URL, g.watchers/g.processes, g.beat)

	alone := g.measure(t, r, "beats alone")
	watchers.watch(t, "compute", "probe", g.members)
	both := g.measure(t, r, fmt.Sprintf("beats and %d watchers", g.watchers))
	judge(t, "commands that clients sent, watchers beside beats", fmt.Sprintf("x %.2f", both.sent/alone.sent), "at most x 2.00", both.sent <= 2*alone.sent)
	note(t, "commands that Redis executed", fmt.Sprintf("x %.2f", both.executed/alone.executed))
	note(t, "share of a core that Redis took", fmt.Sprintf("x %.2f", both.cpu/alone.cpu))
	if fullSize() {
		judge(t, "share of a core that Redis took, watchers and beats", fmt.Sprintf("%.1f %%", both.cpu), "at most 3.0 %", both.cpu <= 3)
	}
	g.show(t, r, watchers)
	if fullSize() {
		for _, c := range append(keepers, watchers...) {
			c.Kill()
		}
		bare := g.pings(t, r, both.sent)
		note(t, "share of a core that as many bare PINGs take, of as many processes", fmt.Sprintf("%.1f %%", bare))
		note(t, "watchers and beats beside them", fmt.Sprintf("x %.2f", both.cpu/bare))
	}
}

// cost is in a second.
type cost struct{ sent, executed, cpu float64 }

// measure waits until every member beats by touch alone, then counts whole intervals.
func (g gathering) measure(t *testing.T, r *integration.Redis, what string) cost {
	t.Helper()
	settle(t, r, g.members, g.beat)
	client := r.Client()
	heard := listenTo(t, r)
	time.Sleep(time.Duration(g.intervals) * g.beat.Freq) // counted is what happens meanwhile
	sent := heard.stop()
	c := cost{sent: rate(len(sent.sent), sent.took)}
	before := spentBy(t, client)
	time.Sleep(time.Duration(g.intervals) * g.beat.Freq / 2) // without MONITOR, which takes more than what it shows
	c.executed, c.cpu = spentBy(t, client).since(before)
	note(t, what+": sent by clients, by name", fmt.Sprintf("%.0f/s: %s", c.sent, sent))
	note(t, what+": executed, scripts' own included", fmt.Sprintf("%.0f/s, %.1f %% of a core", c.executed, c.cpu))
	return c
}

// pings is the share of a core that Redis takes for as many commands that do nothing, when they come as those of a fleet
// do: from as many processes, over a connection for each member and watcher, each by itself.
func (g gathering) pings(t *testing.T, r *integration.Redis, perSecond float64) float64 {
	t.Helper()
	all, n := startCrews(t, 2*g.processes), (g.members+g.watchers)/(2*g.processes)
	every := time.Duration(float64(g.members+g.watchers) / perSecond * float64(time.Second))
	tell[Pinging, int](t, all, "Ping", alike(Pinging{r.Addr, n, every}))
	time.Sleep(2 * every)
	before := spentBy(t, r.Client())
	time.Sleep(6 * every)
	executed, cpu := spentBy(t, r.Client()).since(before)
	if executed < 0.9*perSecond || executed > 1.1*perSecond {
		t.Errorf("%.0f PINGs came in a second, want %.0f", executed, perSecond)
	}
	return cpu
}

// show has members come and go, and says how soon all watchers see it, beside a bare PUBLISH.
func (g gathering) show(t *testing.T, r *integration.Redis, watchers crews) {
	t.Helper()
	each := g.watchers / g.processes
	h := open(t, r.URL, g.beat)
	watchers.sightings(t)
	joins, leaves, began := make(delays, 0), make(delays, 0), make(map[string]int64)
	for i := range g.changes {
		host := fmt.Sprintf("probe%05d", i)
		began[host] = time.Now().UnixNano()
		if err := h.Register(t.Context(), core.Registration{Topic: "compute", Host: host, Addr: "10.0.0.1:8774"}); err != nil {
			t.Fatal(err)
		}
		watchers.await(t, each)
		joins = append(joins, seen(t, watchers, began, Present)...)
		began[host] = time.Now().UnixNano()
		if err := h.Unregister(t.Context(), "compute", host); err != nil {
			t.Fatal(err)
		}
		watchers.await(t, each)
		leaves = append(leaves, seen(t, watchers, began, Gone)...)
	}
	for what, d := range map[string]delays{"join": joins, "leave": leaves} {
		if want := g.changes * g.watchers; len(d) != want {
			t.Errorf("%s: seen %d times, want each of %d by each of %d watchers", what, len(d), g.changes, g.watchers)
		}
		note(t, "a "+what+" until a watcher shows it", d.String())
		timely(t, "a "+what+" until a watcher shows it, p99", d.at(99), 50*time.Millisecond)
	}
	bare := g.bare(t, r, watchers)
	note(t, "a bare PUBLISH until a subscriber hears it", bare.String())
	note(t, "a join beside it", fmt.Sprintf("p50 x %.1f, p99 x %.1f",
		float64(joins.at(50))/float64(bare.at(50)), float64(joins.at(99))/float64(bare.at(99))))
}

// seen returns how long each sighting came after what was done, and fails the test for any but the wanted.
func seen(t *testing.T, watchers crews, began map[string]int64, want Shown) delays {
	t.Helper()
	var d delays
	for _, s := range watchers.sightings(t) {
		if s.What != want {
			t.Errorf("%s is shown as %d, want %d", s.Host, s.What, want)
		}
		d = append(d, time.Duration(s.At-began[s.Host]))
	}
	return d
}

// bare is the peer: as many subscribers in the same processes, and a message as long.
func (g gathering) bare(t *testing.T, r *integration.Redis, watchers crews) delays {
	t.Helper()
	each := g.watchers / g.processes
	tell[Bare, int](t, watchers, "Listen", alike(Bare{r.URL, "bare", each}))
	c := r.Client()
	var d delays
	for i := range g.changes {
		name := fmt.Sprint("message", i)
		began := map[string]int64{name: time.Now().UnixNano()}
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		err := c.Publish(ctx, "bare", name+" "+strings.Repeat("x", 250)).Err()
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		watchers.await(t, each)
		d = append(d, seen(t, watchers, began, Present)...)
	}
	return d
}
