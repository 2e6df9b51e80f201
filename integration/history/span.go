package history

import (
	"cmp"
	"math"
	"slices"
	"time"
)

const never = time.Duration(math.MaxInt64)

// span is a time from one moment until before another.
type span struct{ from, until time.Duration }

func (s span) holds(t time.Duration) bool { return s.from <= t && t < s.until }

func (s span) meets(o span) bool { return s.from < o.until && o.from < s.until }

func (s span) within(o span) span { return span{max(s.from, o.from), min(s.until, o.until)} }

// minus returns what of s is in none of others.
func (s span) minus(others []span) []span {
	if s.from >= s.until {
		return nil
	}
	rest := []span{s}
	for _, o := range others {
		if !s.meets(o) {
			continue
		}
		var next []span
		for _, r := range rest {
			for _, part := range []span{{r.from, min(r.until, o.from)}, {max(r.from, o.until), r.until}} {
				if part.from < part.until {
					next = append(next, part)
				}
			}
		}
		rest = next
	}
	return rest
}

// joined puts spans in order, and joins those that meet.
func joined(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.until, b.until)) })
	apart := all[:0]
	for _, s := range all {
		if n := len(apart); n > 0 && s.from <= apart[n-1].until {
			apart[n-1].until = max(apart[n-1].until, s.until)
		} else {
			apart = append(apart, s)
		}
	}
	return apart
}

// later adds d, and never stays never.
func later(t, d time.Duration) time.Duration {
	if t >= never-d {
		return never
	}
	return t + d
}

// fault is a time in which something was wrong between the registry and a process, or everybody.
type fault struct {
	span
	name, process, topic string
}

// concerns says whether it touches one of processes, or all, in a topic.
func (f *fault) concerns(topic string, processes ...string) bool {
	return (f.topic == "" || topic == "" || f.topic == topic) && (f.process == "" || slices.Contains(processes, f.process))
}

// loss is what the registry lost at the end of its span: all, or what it was told in it.
type loss struct {
	span
	all               bool
	name, topic, host string
}

func (l *loss) concerns(topic, host string) bool {
	return (l.topic == "" || l.topic == topic) && (l.host == "" || host == "" || l.host == host)
}
