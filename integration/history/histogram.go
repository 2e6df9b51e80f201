package history

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Histogram is how long something took, each time.
type Histogram struct {
	What   string
	Bound  time.Duration // of those from the moment that it counts from; 0 for none
	Delays []time.Duration
}

// Quantile returns the delay that a part of all is not over.
func (d *Histogram) Quantile(part float64) time.Duration {
	if len(d.Delays) == 0 {
		return 0
	}
	slices.Sort(d.Delays)
	return d.Delays[min(len(d.Delays)-1, int(part*float64(len(d.Delays))))]
}

// columns is how many bars a histogram has, and widest how long the longest is.
const (
	columns = 12
	widest  = 40
)

func (d *Histogram) String() string {
	if len(d.Delays) == 0 {
		return d.What + ": none\n"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %d, p50 %s, p99 %s, max %s", d.What, len(d.Delays), tenth(d.Quantile(0.5)), tenth(d.Quantile(0.99)), tenth(d.Quantile(1)))
	if d.Bound > 0 {
		fmt.Fprintf(&text, ", bound %s", d.Bound)
	}
	text.WriteByte('\n')
	least, most := d.Quantile(0), d.Quantile(1)
	step := max((most-least)/columns+1, time.Millisecond)
	bars := make([]int, columns)
	for _, x := range d.Delays {
		bars[min(columns-1, int((x-least)/step))]++
	}
	for i, n := range bars {
		from := least + time.Duration(i)*step
		if from > most {
			break
		}
		fmt.Fprintf(&text, "  from %7s %6d %s\n", tenth(from), n, strings.Repeat("#", (n*widest+slices.Max(bars)-1)/slices.Max(bars)))
	}
	return text.String()
}

func tenth(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }

// Deaths measures, over every process that died without leaving and every watcher that showed its registration
// then, how long it took until the registration was held, and until it was in the view no more: since the
// process died, and since its last acknowledged beat. Deaths that a fault touched are left out: the bounds do
// not count through one.
func Deaths(h *History) []*Histogram {
	held := &Histogram{What: "from death to held", Bound: h.heldBy()}
	gone := &Histogram{What: "from death to gone", Bound: h.goneBy()}
	heldSince := &Histogram{What: "from the last beat to held"}
	goneSince := &Histogram{What: "from the last beat to gone"}
	for _, all := range h.topics {
		for _, t := range all {
			if t.died == never || len(t.valid) == 0 {
				continue
			}
			beat := t.valid[len(t.valid)-1].Last
			h.followers(t.topic, func(w *watch) {
				if w.at(t.host, t.died).Instance != t.instance || h.settled(t.died, h.goneBy(), t.topic, w.process) > later(t.died, h.goneBy()) {
					return
				}
				toHeld, toGone, over := never, never, never
				w.during(t.host, span{t.died, w.until}, func(x spell) {
					if x.Instance == t.instance && x.Held && x.from >= t.died {
						toHeld = min(toHeld, x.from)
					}
					if x.Instance != t.instance && over == never {
						over = x.from
						if x.absent() {
							toGone = x.from
						}
					}
				})
				if toHeld < min(over, w.until) {
					held.Delays, heldSince.Delays = append(held.Delays, toHeld-t.died), append(heldSince.Delays, toHeld-beat)
					if toGone < w.until {
						gone.Delays, goneSince.Delays = append(gone.Delays, toGone-t.died), append(goneSince.Delays, toGone-beat)
					}
				}
			})
		}
	}
	return []*Histogram{held, heldSince, gone, goneSince}
}
