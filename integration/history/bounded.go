package history

import "time"

// Budget is how many commands a scenario may send.
type Budget struct {
	Rest float64 // a second, on average over a minute in which nothing happens
	Peak int     // in any one second
}

// Bounded: the commands that reach the registry stay within a budget, also while everyone comes back.
func Bounded(b Budget) Promise {
	return func(h *History) *Finding {
		f := h.finding("Bounded")
		var minute []*Event
		var disturbed time.Duration
		peak, rest := 0, 0.0
		for i := range h.Events {
			e := &h.Events[i]
			switch e.What {
			case Registering, Leaving, Ended, Fault, Mended, Lost, Watching:
				disturbed = e.At
			case Sent:
				f.count("seconds", 1)
				peak = max(peak, e.Number)
				if e.Number > b.Peak {
					f.broken(e.At, e.At-h.Freq, place{}, nil, "%d commands in a second, want at most %d", e.Number, b.Peak)
				}
				if minute = append(minute, e); len(minute) > 60 {
					minute = minute[1:]
				}
				if len(minute) < 60 || minute[0].At-time.Second < disturbed+h.goneBy() {
					continue
				}
				f.count("minutes at rest", 1)
				sum := 0
				for _, e := range minute {
					sum += e.Number
				}
				mean := float64(sum) / 60
				if rest = max(rest, mean); mean > b.Rest {
					f.broken(e.At, e.At-time.Minute, place{}, nil, "%.1f commands a second at rest, want at most %.1f", mean, b.Rest)
				}
				minute = nil
			}
		}
		f.count("commands in the busiest second", peak)
		f.count("a second at rest", int(rest+0.5))
		return f
	}
}
