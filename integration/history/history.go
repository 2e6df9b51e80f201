package history

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// History is what happened, in order, laid out for the promises. A sweep comes each Freq.
type History struct {
	Freq, TTL time.Duration
	// Delay is how much later than usual each reply of the registry, and each message, came; 0 for not. Bounds are
	// longer by what the exchanges take that come one after the other within them.
	Delay  time.Duration
	Events []Event

	end     time.Duration
	places  map[place][]*tenure
	topics  map[string][]*tenure
	owners  map[string]*tenure // by instance
	watches []*watch
	faults  []*fault
	losses  []*loss
	unswept []*fault
	splits  []*fault
	ended   map[string]time.Duration // processes
	known   sync.Map                 // spans that were computed, by what they are
}

type place struct{ topic, host string }

// New lays events out that are in the order of their times.
func New(freq, ttl time.Duration, events []Event) *History {
	h := &History{Freq: freq, TTL: ttl, Events: events, places: make(map[place][]*tenure), topics: make(map[string][]*tenure),
		owners: make(map[string]*tenure), ended: make(map[string]time.Duration)}
	if len(events) > 0 {
		h.end = events[len(events)-1].At
	}
	h.layRegistrants()
	h.layWatches()
	h.layFaults()
	for _, all := range h.places {
		for _, t := range all {
			t.living = h.living(t)
			t.well = h.well(t)
		}
	}
	return h
}

// Merge puts the events of several processes of one machine, whose recorders began at one moment, in order.
// Their faults are numbered anew.
func Merge(histories ...[]Event) []Event {
	all, faults := slices.Concat(histories...), 0
	for from, h := 0, histories; len(h) > 0; from, h = from+len(h[0]), h[1:] {
		most := faults
		for i := from; i < from+len(h[0]); i++ {
			switch e := &all[i]; e.What {
			case Fault, Unswept, Split, Mended:
				e.Number += faults
				most = max(most, e.Number)
			}
		}
		faults = most
	}
	slices.SortStableFunc(all, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return all
}

// Write writes events as JSON lines.
func Write(to io.Writer, events []Event) error {
	lines := json.NewEncoder(to)
	for i := range events {
		if err := lines.Encode(&events[i]); err != nil {
			return err
		}
	}
	return nil
}

// ReadAll reads what Write wrote.
func ReadAll(from io.Reader) ([]Event, error) {
	var all []Event
	for lines := json.NewDecoder(from); ; {
		var e Event
		if err := lines.Decode(&e); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
}

// The bounds that the promises name.

// grace is how long after the last fault the truth may take to be known: a beat is refused by the fast path before it
// tells the whole, and who is told of it compares versions before he reads in two trips.
func (h *History) grace() time.Duration { return h.Freq + time.Second + 5*h.Delay }

// heldBy is how long after its death a host is held in every view: a sweeper that has another topic before this one needs
// four exchanges for it, one to see who is absent, and watchers are told. goneBy is how long after its death it is in none:
// a poll reads in two trips and then asks whether all was heard.
func (h *History) heldBy() time.Duration { return h.TTL + h.Freq + time.Second + 6*h.Delay }
func (h *History) goneBy() time.Duration { return 2*h.TTL + 2*h.Freq + time.Second + 9*h.Delay }

func (h *History) layFaults() {
	open := make(map[int]*fault)
	for i := range h.Events {
		switch e := &h.Events[i]; e.What {
		case Fault, Unswept, Split:
			f := &fault{span{e.At, never}, e.Name, e.Process, e.Topic}
			open[e.Number] = f
			switch e.What {
			case Fault:
				h.faults = append(h.faults, f)
			case Unswept:
				h.unswept = append(h.unswept, f)
			case Split:
				h.splits = append(h.splits, f)
			}
		case Mended:
			if f := open[e.Number]; f != nil {
				f.until = e.At
			}
		case Lost:
			l := &loss{span{e.Since, e.At}, e.Since == 0, e.Name, e.Topic, e.Host}
			if l.all {
				l.from = e.At
			}
			h.losses = append(h.losses, l)
		}
	}
}

// troubles returns when something was wrong with the registry, a topic of it, or the way to processes, each
// until a time after it ended; in order, and joined where they meet.
func (h *History) troubles(after time.Duration, topic string, processes ...string) []span {
	return h.cached(fmt.Sprint(after, topic, processes), func() []span {
		var all []span
		for _, f := range h.faults {
			if f.concerns(topic, processes...) {
				all = append(all, span{f.from, later(f.until, after)})
			}
		}
		for _, l := range h.losses {
			if l.concerns(topic, "") {
				all = append(all, span{l.from, l.until + after})
			}
		}
		return joined(all)
	})
}

// unsettled is that, and when nobody swept.
func (h *History) unsettled(topic string, processes ...string) []span {
	return h.cached(fmt.Sprint("unswept", topic, processes), func() []span {
		all := slices.Clone(h.troubles(0, topic, processes...))
		for _, f := range h.unswept {
			if f.concerns(topic) {
				all = append(all, f.span)
			}
		}
		return joined(all)
	})
}

// split says whether more than one server took itself for the primary in a time.
func (h *History) split(s span) bool {
	return slices.ContainsFunc(h.splits, func(f *fault) bool { return f.meets(s) })
}

// cached computes spans once.
func (h *History) cached(key string, compute func() []span) []span {
	spans, known := h.known.Load(key)
	if !known {
		spans, _ = h.known.LoadOrStore(key, compute())
	}
	return spans.([]span)
}

// settled returns when a bound that counts from base is over. Where a fault touches the time it takes, or nobody
// sweeps in it, it counts from the end of that.
func (h *History) settled(base, bound time.Duration, topic string, processes ...string) time.Duration {
	for _, s := range h.unsettled(topic, processes...) {
		if s.until > base && s.from < later(base, bound) {
			base = s.until
		}
	}
	return later(base, bound)
}
