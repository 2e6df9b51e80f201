package bench

import (
	"context"
	"fmt"
	"testing"

	"github.com/redismm/matchmaker/integration/bench/figures"
	"github.com/redismm/matchmaker/integration/bench/page"
)

var freshPart = part{"fresh", "A fresh read, beside etcd and Consul", `Store.Members of a topic of 100 hosts, beside etcd's naming package (a linearizable read of the prefix) and Consul's
health endpoint; each decodes what it is told. A beat is a round of heartbeats of those hosts; with etcd a KeepAliveOnce of
each host's lease.`, fresh}

func fresh(t *testing.T, p *page.Part) {
	const n = 100
	calls := sized(200, 20)
	s := start(t)
	rs := registrations("compute", 0, n)
	h := keeper(t, s.URL, calm)
	must(t, h.Register(within(t), rs...))
	ours, _ := store(t, s.URL)
	etcd, agent := startEtcd(t, "compute"), startConsul(t)
	must(t, etcd.add(within(t), rs))
	read := func(times int, spent spent, f func(context.Context) (int, error)) work {
		return work{server: spent, do: many(t, times, func(ctx context.Context) error {
			got, err := f(ctx)
			if err == nil && got != n {
				err = fmt.Errorf("%d of %d hosts", got, n)
			}
			return err
		})}
	}
	names := []string{"ours", "etcd", "ours, a beat of all", "etcd, a beat of all"}
	times := []int{calls, calls, 1, 1}
	works := []work{
		read(calls, s.spent, func(ctx context.Context) (int, error) {
			v, err := ours.Members(ctx, "compute")
			if err != nil {
				return 0, err
			}
			return len(v.Members), nil
		}),
		read(calls, etcd.spent, etcd.list),
		{server: s.spent, do: func() { must(t, h.SendHeartbeats(t.Context())) }},
		{server: etcd.spent, do: func() { must(t, etcd.beat(t.Context())) }},
	}
	if agent != nil {
		must(t, agent.add(within(t), rs))
		names, times = append(names, "Consul"), append(times, calls/10)
		works = append(works, read(calls/10, nobody, func(ctx context.Context) (int, error) { return agent.list(ctx, "compute") }))
	}
	all := interleaved(rounds(), works...)
	table := p.Table("100 hosts:", "what", "takes", "CPU of the server")
	for i, name := range names {
		each := 1 / float64(times[i])
		all[i].took, all[i].server = all[i].took.Times(each), all[i].server.Times(each)
		cpu := page.Seconds(all[i].server.Median())
		if i == 4 {
			cpu = "not taken"
		}
		table.Row(name, page.Seconds(all[i].took.Median()), cpu)
	}
	p.Judge("a fresh read of 100 hosts: how many times as fast as etcd's prefix read", all[1].took.Over(all[0].took), " ×", figures.AtLeast(4))
	if agent == nil {
		p.Note("Consul was not measured: " + consulMissing)
		return
	}
	p.Judge("the same beside Consul's health endpoint", all[4].took.Over(all[0].took), " ×", figures.AtLeast(30))
}

const consulMissing = "it is not published as a module that `go install` builds. Where a consul is in the PATH, or named by the variable CONSUL, this part measures it."
