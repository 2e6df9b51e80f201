package history

import "time"

// Promise checks one promise over a history.
type Promise func(h *History) *Finding

// Promises are all that need no budget.
var Promises = []Promise{Complete, Timely, NoFlap, Monotone, Fenced, NeverWronglyEmpty, Converged}

func (h *History) finding(promise string) *Finding { return &Finding{Promise: promise, history: h} }

// sees returns when a watcher could know all that the registry knows: since one grace after it began and after
// the last trouble.
func (h *History) sees(w *watch, s span) []span {
	return s.within(span{later(w.from, h.grace()), w.until}).minus(h.troubles(h.grace(), w.topic, w.process))
}

// followers calls f for every watch of a topic.
func (h *History) followers(topic string, f func(*watch)) {
	for _, w := range h.watches {
		if w.topic == topic {
			f(w)
		}
	}
}

// Complete: a host that beat for longer than a TTL and a sweep, while nothing was wrong between it and the
// registry, is in every view of a watcher with which nothing was wrong, held or not. And a registration whose
// process lives does not lapse unless something is wrong.
func Complete(h *History) *Finding {
	f := h.finding("Complete")
	for _, all := range h.topics {
		for _, t := range all {
			h.complete(f, t)
		}
	}
	return f
}

func (h *History) complete(f *Finding, t *tenure) {
	for _, s := range t.well {
		f.count("registrations", 1)
		if s.until < min(t.over(), h.taken(t, s.from), h.end-h.grace()) && !h.hurt(t, span{s.until - h.TTL, s.until}) {
			f.broken(s.until, s.from, t.place, nil, "%s lapsed, its process %s lives, and nothing was wrong", t.topic+"."+t.host, t.process)
		}
	}
	for _, s := range t.living {
		for _, calm := range s.minus(h.troubles(0, t.topic, t.process)) {
			calm.from += h.TTL + h.Freq
			if calm.from < calm.until {
				h.followers(t.topic, func(w *watch) { h.completeIn(f, t, w, calm) })
			}
		}
	}
}

// hurt says whether something was wrong between a registration and the registry.
func (h *History) hurt(t *tenure, s span) bool {
	for _, trouble := range h.troubles(1, t.topic, t.process) {
		if trouble.meets(s) {
			return true
		}
	}
	return false
}

func (h *History) completeIn(f *Finding, t *tenure, w *watch, calm span) {
	for _, sees := range h.sees(w, calm) {
		f.count("pairs", 1)
		w.during(t.host, sees, func(x spell) {
			if x.absent() {
				f.broken(max(x.from, sees.from), t.asked, t.place, []string{w.process}, "%s does not show %s of %s, which beats since %s",
					w.process, t.host, t.process, clock(t.valid[0].At))
			}
		})
	}
}

// NoFlap: a host that never missed its TTL is never absent from a view that has shown it. Who could not beat
// because nobody could reach the registry has not missed it. A second is for a join under way when a view
// showed that an older registration left.
func NoFlap(h *History) *Finding {
	f := h.finding("NoFlap")
	for _, w := range h.watches {
		f.count("views", len(w.views))
		for _, host := range w.order {
			h.noFlap(f, w, place{w.topic, host})
		}
	}
	return f
}

func (h *History) noFlap(f *Finding, w *watch, at place) {
	for _, x := range w.spells[at.host] {
		switch {
		case x.absent():
			f.count("absences", 1)
			if t := h.wellAt(at, x.from-time.Second, x.from); t != nil {
				f.broken(x.from, max(t.valid[0].At, x.from-h.goneBy()), at, []string{w.process}, "%s does not show %s any more; %s keeps it and never missed its TTL",
					w.process, at.host, t.process)
			}
		case x.Held:
			f.count("holds", 1)
			if h.wellAt(at, x.from, x.from) != nil {
				f.count("holds of the living", 1)
			}
		}
	}
}
