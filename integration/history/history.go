package history

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"
)

// History is what happened, in order, laid out for the promises. A sweep comes each Freq.
type History struct {
	Freq, TTL time.Duration
	Events    []Event

	end     time.Duration
	places  map[place][]*tenure
	topics  map[string][]*tenure
	owners  map[string]*tenure // by instance
	watches []*watch
	faults  []*fault
	losses  []*loss
	ended   map[string]time.Duration // processes
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
	return h
}

// Merge puts the events of several processes of one machine, whose recorders began at one moment, in order.
func Merge(histories ...[]Event) []Event {
	all := slices.Concat(histories...)
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

// grace is how long after the last fault the truth may take to be known.
func (h *History) grace() time.Duration { return h.Freq + time.Second }

// heldBy is how long after its death a host is held in every view, and goneBy how long after it is in none.
func (h *History) heldBy() time.Duration { return h.TTL + h.Freq + time.Second }
func (h *History) goneBy() time.Duration { return 2*h.TTL + 2*h.Freq + time.Second }

func (h *History) layFaults() {
	open := make(map[int]*fault)
	for i := range h.Events {
		switch e := &h.Events[i]; e.What {
		case Fault:
			f := &fault{span{e.At, never}, e.Name, e.Process, e.Topic}
			open[e.Number] = f
			h.faults = append(h.faults, f)
		case Mended:
			if f := open[e.Number]; f != nil {
				f.until = e.At
			}
		case Lost:
			h.losses = append(h.losses, &loss{e.At, e.Name, e.Topic, e.Host})
		}
	}
}

// troubles returns when something was wrong with the registry, a topic of it, or the way to processes, each
// until a time after it ended.
func (h *History) troubles(after time.Duration, topic string, processes ...string) []span {
	var all []span
	for _, f := range h.faults {
		if f.concerns(topic, processes...) {
			all = append(all, span{f.from, later(f.until, after)})
		}
	}
	for _, l := range h.losses {
		if l.concerns(topic, "") {
			all = append(all, span{l.at, l.at + after})
		}
	}
	return all
}

// settled returns when a bound that counts from base is over. Where a fault touches the time it takes, it
// counts from the end of the fault.
func (h *History) settled(base, bound time.Duration, topic string, processes ...string) time.Duration {
	for again := true; again; {
		again = false
		for _, f := range h.troubles(0, topic, processes...) {
			if f.until > base && f.from < later(base, bound) {
				base, again = f.until, true
			}
		}
	}
	return later(base, bound)
}
