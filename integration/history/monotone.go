package history

import "time"

// Monotone: no view that has shown an instance of a host turns to an older one while the newer is registered,
// or held there. The newer is registered while it is well; it is held for a TTL from when it lapsed, unless it
// left.
func Monotone(h *History) *Finding {
	f := h.finding("Monotone")
	for _, w := range h.watches {
		for _, host := range w.order {
			h.monotone(f, w, host)
		}
	}
	return f
}

func (h *History) monotone(f *Finding, w *watch, host string) {
	var newest, last string
	for _, x := range w.spells[host] {
		if x.Instance == "" || x.Instance == last {
			last = x.Instance
			continue
		}
		f.count("turns", 1)
		if t := h.owners[newest]; x.Instance < newest && t != nil {
			f.count("turns to an older", 1)
			switch {
			case h.wellAt(t.place, x.from, x.from) == t:
				f.broken(x.from, t.asked, t.place, []string{w.process}, "%s turned to the older %s, and %s of %s is registered",
					w.process, x.Sight, short(newest), t.process)
			case last == newest && t.leaving > x.from && x.from < h.lapsed(t, x.from)+h.TTL-time.Second:
				f.broken(x.from, t.asked, t.place, []string{w.process}, "%s turned to the older %s, and %s of %s, which lapsed at %s, is to be held",
					w.process, x.Sight, short(newest), t.process, clock(h.lapsed(t, x.from)))
			}
		}
		newest, last = max(newest, x.Instance), x.Instance
	}
}

// lapsed returns when the registry last had a registration, as seen at a moment.
func (h *History) lapsed(t *tenure, at time.Duration) time.Duration {
	var lapsed, told time.Duration
	for _, v := range t.valid {
		if v.At <= at {
			lapsed, told = v.Until, v.Last
		}
	}
	for _, l := range h.losses {
		if l.until >= told && l.until <= at && l.concerns(t.topic, t.host) {
			lapsed = min(lapsed, l.until)
		}
	}
	return lapsed
}

// Fenced: who was told that it has left is never listed by the registry again, and comes back into no view that
// it is gone from; and nobody is removed or overwritten but by a newer registration: a registration that has
// not lapsed, in a registry that lost nothing and is not split, is known to it at its next beat. A leave that the registry forgot,
// because it went back to a copy, may show for a TTL, and in views until who died then would be gone.
func Fenced(h *History) *Finding {
	f := h.finding("Fenced")
	for _, all := range h.topics {
		for _, t := range all {
			h.fencedBeats(f, t)
			if t.left < never {
				f.count("departed", 1)
				h.followers(t.topic, func(w *watch) { h.fencedViews(f, t, w) })
			}
			if len(t.lost) > 0 {
				f.count("superseded", 1)
			}
		}
	}
	for i := range h.Events {
		e := &h.Events[i]
		if e.What != Read {
			continue
		}
		for _, s := range e.Changes {
			f.count("listed", 1)
			if t := h.owners[s.Instance]; t != nil && e.Asked > h.departed(t, h.TTL) {
				f.broken(e.At, t.leaving, t.place, []string{e.Process}, "a lookup that asked the registry listed %s, which left at %s", s, clock(t.left))
			}
		}
	}
	return f
}

// departed returns from when on a registration that left is not known to the registry: after it went back to a
// copy from before the leave, after a while.
func (h *History) departed(t *tenure, while time.Duration) time.Duration {
	from := t.left
	for _, l := range h.losses {
		if !l.all && l.from <= t.left && t.leaving <= l.until {
			from = max(from, l.until+while)
		}
	}
	return from
}

func (h *History) fencedViews(f *Finding, t *tenure, w *watch) {
	var was string
	for _, x := range w.spells[t.host] {
		if x.Instance == t.instance && was != t.instance && x.from > h.departed(t, h.goneBy()) {
			for range h.sees(w, span{x.from, x.from + 1}) {
				f.broken(x.from, t.leaving, t.place, []string{w.process}, "%s shows %s again, which left at %s", w.process, x.Sight, clock(t.left))
			}
		}
		was = x.Instance
	}
}

func (h *History) fencedBeats(f *Finding, t *tenure) {
	for i, v := range t.valid {
		if i == 0 {
			continue
		}
		f.count("recoveries", 1)
		was := t.valid[i-1]
		if !v.Anew || v.At > was.Until || h.taken(t, was.Last) <= v.At || h.lapsed(t, v.At-1) < was.Until || h.split(span{was.Last, v.At + 1}) {
			continue
		}
		f.broken(v.At, was.Last, t.place, nil, "the registry did not know %s of %s, which had not lapsed; nothing was lost and nobody newer came",
			t.topic+"."+t.host, t.process)
	}
}
