package history

import "time"

// tenure is one registration of one process, from when it is wanted until it is left or its process ends.
type tenure struct {
	process, instance string
	place
	asked   time.Duration
	valid   []*Event        // in order
	drained time.Duration   // wants no more work
	leaving time.Duration   // asked to leave
	left    time.Duration   // told that it has
	died    time.Duration   // its process ended, and it had not left
	lost    []time.Duration // told that a newer one holds the place
	living  []span          // was valid, as its process was told
	well    []span          // was valid, or only not so because nobody could reach the registry
}

// over is when it is not wanted any more.
func (t *tenure) over() time.Duration { return min(t.leaving, t.died) }

func (h *History) layRegistrants() {
	type key struct {
		process string
		place
	}
	open := make(map[key]*tenure)
	of := make(map[string][]*tenure)
	for i := range h.Events {
		e := &h.Events[i]
		at := place{e.Topic, e.Host}
		t := open[key{e.Process, at}]
		switch e.What {
		case Registering:
			if t != nil {
				t.leaving = min(t.leaving, e.At)
			}
			t = &tenure{process: e.Process, place: at, asked: e.At, drained: never, leaving: never, left: never, died: never}
			open[key{e.Process, at}] = t
			h.places[at] = append(h.places[at], t)
			h.topics[e.Topic] = append(h.topics[e.Topic], t)
			of[e.Process] = append(of[e.Process], t)
		case Ended:
			h.ended[e.Process] = e.At
			for _, t := range of[e.Process] {
				if t.left == never {
					t.died = e.At
				}
			}
		case Valid:
			if t == nil || t.instance != "" && t.instance != e.Instance {
				continue // of a registration before, whose answer came late
			}
			t.instance = e.Instance
			t.valid = append(t.valid, e)
			h.owners[e.Instance] = t
		case Superseded:
			if t != nil && t.instance == e.Instance {
				t.lost = append(t.lost, e.At)
			}
		case Draining:
			if t != nil {
				t.drained = min(t.drained, e.At)
			}
		case Leaving:
			if t != nil {
				t.leaving = min(t.leaving, e.At)
			}
		case Left:
			if t = h.owners[e.Instance]; t != nil {
				t.left = min(t.left, e.At)
				t.leaving = min(t.leaving, e.At)
			}
		}
	}
}

// rivals calls f for every other tenure of the place.
func (h *History) rivals(t *tenure, f func(*tenure)) {
	for _, o := range h.places[t.place] {
		if o != t {
			f(o)
		}
	}
}

// taken returns the first moment from from on at which a newer registration may have taken the place over, or
// taken it back.
func (h *History) taken(t *tenure, from time.Duration) time.Duration {
	first := never
	h.rivals(t, func(o *tenure) {
		if o.asked >= from && o.asked > t.asked {
			first = min(first, o.asked)
		}
		for _, v := range o.valid {
			if v.At >= from && o.instance > t.instance {
				first = min(first, v.At)
			}
		}
	})
	for _, at := range t.lost {
		if at >= from {
			first = min(first, at)
		}
	}
	return first
}

// living returns when the registration was valid, as its process was told.
func (h *History) living(t *tenure) []span {
	var all []span
	for _, v := range t.valid {
		s := span{v.At, min(v.Until, t.over(), h.taken(t, v.At))}
		if n := len(all); n > 0 && all[n-1].until >= s.from {
			all[n-1].until = max(all[n-1].until, s.until)
		} else if s.from < s.until {
			all = append(all, s)
		}
	}
	return all
}

// well returns when the registration was valid, or only not so because nobody could reach the registry.
func (h *History) well(t *tenure) []span {
	var all []span
	for _, s := range t.living {
		if n := len(all); n > 0 && h.excused(t, span{all[n-1].until, s.from}) {
			all[n-1].until = s.until
		} else {
			all = append(all, s)
		}
	}
	if n := len(all); n > 0 && all[n-1].until < t.over() && h.excused(t, span{all[n-1].until, h.end}) {
		all[n-1].until = min(t.over(), h.taken(t, all[n-1].until))
	}
	return all
}

// excused says whether a registration was not valid because of the registry, and nothing else.
func (h *History) excused(t *tenure, gap span) bool {
	before := span{gap.from - h.TTL, gap.until}
	if h.taken(t, before.from) <= gap.until {
		return false
	}
	everybody := false
	for _, f := range h.faults {
		if !f.meets(before) && f.from != before.from || !f.concerns(t.topic, t.process) {
			continue
		}
		if f.process != "" {
			return false
		}
		everybody = true
	}
	return everybody
}

// wellAt says whether somebody had the place, and was well, since before t.
func (h *History) wellAt(at place, since, t time.Duration) *tenure {
	for _, x := range h.places[at] {
		if x.asked > since || x.over() <= t {
			continue
		}
		for _, s := range x.well {
			if s.from <= since && t < s.until {
				return x
			}
		}
	}
	return nil
}
