package history

import "time"

// Convergences measures, over every registration and watcher with which something had been wrong, how long after
// it ended the view showed what it was to show, and went on to until it had to.
func Convergences(h *History) *Histogram {
	d := &Histogram{What: "from the end of a fault to the truth", Bound: h.grace()}
	for _, all := range h.topics {
		for _, t := range all {
			due := h.due(t)
			h.followers(t.topic, func(w *watch) {
				outranked := h.outranked(t, w)
				for _, s := range due {
					for _, seen := range h.sees(w, s) {
						from := seen.from - h.grace()
						if from <= t.asked || from <= w.from || len(seen.minus(outranked)) == 0 || seen.minus(outranked)[0] != seen {
							continue
						}
						d.Delays = append(d.Delays, h.wrongUntil(t, w, span{from, seen.from})-from)
					}
				}
			})
		}
	}
	return d
}

// wrongUntil returns when a view showed a registration otherwise than it was last, within a time.
func (h *History) wrongUntil(t *tenure, w *watch, s span) time.Duration {
	last := s.from
	w.during(t.host, s, func(x spell) {
		if x.Instance != t.instance || x.Held || x.State != t.state(s.from) {
			last = min(x.until, s.until)
		}
	})
	return last
}

// Departures measures how long after a process was told that a registration had left each view showed it no more.
// Those that a fault touched are left out.
func Departures(h *History) *Histogram {
	d := &Histogram{What: "from leaving to gone", Bound: h.grace()}
	for _, all := range h.topics {
		for _, t := range all {
			if t.left == never || t.instance == "" {
				continue
			}
			h.followers(t.topic, func(w *watch) {
				if t.left < w.from || h.settled(t.left, h.grace(), t.topic, w.process) > later(t.left, h.grace()) {
					return
				}
				last := t.left
				w.during(t.host, span{t.left, later(t.left, h.grace())}, func(x spell) {
					if x.Instance == t.instance {
						last = min(x.until, later(t.left, h.grace()))
					}
				})
				d.Delays = append(d.Delays, last-t.left)
			})
		}
	}
	return d
}

// Excused returns how long something of a name was wrong with each process, all together, and how often.
func (h *History) Excused(name string) (n int, all time.Duration) {
	for _, f := range h.faults {
		if f.name == name && f.until != never {
			n, all = n+1, all+f.until-f.from
		}
	}
	return n, all
}
