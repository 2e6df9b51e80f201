package history

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A story is a history made by hand: a heartbeat of 5 s, a TTL of 15 s, topic t, watcher w and lookups by r.
type story []Event

const s, hair = time.Second, time.Millisecond

// The times that follow from heartbeat and TTL.
const (
	beat   = 5 * s
	ttl    = 15 * s
	heldIn = 21 * s
	goneIn = 41 * s
)

func instance(process, host string) string { return process + " of " + host }

// lives: a process registers a host, and beats it from one moment to another.
func lives(process, host string, from, until time.Duration) story {
	return story{
		{At: from, What: Registering, Process: process, Topic: "t", Host: host},
		{At: from, What: Valid, Process: process, Topic: "t", Host: host, Instance: instance(process, host), Last: until, Until: until + ttl},
	}
}

// again: it is told that its registration is valid once more, which the registry did not know.
func again(process, host string, from, until time.Duration) story {
	e := lives(process, host, from, until)[1]
	e.Anew = true
	return story{e}
}

func ends(process string, at time.Duration) story {
	return story{{At: at, What: Ended, Process: process}}
}

func leaves(process, host string, at time.Duration) story {
	return story{
		{At: at, What: Leaving, Process: process, Topic: "t", Host: host},
		{At: at, What: Left, Process: process, Topic: "t", Host: host, Instance: instance(process, host)},
	}
}

func fails(process string, from, until time.Duration) story {
	return story{
		{At: from, What: Fault, Name: "fault", Process: process, Number: int(from)},
		{At: until, What: Mended, Name: "fault", Process: process, Number: int(from)},
	}
}

func loses(host string, at time.Duration) story {
	return story{{At: at, What: Lost, Name: "lost", Topic: "t", Host: host}}
}

func wentBack(to, at time.Duration) story {
	return story{{At: at, What: Lost, Name: "went back", Since: to}}
}

func drains(process, host string, at time.Duration) story {
	return story{{At: at, What: Draining, Process: process, Topic: "t", Host: host}}
}

func unswept(from, until time.Duration) story {
	s := fails("", from, until)
	s[0].What = Unswept
	return s
}

func splits(from, until time.Duration) story {
	s := fails("", from, until)
	s[0].What = Split
	return s
}

func watches(at time.Duration) story {
	return story{{At: at, What: Watching, Process: "w", Topic: "t"}}
}

// sees: the watcher is shown a view of n members in which these changed.
func sees(at time.Duration, n int, changes ...Sight) story {
	return story{{At: at, What: Seen, Process: "w", Topic: "t", Number: n, Changes: changes}}
}

func picks(at time.Duration, process, host string) story {
	return story{{At: at, What: Picked, Process: "w", Topic: "t", Asked: at, Host: host, Instance: instance(process, host)}}
}

func picksNobody(at time.Duration, answer string) story {
	return story{{At: at, What: Picked, Process: "w", Topic: "t", Asked: at, Answer: answer}}
}

func reads(at time.Duration, answer string, found ...Sight) story {
	return story{{At: at, What: Read, Process: "r", Topic: "t", Asked: at, Answer: answer, Changes: found}}
}

func sent(at time.Duration, n int) story { return story{{At: at, What: Sent, Number: n}} }

func up(process, host string) Sight { return Sight{Host: host, Instance: instance(process, host)} }

func held(process, host string) Sight {
	return Sight{Host: host, Instance: instance(process, host), Held: true}
}

func gone(host string) Sight { return Sight{Host: host} }

func (h *History) holdsNothingWrong(t *testing.T, except string) {
	t.Helper()
	for _, p := range Promises {
		if f := p(h); f.Promise != except && len(f.Broken) > 0 {
			t.Errorf("%s is broken too: %s", f.Promise, f.Broken[0])
		}
	}
}

// told puts stories together into a history that ends at a moment.
func told(end time.Duration, stories ...story) *History {
	events := [][]Event{sent(end, 0)}
	for _, s := range stories {
		events = append(events, s)
	}
	return New(beat, ttl, Merge(events...))
}

// a case is a story, and what of it breaks the promise: "" where it is kept.
type testcase struct {
	name   string
	story  []story
	broken string
}

func check(t *testing.T, p Promise, end time.Duration, cases []testcase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := p(told(end, c.story...))
			var all []string
			for _, v := range f.Broken {
				all = append(all, v.String())
			}
			switch text := strings.Join(all, "\n"); {
			case c.broken == "" && text != "":
				t.Errorf("%s is kept, and the validator says that it is broken %s", f.Promise, text)
			case c.broken != "" && !strings.Contains(text, c.broken):
				t.Errorf("%s is broken, want %q; the validator says %q", f.Promise, c.broken, text)
			case c.broken != "" && len(f.Broken) > 1:
				t.Errorf("one case is told %d times: %s", len(f.Broken), text)
			}
		})
	}
}

// with is stories, and more.
func with(all []story, more ...story) []story { return slices.Concat(all, more) }
