package faults

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

var soak = flag.Duration("soak", 0, "bring random faults about for so `long`, over 1,000 hosts in 20 processes")

// crowd is the world of a soak.
var crowd = size{registrants: 20, hosts: 50, watchers: 3, pick: 250 * time.Millisecond, read: 2 * time.Second}

// TestSoak brings faults about, one after the other as the seed draws them, in one world whose history is judged
// at the end. The seed draws the topology too.
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Skip("takes as long as it is told: make soak MINUTES=30")
	}
	of := rand.New(rand.NewPCG(*seed, 2))
	c := cell{fault: fault{name: "soak", options: append([]string{"user mm on >secret ~* &* +@all"}, proxied...)},
		topology: everywhere[of.IntN(len(everywhere))], ttl: 5 * time.Second, seed: *seed}
	began := time.Now()
	on := c.servers(t)
	w := newWorld(t, on, on.As("mm", "secret"), core.HeartbeatConfig{Freq: c.ttl / 3, TTL: c.ttl}, c.seed)
	w.populate(crowd)
	w.whole()
	n := 0
	for ; time.Since(began) < *soak; n++ {
		f := w.draw(c.topology)
		t.Logf("%s: %s", time.Since(began).Round(time.Second), f.name)
		f.do(w)
		w.lasts(w.grace() + w.between(0, w.goneBy()))
		w.replenish(crowd)
		w.lasts(w.grace() + w.between(0, w.beat.TTL))
	}
	w.after()
	w.quiet()
	w.whole()
	h := w.close()
	r := &result{cell: c, proof: fmt.Sprintf("%d faults against %s", n, c.topology), took: time.Since(began), events: len(h.Events)}
	r.judge(t, h, w.budget(crowd))
}

// draw returns a fault that needs no servers of its own.
func (w *world) draw(topology string) fault {
	all := slices.DeleteFunc(everyFault(), func(f fault) bool {
		return f.do == nil || f.absent || f.builds != nil || f.out[topology] != "" ||
			strings.Contains(f.name, "the primary") || strings.Contains(f.name, "lagging") // for which servers that come back are waited for
	})
	return all[w.IntN(len(all))]
}

// replenish starts processes for the hosts of those that died or left, and ends those that came in their place.
func (w *world) replenish(s size) {
	w.Helper()
	var kept []*process
	have := make(map[Place]bool)
	for _, p := range slices.Clone(w.registrants) {
		if strings.HasPrefix(p.places[len(p.places)-1].Host, "late") {
			w.finish(p)
			continue
		}
		kept = append(kept, p)
		for _, at := range p.places {
			have[at] = true
		}
	}
	var missing []Place
	for n := range s.registrants * s.hosts {
		if at := w.place(n); !have[at] {
			missing = append(missing, at)
		}
	}
	for wanted := s.registrants - len(kept); wanted > 0 && len(missing) > wanted; wanted-- {
		share := len(missing) / wanted
		w.replace(missing[:share])
		missing = missing[share:]
	}
}
