package faults

import (
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

var soak = flag.Duration("soak", 0, "bring random faults about for so `long`, over 1,000 hosts in 20 processes")

// crowd is the world of a soak.
var crowd = size{registrants: 20, hosts: 50, watchers: 3, pick: 250 * time.Millisecond, read: 2 * time.Second}

// TestSoak brings faults about, one after the other as the seed draws them, in one world for each topology whose
// history is judged at the end. Each has a third of the time.
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Skip("takes as long as it is told: make soak MINUTES=30")
	}
	for i, topology := range everywhere {
		t.Run(topology, func(t *testing.T) {
			cell{fault: fault{name: "soak", options: append([]string{"user mm on >secret ~* &* +@all"}, proxied...)},
				topology: topology, ttl: 5 * time.Second, seed: *seed + uint64(i)<<32}.soak(t, *soak/time.Duration(len(everywhere)))
		})
	}
}

func (c cell) soak(t *testing.T, long time.Duration) {
	began := time.Now()
	on := c.servers(t)
	w := newWorld(t, on, on.As("mm", "secret"), core.HeartbeatConfig{Freq: c.ttl / 3, TTL: c.ttl}, c.seed)
	w.populate(crowd)
	w.whole()
	goroutines := w.goroutines()
	drawn := make(map[string]int)
	for time.Since(began) < long {
		f := w.draw(c.topology)
		t.Logf("%s: %s", time.Since(began).Round(time.Second), f.name)
		drawn[f.name]++
		f.do(w)
		w.lasts(w.grace() + w.between(0, w.goneBy()))
		w.replenish(crowd)
		w.lasts(w.grace() + w.between(0, w.beat.TTL))
	}
	w.after()
	w.quiet()
	w.whole()
	w.lasts(time.Minute + 3*time.Second) // what is sent at rest is judged over a minute
	for name, n := range w.goroutines() {
		if n > goroutines[name]+10 {
			t.Errorf("%s has %d goroutines, %d before the first fault", name, n, goroutines[name])
		}
	}
	h := w.close()
	if *histories != "" {
		w.keep(h, filepath.Join(*histories, "soak_"+c.topology))
	}
	r := &result{cell: c, proof: told(drawn), took: time.Since(began), events: len(h.Events)}
	r.judge(t, h, w.budget(crowd))
	if bounded := r.findings[len(r.findings)-1]; bounded.Counted("minutes at rest") == 0 {
		t.Error("no minute was at rest")
	}
	note(r)
}

// told says how often each fault was drawn.
func told(drawn map[string]int) string {
	var all []string
	for _, f := range everyFault() {
		if n := drawn[f.name]; n > 0 {
			all = append(all, fmt.Sprintf("%d × %s", n, f.name))
		}
	}
	return strings.Join(all, "; ")
}

// goroutines are those of each watcher.
func (w *world) goroutines() map[string]int {
	w.Helper()
	all := make(map[string]int)
	for _, p := range w.watchers {
		all[p.name] = w.notes(p).Goroutines
	}
	return all
}

// draw returns a fault that needs no servers of its own, and after which the bounds are what they were before.
func (w *world) draw(topology string) fault {
	all := slices.DeleteFunc(everyFault(), func(f fault) bool {
		return f.do == nil || f.absent || f.builds != nil || f.out[topology] != "" || f.name == "replies delayed" ||
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
