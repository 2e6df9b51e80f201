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

var clusterPart = part{"cluster", "A cluster of three masters", `Registrations in topics of 100, over three masters, each with a replica: whose load is what. All seven processes share the machine's cores, so a
round is no faster than with one server; what counts is that each master has its third.`, clusterLoad}

func clusterLoad(t *testing.T, p *page.Part) {
	const each = 100
	topics := sized(600, 60)
	c := integration.StartCluster(t, quick)
	h, err := redismm.Open(t.Context(), c.URL, redismm.Config{HeartbeatConfig: calm})
	must(t, err)
	t.Cleanup(func() { h.Close() })
	var all []core.Registration
	for i := range topics {
		all = append(all, registrations(topicOf(i), i*each, each)...)
	}
	must(t, h.Register(within(t), all...))
	masters := c.Servers[:3]
	before := make([]map[string]float64, 3)
	clients := make([]*redis.Client, 3)
	spent := make([]figures.Sample, 3)
	var took figures.Sample
	for i, m := range masters {
		clients[i] = m.Client()
	}
	must(t, h.SendHeartbeats(t.Context()))
	for range rounds() {
		for i := range masters {
			before[i] = info(t, clients[i], "cpu")
		}
		began := time.Now()
		must(t, h.SendHeartbeats(t.Context()))
		took = append(took, time.Since(began).Seconds())
		for i := range masters {
			after := info(t, clients[i], "cpu")
			spent[i] = append(spent[i], after["used_cpu_user"]+after["used_cpu_sys"]-before[i]["used_cpu_user"]-before[i]["used_cpu_sys"])
		}
	}
	table := p.Table(fmt.Sprintf("%d topics of %d hosts, a round of beats: %s", topics, each, page.Seconds(took.Median())), "master", "topics", "part of the topics", "CPU of a round", "part of the CPU")
	whole, here := 0.0, make([]int, 3)
	for i := range masters {
		whole += spent[i].Median()
		here[i] = held(t, clients[i], topics)
	}
	var most figures.Sample
	for i := range masters {
		part := float64(here[i]) / float64(topics)
		most = append(most, spent[i].Median()/whole/part)
		table.Row(fmt.Sprint(i+1), fmt.Sprint(here[i]), page.Number(100*part)+" %", page.Seconds(spent[i].Median()), page.Number(100*spent[i].Median()/whole)+" %")
	}
	_, largest := most.Spread()
	p.Judge("a master's part of the load beside its part of the topics: the largest of three", figures.Sample{largest}, " ×", figures.AtMost(1.25))
}

// held is how many of the topics a server keeps.
func held(t *testing.T, c *redis.Client, topics int) (n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	for i := range topics {
		if found, err := c.Exists(ctx, "mm:{"+topicOf(i)+"}").Result(); err == nil { // another server's is MOVED
			n += int(found)
		}
	}
	return n
}
