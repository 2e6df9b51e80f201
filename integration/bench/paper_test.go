package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/redismm/matchmaker/integration/bench/page"
)

var paperPart = part{"paper", "On paper: a million hosts and ten thousand watchers", `Not measured. What the figures above come to, by the laws that were fitted, for an interval of 5 s; topics of 1,000 hosts; each host
a process of its own, that beats alone; 10,000 watchers, each of one topic; and of every host a join and a leave a day. One server is taken to be filled by half of a core.`, paper}

// costs are what other parts measured: seconds of CPU, and bytes.
var costs struct {
	alone       float64 // of Redis, for a beat of a process of one host
	aloneBytes  float64 // of network, both ways
	watch       float64 // of Redis, for a watcher and interval
	told, heard float64 // of Redis, and of a watcher, for a change and watcher
	memory      float64 // of Redis, for a registration
	process     float64 // of Redis, for a connection
}

func paper(t *testing.T, p *page.Part) {
	if costs.alone == 0 || costs.watch == 0 || costs.told == 0 || costs.memory == 0 {
		p.Note("The parts that measure what this needs were not run.")
		return
	}
	const hosts, watching, freq, each = 1e6, 1e4, 5.0, 1000
	day := (24 * time.Hour).Seconds()
	beats, polls := hosts/freq, watching/freq
	changes := 2 * hosts / day
	told := changes * watching * each / hosts // every change is told to the watchers of its topic
	cpu := beats*costs.alone + polls*costs.watch + told*costs.told
	table := p.Table("In a second:", "what", "how many", "CPU of Redis")
	table.Row("beats of hosts", page.Number(beats), page.Seconds(beats*costs.alone))
	table.Row("polls of watchers", page.Number(polls), page.Seconds(polls*costs.watch))
	table.Row("changes, told to the 10 watchers of each topic", page.Number(told), page.Seconds(told*costs.told))
	table.Row("in all", "", page.Seconds(cpu))
	shards := max(1, cpu/0.5)
	need := p.Table("What it needs:", "what", "how much")
	need.Row("servers (masters of a cluster), each at half of a core", fmt.Sprintf("%.0f", shards+0.5))
	need.Row("memory of all, registrations", page.Bytes(hosts*costs.memory))
	need.Row("memory of all, connections of hosts and watchers", page.Bytes((hosts+2*watching)*costs.process))
	need.Row("network of all, in a second", page.Bytes(beats*costs.aloneBytes+told*600))
	need.Row("CPU of a watcher, in a second", page.Seconds(told/watching*costs.heard))
}
