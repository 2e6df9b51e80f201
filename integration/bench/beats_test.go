package bench

import (
	"fmt"
	"testing"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration/bench/figures"
	"github.com/redismm/matchmaker/integration/bench/page"
	"github.com/redismm/matchmaker/redismm"
)

var beatsPart = part{"beats", "Heartbeats", `A round of heartbeats of one process, over one connection, beside a PEXPIRE of each key in pipelines of 512, which is the
original's beat at its best, and the original's own: one EXPIRE after the other. Where every topic changes, another process has
registered or unregistered one host of each between the rounds, so that each topic's registrations are told whole. In the table by
size, two pipelines are on the way at once, as by default.`, beats}

var topicsPart = part{"topics", "Heartbeats in many small topics", `As "beats", with one host in each of 10,000 topics and, as by default, two pipelines on the way at once; and how a round of as many
registrations grows with the topics that they are in.`, topics}

var millionPart = part{"million", "A million registrations in one process", `As "topics". What Redis takes is given for rounds 5 s apart.`, million}

// kept are registrations of one process.
type kept struct {
	*server
	h      *core.HeartbeatMatchMaker
	n      int
	topics []string
	keys   []string // of liveness, as many as are asked for
}

// keep registers n hosts in topics of each some, and names the keys of the first.
func keep(t *testing.T, s *server, n, each, keys int) *kept {
	t.Helper()
	return keepOver(t, s, s.URL, n, each, keys)
}

// single leaves a process one connection to beat over.
const single = "?pool_size=1"

func keepOver(t *testing.T, s *server, url string, n, each, keys int) *kept {
	t.Helper()
	k := &kept{server: s, h: keeper(t, url, calm), n: n}
	var some []core.Registration
	for from := 0; from < n; from += each {
		topic := fmt.Sprintf("t%d", from/each)
		rs := registrations(topic, from, min(each, n-from))
		k.topics = append(k.topics, topic)
		for _, r := range rs[:min(len(rs), keys-len(k.keys))] {
			k.keys = append(k.keys, "mm:{"+topic+"}@"+r.Host)
		}
		if some = append(some, rs...); len(some) >= 50_000 || from+each >= n {
			must(t, k.h.Register(within(t), some...))
			some = nil
		}
	}
	return k
}

// round is a round of heartbeats.
func (k *kept) round(t *testing.T) work {
	return work{do: func() {
		if err := k.h.SendHeartbeats(t.Context()); err != nil {
			t.Error(err)
		}
	}, server: k.spent}
}

// least is the renewal of as many keys.
func (k *kept) least(t *testing.T) work {
	return work{do: func() {
		if err := pexpire(t.Context(), k.client, k.keys, ttl); err != nil {
			t.Error(err)
		}
	}, server: k.spent}
}

// changed has another process register a host in each topic, and unregister it the next time.
func (k *kept) changed(t *testing.T) func() {
	other, err := redismm.OpenStore(k.URL, redismm.Config{HeartbeatConfig: calm})
	must(t, err)
	t.Cleanup(func() { other.Close() })
	var there []*core.Claim
	return func() {
		var failed error
		if there == nil {
			for _, topic := range k.topics {
				there = append(there, &core.Claim{Registration: core.Registration{Topic: topic, Host: "other"}})
			}
			_, failed = other.BackendRegister(t.Context(), ttl, there)
		} else {
			_, failed = other.BackendUnregister(t.Context(), ttl, there)
			there = nil
		}
		must(t, failed)
	}
}

// perSecond are rates of n in what rounds took.
func perSecond(n int, took figures.Sample) figures.Sample {
	out := make(figures.Sample, len(took))
	for i, s := range took {
		out[i] = float64(n) / s
	}
	return out
}

func beats(t *testing.T, p *page.Part) {
	n := sized(100_000, 5000)
	s := start(t)
	k := keepOver(t, s, s.URL+single, n, 1000, n)
	o, few := original{s.client, ttl}, min(n, 3000)
	must(t, o.all(t.Context(), "original", k.keys[:few]))
	whole := k.round(t)
	whole.before = k.changed(t)
	rest := k.round(t)
	rest.before = func() { // what others changed is told, and the round is one of rest
		for range 2 {
			must(t, k.h.SendHeartbeats(t.Context()))
		}
	}
	all := interleaved(rounds(), rest, whole, k.least(t), work{do: func() {
		for _, key := range k.keys[:few] {
			if err := o.beat(t.Context(), "original."+key); err != nil {
				t.Error(err)
			}
		}
	}, server: s.spent})
	table := p.Table(fmt.Sprintf("Beats of %s registrations in topics of 1,000, records of 120 bytes:", page.Number(float64(n))),
		"how", "beats a second", "CPU of Redis a beat", "CPU of the process a beat")
	rates := make([]figures.Sample, len(all))
	for i, name := range []string{"a round at rest", "every topic has changed", "PEXPIRE, pipelines of 512", "the original, one EXPIRE a trip"} {
		of := n
		if i == 3 {
			of = few
		}
		rates[i] = perSecond(of, all[i].took)
		table.Row(name, page.Number(rates[i].Median()), page.Seconds(all[i].server.Median()/float64(of)), page.Seconds(all[i].client.Median()/float64(of)))
	}
	p.Judge("beats at rest, topics of 1,000, one connection, beside pipelined PEXPIRE", rates[0].Over(rates[2]), " ×", figures.AtLeast(1.2))
	p.Judge("the same beside the original's", rates[0].Over(rates[3]), " ×", figures.AtLeast(40))
	p.Judge("beats when every topic changes in every round, beside pipelined PEXPIRE", rates[1].Over(rates[2]), " ×", figures.AtLeast(0.45))
	beatsBySize(t, p)
}

// beatsBySize measures rounds of many sizes, each at a server of its own.
func beatsBySize(t *testing.T, p *page.Part) {
	names := []string{"topics of 1,000", "topics of 100", "topics of 1"}
	lines, cpu := make([]page.Line, len(names)), make([]page.Line, len(names))
	table := p.Table("A round, by how many registrations and in topics of what size:", "registrations", "topics of", "a round", "beats a second", "CPU of Redis a beat")
	for i, each := range []int{1000, 100, 1} {
		sizes := []int{sized(1000, 100), sized(10_000, 1000), sized(100_000, 3000)}
		var works []work
		for _, n := range sizes {
			works = append(works, keep(t, start(t), n, each, 0).round(t))
		}
		all := interleaved(rounds(), works...)
		lines[i].Name, cpu[i].Name = names[i], names[i]
		for j, n := range sizes {
			lines[i].Points = append(lines[i].Points, figures.Point{Size: float64(n), Cost: all[j].took.Median()})
			cpu[i].Points = append(cpu[i].Points, figures.Point{Size: float64(n), Cost: all[j].server.Median()})
			table.Row(page.Number(float64(n)), page.Number(float64(each)), page.Seconds(all[j].took.Median()),
				page.Number(float64(n)/all[j].took.Median()), page.Seconds(all[j].server.Median()/float64(n)))
		}
		p.Fit(figures.Law{What: "a round of beats, " + names[i], With: "registrations", Power: 1}, lines[i].Points...)
		p.Fit(figures.Law{What: "CPU of Redis of a round, " + names[i], With: "registrations", Power: 1}, cpu[i].Points...)
	}
	p.Plot(page.Plot{Name: "beats", Title: "A round of heartbeats", X: "registrations", Y: "seconds a round", Lines: lines})
}

func topics(t *testing.T, p *page.Part) {
	n := sized(10_000, 1000)
	k := keep(t, start(t), n, 1, n)
	all := interleaved(rounds(), k.round(t), k.least(t))
	ratio := all[1].took.Over(all[0].took)
	p.Judge("beats of one host in each of 10,000 topics, beside pipelined PEXPIRE", ratio, " ×", figures.AtLeast(0.2))
	p.Table("One host in each topic:", "topics", "a round", "PEXPIRE", "CPU of Redis a beat", "PEXPIRE's").Row(page.Number(float64(n)),
		page.Seconds(all[0].took.Median()), page.Seconds(all[1].took.Median()), page.Seconds(all[0].server.Median()/float64(n)), page.Seconds(all[1].server.Median()/float64(n)))

	table := p.Table("As many registrations in more topics:", "registrations", "topics", "a round", "CPU of Redis a round")
	sizes := []int{n / 1000, n / 100, n / 10, n}
	var works []work
	for _, topics := range sizes {
		works = append(works, keep(t, start(t), n, n/topics, 0).round(t))
	}
	var points []figures.Point
	for i, x := range interleaved(rounds(), works...) {
		points = append(points, figures.Point{Size: float64(sizes[i]), Cost: x.took.Median()})
		table.Row(page.Number(float64(n)), fmt.Sprint(sizes[i]), page.Seconds(x.took.Median()), page.Seconds(x.server.Median()))
	}
	p.Fit(figures.Law{What: "a round of as many registrations", With: "topics that they are in", Power: 1}, points...)
}

func million(t *testing.T, p *page.Part) {
	n := sized(1_000_000, 20_000)
	k := keep(t, start(t), n, 1000, n)
	all := interleaved(5, k.round(t), k.least(t))
	table := p.Table(page.Number(float64(n))+" registrations in topics of 1,000, in 5 rounds:", "how", "a round", "CPU of Redis", "CPU of the process", "beats a second")
	for i, name := range []string{"a round at rest", "PEXPIRE, pipelines of 512"} {
		table.Row(name, page.Seconds(all[i].took.Median()), page.Seconds(all[i].server.Median()), page.Seconds(all[i].client.Median()), page.Number(float64(n)/all[i].took.Median()))
	}
	p.Judge("a round of 1,000,000 registrations of one process, in seconds", all[0].took, " s", figures.AtMost(1.5)).
		Limit = page.Seconds(all[1].took.Median()) + " of pipelined PEXPIRE"
	p.Judge("share of a core that Redis takes for it, every 5 s", all[0].server.Times(100.0/5), " %", figures.AtMost(40)).
		Limit = page.Number(all[1].server.Times(100.0/5).Median()) + " % of pipelined PEXPIRE"
}
