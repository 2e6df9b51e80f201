package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration/bench/figures"
	"github.com/redismm/matchmaker/integration/bench/page"
)

var memoryPart = part{"memory", "Memory of Redis", `used_memory of INFO, with registrations less without, over how many there are; records of 120 bytes. The original keeps no
record. One figure for each size, since it is the same every time.`, memory}

var recoveryPart = part{"recovery", "After Redis has lost everything", `FLUSHALL under a process that keeps 100,000 registrations in topics of 1,000; then its next round of heartbeats, which is due within an
interval, and nobody need notice the loss for it. The original never tells its set of members again.`, recovery}

func memory(t *testing.T, p *page.Part) {
	sizes := []int{sized(1000, 1000), sized(10_000, 2000), sized(100_000, 5000)}
	table := p.Table("Bytes a registration, by how many there are:", "registrations", "topics of 1,000", "the same, with an address alone", "the original, without a record", "a hash for each service, JSON")
	var whole []figures.Point
	var ours figures.Sample
	for _, n := range sizes {
		each := make([]float64, 4)
		for i := range each {
			s := start(t)
			h := keeper(t, s.URL, calm)
			if i < 2 { // scripts and connections are no registrations
				must(t, h.Register(t.Context(), registrations("first", 0, 1)...))
				must(t, h.Unregister(t.Context(), "first", hostsOf(registrations("first", 0, 1))[0]))
				s.FlushAll()
			}
			before := settled(t, s)
			for from := 0; from < n; from += 1000 {
				rs := registrations(fmt.Sprintf("t%d", from/1000), from, 1000)
				switch i {
				case 1:
					for j := range rs {
						rs[j].Zone, rs[j].Labels = "", nil
					}
					fallthrough
				case 0:
					must(t, h.Register(within(t), rs...))
				case 2:
					must(t, original{s.client, ttl}.all(within(t), rs[0].Topic, hostsOf(rs)))
				case 3:
					must(t, hashed{s.client, ttl}.all(within(t), rs))
				}
			}
			each[i] = (settled(t, s) - before) / float64(n)
		}
		ours = figures.Sample{each[0]}
		whole = append(whole, figures.Point{Size: float64(n), Cost: each[0] * float64(n)})
		table.Row(page.Number(float64(n)), page.Number(each[0]), page.Number(each[1]), page.Number(each[2]), page.Number(each[3]))
	}
	costs.memory = ours.Median()
	p.Judge("memory of Redis for a registration, record of 120 bytes, topics of 1,000", ours, " bytes", figures.AtMost(350))
	p.Fit(figures.Law{What: "memory of Redis", With: "registrations", Power: 1}, whole...)
}

// settled is used_memory once it does not change: tables are moved to larger ones bit by bit.
func settled(t *testing.T, s *server) float64 {
	t.Helper()
	last := 0.0
	for range 50 {
		now := info(t, s.client, "memory")["used_memory"]
		if now >= last-2000 && now <= last+2000 {
			return now
		}
		last = now
		time.Sleep(100 * time.Millisecond)
	}
	return last
}

func recovery(t *testing.T, p *page.Part) {
	n := sized(100_000, 5000)
	s := start(t)
	k := keep(t, s, n, 1000, 0)
	again := k.round(t)
	again.before = func() { s.FlushAll() }
	all := interleaved(5, again)
	back := int(s.client.DBSize(t.Context()).Val())
	if back < n {
		t.Errorf("%d keys are back, want at least %d", back, n)
	}
	least, most := all[0].took.Spread()
	p.Table(page.Number(float64(n))+" registrations, 5 times:", "all are back after a round of", "spread", "CPU of Redis", "and within, after the loss").Row(
		page.Seconds(all[0].took.Median()), page.Seconds(least)+" to "+page.Seconds(most), page.Seconds(all[0].server.Median()),
		"an interval ("+core.DefaultFreq.String()+") and that")
}
