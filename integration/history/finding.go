package history

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Finding is what became of one promise: how often it was looked at, and what broke it.
type Finding struct {
	Promise string
	Counts  []Count
	Broken  []Violation
	history *History
}

// Count is how often something was checked.
type Count struct {
	What string
	N    int
}

// Violation is one case in which a promise was not kept.
type Violation struct {
	At      time.Duration
	Says    string
	Excerpt []Event
}

func (v Violation) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "at %s: %s", clock(v.At), v.Says)
	for i := range v.Excerpt {
		text.WriteString("\n    " + v.Excerpt[i].String())
	}
	return text.String()
}

// Counted returns how often something was checked.
func (f *Finding) Counted(what string) int {
	for _, c := range f.Counts {
		if c.What == what {
			return c.N
		}
	}
	return 0
}

func (f *Finding) count(what string, n int) {
	for i := range f.Counts {
		if f.Counts[i].What == what {
			f.Counts[i].N += n
			return
		}
	}
	f.Counts = append(f.Counts, Count{what, n})
}

func (f *Finding) String() string {
	var counts []string
	for _, c := range f.Counts {
		counts = append(counts, fmt.Sprintf("%d %s", c.N, c.What))
	}
	return fmt.Sprintf("%-18s %s; %d violations", f.Promise, strings.Join(counts, ", "), len(f.Broken))
}

// Short says what was checked less often than a scenario wants, by what is counted; "" if nothing was.
func (f *Finding) Short(least map[string]int) string {
	var short []string
	for what, n := range least {
		if got := f.Counted(what); got < n {
			short = append(short, fmt.Sprintf("%d %s, want at least %d", got, what, n))
		}
	}
	slices.Sort(short)
	return strings.Join(short, "; ")
}

// most is how many violations of a promise are kept with their excerpts.
const most = 20

// broken notes a violation at a moment; the excerpt shows a place, or a topic, as it was seen by processes
// since another.
func (f *Finding) broken(at, since time.Duration, where place, processes []string, format string, args ...any) {
	v := Violation{At: at, Says: fmt.Sprintf(format, args...)}
	if len(f.Broken) < most {
		v.Excerpt = f.history.excerpt(span{since, at + 1}, where, processes)
	}
	f.Broken = append(f.Broken, v)
}

// longest bounds an excerpt.
const longest = 40

// excerpt returns what happened to a place between two moments, as far as processes saw it: the newest of it.
func (h *History) excerpt(s span, where place, processes []string) []Event {
	var all []Event
	for i := range h.Events {
		e := h.Events[i]
		during := s.holds(e.At) || e.What == Valid && e.At < s.until && e.Until >= s.from
		if !during || !h.tells(&e, where, processes) {
			continue
		}
		all = append(all, e)
	}
	return all[max(0, len(all)-longest):]
}

// tells says whether an event belongs to a story, and leaves out what does not of it.
func (h *History) tells(e *Event, where place, processes []string) bool {
	mine := slices.Contains(processes, e.Process)
	here := e.Topic == where.topic && (where.host == "" || e.Host == where.host)
	switch e.What {
	case Registering, Valid, Superseded, Draining, Leaving, Left:
		return here
	case Ended:
		return mine || slices.ContainsFunc(h.places[where], func(t *tenure) bool { return t.process == e.Process })
	case Fault, Mended, Unswept, Split:
		return (e.Topic == "" || e.Topic == where.topic) && (e.Process == "" || mine ||
			slices.ContainsFunc(h.places[where], func(t *tenure) bool { return t.process == e.Process }))
	case Lost:
		return (e.Topic == "" || e.Topic == where.topic) && (e.Host == "" || where.host == "" || e.Host == where.host)
	case Seen, Read:
		if !mine || e.Topic != where.topic {
			return false
		}
		if where.host != "" {
			e.Changes = slices.DeleteFunc(slices.Clone(e.Changes), func(s Sight) bool { return s.Host != where.host })
		}
		return len(e.Changes) > 0 || where.host == "" || e.What == Read
	case Picked:
		return mine && here
	case Watching:
		return mine && e.Topic == where.topic
	}
	return false
}
