package history

import (
	"cmp"
	"slices"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Converged: one heartbeat and a second after the last fault of the registry, of a registrant and of a watcher
// ended, the view shows the registrant, not held, as the instance and in the state that its process wants; and does so until the
// next fault. The same holds after a registrant began. A registration that left is not shown from a heartbeat
// and a second after it was told so; if a fault kept the watcher from hearing of it, the tombstone may be gone
// when it ends, and the watcher holds whom it missed, as it does with any other who is absent without a word.
//
// Who died is not part of it: it is shown, held, until its time is over, and so is a newer registration whose
// place an older takes again. When nothing at all has happened for as long as that takes, all views of a topic
// are the same, and show exactly those who live.
func Converged(h *History) *Finding {
	f := h.finding("Converged")
	for _, all := range h.topics {
		for _, t := range all {
			for _, s := range h.due(t) {
				h.followers(t.topic, func(w *watch) { h.shown(f, t, w, s) })
			}
			if t.left < never && t.instance != "" {
				h.followers(t.topic, func(w *watch) { h.unshown(f, t, w) })
			}
		}
	}
	h.same(f)
	return f
}

// due returns when a registration is to be known to everybody with whom nothing is wrong.
func (h *History) due(t *tenure) []span {
	return span{later(t.asked, h.grace()), min(t.over(), h.end)}.minus(h.troubles(h.grace(), t.topic, t.process))
}

// outranked returns when a watcher may show, or hold, a newer registration of the place.
func (h *History) outranked(t *tenure, w *watch) []span {
	var all []span
	h.rivals(t, func(o *tenure) {
		if o.asked > t.asked {
			end := o.over()
			if o.left < never {
				end = o.left
			}
			all = append(all, span{o.asked, h.settled(end, h.goneBy(), t.topic, t.process, w.process)})
		}
	})
	return all
}

func (h *History) shown(f *Finding, t *tenure, w *watch, due span) {
	var seen []span
	outranked := h.outranked(t, w)
	for _, s := range h.sees(w, due) {
		seen = append(seen, s.minus(outranked)...)
	}
	seen = h.apart(seen, t.drained)
	for _, s := range seen {
		f.count("pairs", 1)
		if s.from > later(t.asked, h.grace()) && s.from > later(w.from, h.grace()) {
			f.count("convergences", 1)
		}
		w.during(t.host, s, func(x spell) {
			if t.instance == "" || x.Instance != t.instance || x.Held || x.State != t.state(s.from) {
				f.broken(max(x.from, s.from), s.from-2*h.grace(), t.place, []string{w.process}, "%s shows %s, and %s of %s is registered, %s, since %s without trouble",
					w.process, x.Sight, short(t.instance), t.process, t.state(s.from), clock(s.from))
			}
		})
	}
}

// apart cuts what comes before a change apart from what comes when everybody is to know it.
func (h *History) apart(all []span, change time.Duration) []span {
	var cut []span
	for _, s := range all {
		cut = append(cut, s.minus([]span{{change, later(change, h.grace())}})...)
	}
	return cut
}

func (t *tenure) state(at time.Duration) core.State {
	if at >= t.drained {
		return core.Draining
	}
	return core.Up
}

func (h *History) unshown(f *Finding, t *tenure, w *watch) {
	by := later(max(t.left, w.from), h.grace())
	if settled := h.settled(t.left, h.grace(), t.topic, w.process); settled > by {
		by = h.settled(t.left, h.goneBy(), t.topic, w.process)
	}
	if by >= w.until {
		return
	}
	f.count("leaves", 1)
	w.during(t.host, span{by, w.until}, func(x spell) {
		if x.Instance == t.instance {
			f.broken(by, t.leaving, t.place, []string{w.process}, "%s shows %s, which left at %s", w.process, x.Sight, clock(t.left))
		}
	})
}

// same compares all views with the truth at the end of every time in which nothing happened for long enough.
func (h *History) same(f *Finding) {
	calm := later(h.goneBy(), 2*h.Freq)
	var last time.Duration
	open := 0
	for i := range h.Events {
		e := &h.Events[i]
		switch e.What {
		case Registering, Draining, Leaving, Left, Ended, Fault, Mended, Lost, Watching:
			if e.At-last > calm && open == 0 {
				h.sameAt(f, e.At-1)
			}
			last = e.At
		}
		switch e.What {
		case Fault, Unswept, Split:
			open++
		case Mended:
			open--
		}
	}
	if h.end-last > calm && open == 0 {
		h.sameAt(f, h.end-1)
	}
}

func (h *History) sameAt(f *Finding, at time.Duration) {
	f.count("quiet times", 1)
	truth := make(map[place]*tenure)
	for _, all := range h.topics {
		for _, t := range all {
			if t.asked <= at && t.over() > at {
				if old := truth[t.place]; old == nil || cmp.Less(old.asked, t.asked) {
					truth[t.place] = t
				}
			}
		}
	}
	for _, w := range h.watches {
		if at < w.from || at >= w.until {
			continue
		}
		f.count("views compared", 1)
		hosts := slices.Clone(w.order)
		for p := range truth {
			if p.topic == w.topic && w.spells[p.host] == nil {
				hosts = append(hosts, p.host)
			}
		}
		for _, host := range hosts {
			s, t := w.at(host, at), truth[place{w.topic, host}]
			if want := instanceOf(t); s.Instance != want || s.Held {
				f.broken(at, at-2*h.goneBy(), place{w.topic, host}, []string{w.process}, "nothing happened for long, and %s shows %s, want %s", w.process, s, short(want))
			}
		}
	}
}

func instanceOf(t *tenure) string {
	if t == nil {
		return ""
	}
	return cmp.Or(t.instance, "somebody who was never told that it is registered")
}
