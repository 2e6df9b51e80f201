package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration/bench/figures"
	"github.com/redismm/matchmaker/integration/bench/page"
)

var watchersPart = part{"watchers", "Watchers at rest", `Watchers, each with connections of its own as if it were a process, over a topic that nobody changes, with an interval of 1 s: what
Redis takes in 2 s. Five rounds over all sizes, in each of which all connect anew, unmeasured. The watchers of a real fleet, with an interval of 5 s, are in the part "budgets".`, watchers}

var changesPart = part{"changes", "Watchers and changes", `A host of a topic of 1,000 registers and unregisters, over and over, while watchers look on from this process: until
the last of them shows it. What a change costs is of Redis and of this process, which is all watchers together.`, changes}

// atRest is what watchers cost a server in a second at an interval: CPU, as a share of a core, and commands, those of
// scripts included.
func atRest(t *testing.T, s *server, topic string, n, members int, freq, window time.Duration) (cpu, commands float64) {
	t.Helper()
	c := watch(t, s.URL, topic, n, members, freq)
	defer c.leave()
	time.Sleep(freq) // subscriptions are confirmed, and the first polls are over
	before, spent, began := info(t, s.client, "stats")["total_commands_processed"], s.spent(), time.Now()
	time.Sleep(window)
	took := time.Since(began).Seconds()
	return (s.spent() - spent) / took, (info(t, s.client, "stats")["total_commands_processed"] - before) / took
}

func watchers(t *testing.T, p *page.Part) {
	const freq = time.Second
	s := start(t, "maxclients 9000")
	counts, members := []int{1, 10, 100, sized(1000, 50)}, []int{100, 1000, sized(10_000, 2000)}
	for _, n := range members {
		k := keeper(t, s.URL, calm)
		must(t, k.Register(within(t), registrations(topicOf(n), 0, n)...))
	}
	type at struct{ watchers, members int }
	var sizes []at
	for _, w := range counts {
		sizes = append(sizes, at{w, 1000})
	}
	for _, n := range members {
		if n != 1000 {
			sizes = append(sizes, at{100, n})
		}
	}
	cpu, commands := make(map[at]figures.Sample), make(map[at]figures.Sample)
	for range sized(5, 1) {
		for _, x := range sizes {
			spent, executed := atRest(t, s, topicOf(x.members), x.watchers, x.members, freq, 2*time.Second)
			cpu[x], commands[x] = append(cpu[x], spent), append(commands[x], executed)
		}
	}
	table := p.Table("In a second, with an interval of 1 s:", "watchers", "hosts of the topic", "commands executed", "of a core of Redis", "CPU of Redis a watcher and interval")
	var byWatchers, byCommands, byMembers []figures.Point
	for _, x := range sizes {
		c, n := cpu[x].Median(), commands[x].Median()
		table.Row(fmt.Sprint(x.watchers), page.Number(float64(x.members)), page.Number(n), page.Number(100*c)+" %", page.Seconds(c/float64(x.watchers)))
		if x.members == 1000 && x.watchers >= 10 { // one is lost in what Redis does by itself
			byWatchers = append(byWatchers, figures.Point{Size: float64(x.watchers), Cost: c})
			byCommands = append(byCommands, figures.Point{Size: float64(x.watchers), Cost: n})
		}
	}
	for _, n := range members {
		byMembers = append(byMembers, figures.Point{Size: float64(n), Cost: cpu[at{100, n}].Median()})
	}
	p.Fit(figures.Law{What: "CPU of Redis for watchers at rest", With: "watchers", Power: 1}, byWatchers...)
	p.Fit(figures.Law{What: "commands of watchers at rest", With: "watchers", Power: 1}, byCommands...)
	p.Fit(figures.Law{What: "CPU of Redis for 100 watchers at rest", With: "hosts of the topic"}, byMembers...)
	costs.watch = cpu[at{counts[len(counts)-1], 1000}].Median() * freq.Seconds() / float64(counts[len(counts)-1])
	p.Plot(page.Plot{Name: "watchers", Title: "Watchers of 1,000 hosts at rest, interval 1 s", X: "watchers", Y: "of a core of Redis",
		Lines: []page.Line{{Name: "CPU", Points: byWatchers}}})
}

func changes(t *testing.T, p *page.Part) {
	const members = 1000
	s := start(t, "maxclients 9000")
	h := keeper(t, s.URL, calm)
	must(t, h.Register(within(t), registrations("compute", 0, members)...))
	each := sized(20, 4)
	one := func(c *crowd) (seen figures.Sample) {
		for range each {
			began := time.Now()
			must(t, h.Register(t.Context(), core.Registration{Topic: "compute", Host: "probe", Addr: "10.0.0.1:8774"}))
			c.await(t, members+1)
			seen = append(seen, time.Since(began).Seconds())
			must(t, h.Unregister(t.Context(), "compute", "probe"))
			c.await(t, members)
			time.Sleep(30 * time.Millisecond) // views come 20 ms apart at least
		}
		return seen
	}
	counts := []int{1, 10, 100, sized(1000, 50)}
	table := p.Table("A join of a topic of 1,000, until the last watcher shows it:", "watchers", "p50", "p99", "the latest", "CPU of Redis a change", "CPU of a watcher a change")
	var server, client, latest []figures.Point
	lines := make([]page.Line, len(counts))
	for i, n := range counts {
		c := watch(t, s.URL, "compute", n, members, calm.Freq)
		one(c)
		spent, used := s.spent(), self()
		var seen figures.Sample
		for range sized(5, 1) {
			seen = append(seen, one(c)...)
		}
		of := float64(2 * len(seen)) // a join and a leave
		spent, used = (s.spent()-spent)/of, (self()-used)/of
		c.leave()
		_, most := seen.Spread()
		table.Row(fmt.Sprint(n), page.Seconds(seen.Median()), page.Seconds(seen.At(0.99)), page.Seconds(most), page.Seconds(spent), page.Seconds(used/float64(n)))
		server = append(server, figures.Point{Size: float64(n), Cost: spent})
		client = append(client, figures.Point{Size: float64(n), Cost: used})
		latest = append(latest, figures.Point{Size: float64(n), Cost: seen.Median()})
		lines[i].Name = fmt.Sprint(n, " watchers")
		for part := 0.02; part <= 1; part += 0.02 {
			lines[i].Points = append(lines[i].Points, figures.Point{Size: seen.At(part), Cost: part})
		}
		costs.told, costs.heard = spent/float64(n), used/float64(n)
	}
	p.Fit(figures.Law{What: "CPU of Redis of a change", With: "watchers", Power: 1}, server...)
	p.Fit(figures.Law{What: "CPU of all watchers of a change", With: "watchers", Power: 1}, client...)
	p.Fit(figures.Law{What: "the time until the last watcher shows a change", With: "watchers", Power: 1}, latest...)
	p.Plot(page.Plot{Name: "joins", Title: "A join until the last watcher shows it", X: "seconds", Y: "part of the joins", Plain: true, Lines: lines})
	byRate(t, p, s, h, members)
}

// byRate measures watchers beside changes that come ever faster.
func byRate(t *testing.T, p *page.Part, s *server, h *core.HeartbeatMatchMaker, members int) {
	const watching, window = 20, 2 * time.Second
	c := watch(t, s.URL, "compute", watching, members, calm.Freq)
	defer c.leave()
	rates := []int{5, 20, 80, 320}
	spent, used := make([]figures.Sample, len(rates)), make([]figures.Sample, len(rates))
	for range sized(5, 1) {
		for i, rate := range rates {
			was, mine, began := s.spent(), self(), time.Now()
			for n := range int(float64(rate) * window.Seconds()) {
				time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate))))
				if n%2 == 0 {
					must(t, h.Register(t.Context(), core.Registration{Topic: "compute", Host: "probe", Addr: "10.0.0.1:8774"}))
				} else {
					must(t, h.Unregister(t.Context(), "compute", "probe"))
				}
			}
			c.await(t, members)
			took := time.Since(began).Seconds()
			spent[i], used[i] = append(spent[i], (s.spent()-was)/took), append(used[i], (self()-mine)/took)
		}
	}
	table := p.Table(fmt.Sprintf("%d watchers of 1,000 hosts, by how often these change:", watching), "changes a second", "of a core of Redis", "of a core, a watcher")
	var server, client []figures.Point
	for i, rate := range rates {
		table.Row(fmt.Sprint(rate), page.Number(100*spent[i].Median())+" %", page.Number(100*used[i].Median()/watching)+" %")
		server = append(server, figures.Point{Size: float64(rate), Cost: spent[i].Median()})
		client = append(client, figures.Point{Size: float64(rate), Cost: used[i].Median()})
	}
	p.Fit(figures.Law{What: "CPU of Redis for 20 watchers", With: "changes a second", Power: 1}, server...)
	p.Fit(figures.Law{What: "CPU of 20 watchers", With: "changes a second", Power: 1}, client...)
}
