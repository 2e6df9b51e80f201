package bench

import (
	"testing"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration/bench/page"
)

var processesPart = part{"processes", "Many processes of one host", `Processes that keep one host each, all of one topic, as most fleets have them: what Redis takes for a beat that comes
alone, over a connection of its own. The original's beats come as alone.`, processes}

func processes(t *testing.T, p *page.Part) {
	n := sized(1000, 50)
	s := start(t, "maxclients 9000")
	before := info(t, s.client, "memory")["used_memory"]
	rs := registrations("compute", 0, n)
	all := make([]*core.HeartbeatMatchMaker, n)
	for i := range all {
		all[i] = keeper(t, s.URL, calm)
		must(t, all[i].Register(t.Context(), rs[i]))
	}
	connections := info(t, s.client, "clients")["connected_clients"]
	costs.process = (settled(t, s) - before - float64(n)*500) / connections
	must(t, original{s.client, ttl}.all(t.Context(), "original", hostsOf(rs)))
	others := make([]original, n)
	for i := range others {
		others[i] = original{s.Client(), ttl}
	}
	beat := work{server: s.spent, do: func() {
		for _, h := range all {
			must(t, h.SendHeartbeats(t.Context()))
		}
	}}
	beat.before = func() { beat.do() } // what those who came later changed is told
	both := interleaved(rounds(), beat, work{server: s.spent, do: func() {
		for i, o := range others {
			must(t, o.beat(t.Context(), "original."+rs[i].Host))
		}
	}})
	sent := info(t, s.client, "stats")
	beat.do()
	after := info(t, s.client, "stats")
	bytes := (after["total_net_input_bytes"] + after["total_net_output_bytes"] - sent["total_net_input_bytes"] - sent["total_net_output_bytes"]) / float64(n)
	ours, its := both[0].server.Times(1/float64(n)), both[1].server.Times(1/float64(n))
	costs.alone, costs.aloneBytes = ours.Median(), bytes
	table := p.Table("A beat that comes alone:", "how", "takes", "CPU of Redis", "network, both ways")
	table.Row("ours", page.Seconds(both[0].took.Median()/float64(n)), page.Seconds(ours.Median()), page.Bytes(bytes))
	table.Row("the original, one EXPIRE", page.Seconds(both[1].took.Median()/float64(n)), page.Seconds(its.Median()), "")
	table.Row("ours beside it", page.Number(both[0].took.Over(both[1].took).Median())+" ×", page.Number(ours.Over(its).Median())+" ×", "")
	p.Note("A connection takes " + page.Bytes(costs.process) + " of Redis's memory.")
}
