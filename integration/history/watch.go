package history

import "time"

// watch is what one process saw of one topic.
type watch struct {
	span
	process, topic string
	views          []*Event
	spells         map[string][]spell // by host, from when it was first shown
	order          []string           // of spells
}

// spell is a time in which a host was shown alike, or not at all.
type spell struct {
	span
	Sight
	of *Event // the view that began it
}

func (s *spell) absent() bool { return s.Instance == "" }

func (h *History) layWatches() {
	type key struct{ process, topic string }
	open := make(map[key]*watch)
	for i := range h.Events {
		e := &h.Events[i]
		k := key{e.Process, e.Topic}
		switch e.What {
		case Watching:
			w := &watch{span: span{e.At, never}, process: e.Process, topic: e.Topic, spells: make(map[string][]spell)}
			open[k] = w
			h.watches = append(h.watches, w)
		case Seen:
			if w := open[k]; w != nil {
				w.see(e)
			}
		}
	}
	for _, w := range h.watches {
		w.until = h.end
		if ended, ok := h.ended[w.process]; ok {
			w.until = ended
		}
	}
}

func (w *watch) see(e *Event) {
	w.views = append(w.views, e)
	for _, c := range e.Changes {
		all := w.spells[c.Host]
		if n := len(all); n > 0 {
			all[n-1].until = e.At
		} else {
			w.order = append(w.order, c.Host)
		}
		w.spells[c.Host] = append(all, spell{span{e.At, never}, c, e})
	}
}

// during calls f for each spell of a host that meets s, and for the time before it was first shown.
func (w *watch) during(host string, s span, f func(spell)) {
	all := w.spells[host]
	first := never
	if len(all) > 0 {
		first = all[0].from
	}
	if unseen := (span{w.from, first}); unseen.meets(s) {
		f(spell{span: unseen, Sight: Sight{Host: host}})
	}
	for _, x := range all {
		if x.meets(s) && x.from < x.until {
			f(x)
		}
	}
}

// at returns what was shown of a host at a moment.
func (w *watch) at(host string, t time.Duration) Sight {
	now := Sight{Host: host}
	for _, x := range w.spells[host] {
		if x.from > t {
			break
		}
		now = x.Sight
	}
	return now
}
