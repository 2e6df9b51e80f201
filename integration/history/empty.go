package history

import (
	"slices"
	"time"
)

// NeverWronglyEmpty: no view turns to nobody while one that it showed is well, and a lookup finds somebody while
// the view shows somebody. A lookup without memory, in a registry that lost everything, is told that the topic was
// never heard of or that nobody can tell, not that nobody is there. It cannot be told so where the registry
// lost the liveness of single hosts only, nor where it went back to a copy from before they came, which is whole; nor
// while it is split, when each side answers by what it was told.
func NeverWronglyEmpty(h *History) *Finding {
	f := h.finding("NeverWronglyEmpty")
	for _, w := range h.watches {
		f.count("views", len(w.views))
		for _, e := range w.views {
			if e.Number == 0 {
				f.count("empty views", 1)
				h.emptied(f, w, e)
			}
		}
	}
	for i := range h.Events {
		switch e := &h.Events[i]; e.What {
		case Picked:
			f.count("picks", 1)
			if e.Answer == "" {
				continue
			}
			f.count("picks of nobody", 1)
			for _, w := range h.watches {
				if w.process == e.Process && w.topic == e.Topic {
					h.pickedNobody(f, w, e)
				}
			}
		case Read:
			h.freshRead(f, e)
		}
	}
	return f
}

// emptied checks that nobody whom an empty view dropped is well.
func (h *History) emptied(f *Finding, w *watch, e *Event) {
	for _, c := range e.Changes {
		if t := h.wellAt(place{w.topic, c.Host}, e.At-time.Second, e.At); t != nil {
			f.broken(e.At, e.At-h.goneBy(), t.place, []string{w.process}, "%s shows nobody any more, and %s of %s is well", w.process, c.Host, t.process)
			return
		}
	}
}

// pickedNobody checks that the view showed nobody.
func (h *History) pickedNobody(f *Finding, w *watch, e *Event) {
	for _, host := range w.order {
		for _, x := range w.spells[host] {
			if !x.absent() && x.from < e.Asked && e.At < x.until {
				f.broken(e.At, x.from, place{w.topic, host}, []string{w.process}, "%s picked nobody, %s, and its view shows %s", w.process, e.Answer, x.Sight)
				return
			}
		}
	}
}

func (h *History) freshRead(f *Finding, e *Event) {
	f.count("fresh reads", 1)
	switch e.Answer {
	case Unknown:
		f.count("told never heard of", 1)
	case Unavailable:
		f.count("told cannot tell", 1)
	case NoHosts:
		f.count("told nobody is there", 1)
		if h.split(span{e.Asked, e.At + 1}) {
			f.count("told so while split", 1)
			return
		}
		for _, t := range h.topics[e.Topic] {
			for _, v := range t.valid {
				until := min(v.Until, t.over(), h.taken(t, v.At))
				if v.At < e.Asked && e.At < until && !h.forgot(t, v.At, e.At) {
					f.broken(e.At, v.At, t.place, []string{e.Process}, "a lookup that asked the registry was told that nobody is there, and %s of %s is valid",
						t.host, t.process)
				}
			}
		}
	}
}

// forgot says whether the registry lost the liveness of one host, or went back to a copy that is without it.
func (h *History) forgot(t *tenure, from, until time.Duration) bool {
	for _, l := range h.losses {
		if l.until < from || l.until > until || !l.concerns(t.topic, t.host) {
			continue
		}
		if l.host != "" || !l.all && h.without(l, t, from, until) {
			return true
		}
	}
	return false
}

// without says whether a copy to which the registry went back does not have a registration that was told since a
// moment: it came later than the copy, or the copy was made when it was lost, or is so old that it has lapsed in it.
func (h *History) without(copied *loss, t *tenure, from, until time.Duration) bool {
	if from > copied.from || until > h.toldBefore(copied.from, t)+h.TTL {
		return true
	}
	return slices.ContainsFunc(h.losses, func(l *loss) bool {
		return l.concerns(t.topic, t.host) && from <= l.until && l.until <= copied.from
	})
}

// toldBefore returns since when a registration has surely been told before a moment: an interval ago, or before what
// then kept its beats away.
func (h *History) toldBefore(at time.Duration, t *tenure) time.Duration {
	told := at - h.Freq
	for _, s := range slices.Backward(h.troubles(time.Second, t.topic, t.process)) {
		if s.from < at && s.until > told {
			told = min(told, s.from-h.Freq)
		}
	}
	return told
}
