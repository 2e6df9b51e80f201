package history

import (
	"time"

	"github.com/redismm/matchmaker/core"
)

// Timely: a registration whose process died, and stays dead, is held in every view, and picked by nobody while
// another is up, once it is dead for longer than a TTL, a sweep and a second; and is in no view a TTL and a
// sweep later. A bound that a fault of the registry or of the watcher touches counts from the end of the fault:
// what a sweeper or a watcher had seen by then may be lost. So does one that is touched by a time in which nobody
// swept, because who did died: its lease has to end before another sweeps. Lookups that ask the registry list who beat within
// a TTL, and nobody else.
func Timely(h *History) *Finding {
	f := h.finding("Timely")
	for _, all := range h.topics {
		for _, t := range all {
			if t.died < never && t.left == never && t.instance != "" {
				f.count("deaths", 1)
				h.followers(t.topic, func(w *watch) { h.timely(f, t, w) })
			}
		}
	}
	h.timelyPicks(f)
	h.exact(f)
	return f
}

func (h *History) timely(f *Finding, t *tenure, w *watch) {
	for _, bound := range []struct {
		what string
		by   time.Duration
		bad  func(spell) bool
	}{
		{"held", h.heldBy(), func(x spell) bool { return !x.Held }},
		{"gone", h.goneBy(), func(spell) bool { return true }},
	} {
		by := h.settled(max(t.died, w.from), bound.by, t.topic, w.process)
		if by >= w.until {
			continue
		}
		f.count(bound.what, 1)
		w.during(t.host, span{by, w.until}, func(x spell) {
			if x.Instance == t.instance && bound.bad(x) {
				f.broken(by, t.died-h.TTL, t.place, []string{w.process}, "%s shows %s, which died at %s and is to be %s since %s",
					w.process, x.Sight, clock(t.died), bound.what, clock(by))
			}
		})
	}
}

func (h *History) timelyPicks(f *Finding) {
	watches := make(map[[2]string]*watch)
	for i := range h.Events {
		e := &h.Events[i]
		switch e.What {
		case Watching:
			watches[[2]string{e.Process, e.Topic}] = nil
			for _, w := range h.watches {
				if w.process == e.Process && w.topic == e.Topic {
					watches[[2]string{e.Process, e.Topic}] = w
				}
			}
		case Picked:
			w, t := watches[[2]string{e.Process, e.Topic}], h.owners[e.Instance]
			if w == nil || t == nil {
				continue
			}
			f.count("picks", 1)
			if t.died == never || t.left < never || e.Asked <= h.settled(max(t.died, w.from), h.heldBy(), t.topic, w.process) {
				continue
			}
			f.count("picks of the dead", 1)
			for host := range w.spells {
				if s := w.at(host, e.At); s.Instance != "" && s.State == core.Up && !s.Held {
					f.broken(e.At, t.died, t.place, []string{w.process}, "%s picked %s, which died at %s, and %s is up", e.Process, e.Host, clock(t.died), host)
					break
				}
			}
		}
	}
}

// exact checks the lookups that ask the registry.
func (h *History) exact(f *Finding) {
	type claim struct {
		t *tenure
		span
	}
	listed := make(map[string][]claim) // by topic: who is to be listed, when
	for topic, all := range h.topics {
		for _, t := range all {
			for _, s := range t.living {
				for _, calm := range s.minus(h.troubles(h.grace(), topic, t.process)) {
					listed[topic] = append(listed[topic], claim{t, calm})
				}
			}
		}
	}
	for i := range h.Events {
		e := &h.Events[i]
		if e.What != Read {
			continue
		}
		f.count("reads", 1)
		found := make(map[string]string, len(e.Changes))
		for _, s := range e.Changes {
			found[s.Host] = s.Instance
			h.notDead(f, e, s)
		}
		if e.Answer == Unavailable {
			f.count("reads that could not tell", 1)
			continue
		}
		for _, c := range listed[e.Topic] {
			if c.from >= e.Asked || e.At >= c.until {
				continue
			}
			f.count("read", 1)
			if found[c.t.host] != c.t.instance {
				f.broken(e.At, e.At-h.TTL, c.t.place, []string{e.Process}, "a lookup that asked the registry answered %s for %s, and %s of %s is valid",
					short(found[c.t.host]), c.t.host, short(c.t.instance), c.t.process)
			}
		}
	}
}

// notDead: nobody is listed whose last beat is a TTL ago.
func (h *History) notDead(f *Finding, e *Event, s Sight) {
	t := h.owners[s.Instance]
	if t == nil || t.died == never {
		return
	}
	f.count("listed of those that died", 1)
	if by := h.settled(t.died, h.TTL, t.topic, t.process); e.Asked > by {
		f.broken(e.At, t.died-h.TTL, t.place, []string{e.Process}, "a lookup that asked the registry listed %s, which died at %s", s, clock(t.died))
	}
}
