package history

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redismm/matchmaker/core"
)

// Recorder notes what happens in one process, by its monotonic clock. All methods may be called at once.
type Recorder struct {
	began time.Time
	ttl   time.Duration

	mu     sync.Mutex
	events []Event
	valid  map[registration]int // its last Valid event, while nothing else was told of it
	ended  map[string]bool
	shown  map[[2]string]map[string]Sight // by watcher and topic, then by host
	faults int
}

type registration struct{ process, topic, host, instance string }

// NewRecorder begins a history of registrations that live for ttl without a beat.
func NewRecorder(ttl time.Duration) *Recorder {
	return &Recorder{began: time.Now(), ttl: ttl, valid: make(map[registration]int),
		ended: make(map[string]bool), shown: make(map[[2]string]map[string]Sight)}
}

// Moment is now by the clock that all processes of the machine share, which nobody sets.
func Moment() (time.Duration, error) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return time.Duration(now.Nano()), err
}

// NewRecorderOf is NewRecorder for a history that began in another process, at a moment.
func NewRecorderOf(ttl time.Duration, began time.Duration) (*Recorder, error) {
	r := NewRecorder(ttl)
	for least, tries := time.Hour, 0; tries < 10; tries++ { // one in which the machine let nobody come between
		from := time.Now()
		now, err := Moment()
		if err != nil {
			return nil, err
		}
		if took := time.Since(from); took < least {
			least, r.began = took, from.Add(began-now)
		}
	}
	return r, nil
}

func (r *Recorder) since(t time.Time) time.Duration { return t.Sub(r.began) }

// add notes an event that happens now. The caller holds mu.
func (r *Recorder) add(e Event) int { return r.addAt(time.Now(), e) }

func (r *Recorder) addAt(t time.Time, e Event) int {
	e.At = r.since(t)
	r.events = append(r.events, e)
	return len(r.events) - 1
}

func (r *Recorder) note(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(e)
}

// Registering notes that a process wants a place from now on.
func (r *Recorder) Registering(process, topic, host string) {
	r.note(Event{What: Registering, Process: process, Topic: topic, Host: host})
}

// Draining notes that a process wants no more work at a place.
func (r *Recorder) Draining(process, topic, host string) {
	r.note(Event{What: Draining, Process: process, Topic: topic, Host: host})
}

// Leaving notes that a process wants to leave a place.
func (r *Recorder) Leaving(process, topic, host string) {
	r.note(Event{What: Leaving, Process: process, Topic: topic, Host: host})
}

// Ended notes that a process does nothing any more. What it is told from now on nobody hears.
func (r *Recorder) Ended(process string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended[process] {
		r.ended[process] = true
		r.add(Event{What: Ended, Process: process})
	}
}

// Told notes the outcomes of a call that a process sent at sent: its registers, beats and leaves.
func (r *Recorder) Told(process string, sent time.Time, claims []*core.Claim, outcomes []core.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended[process] {
		return
	}
	for i, c := range claims {
		k := registration{process, c.Topic, c.Host, c.Instance}
		at, was := r.valid[k]
		e := Event{Process: process, Topic: c.Topic, Host: c.Host, Instance: c.Instance}
		switch o := outcomes[i]; {
		case o.Holds():
			now, until := time.Since(r.began), r.since(sent)+r.ttl
			if e.Anew = o == core.Joined || o == core.Replaced; was && !e.Anew && now <= r.events[at].Until {
				r.events[at].Last, r.events[at].Until = now, until
				continue
			}
			e.What, e.Last, e.Until = Valid, now, until
			r.valid[k] = r.add(e)
		case o == core.Superseded:
			e.What = Superseded
			if was { // else it was told before
				r.add(e)
			}
			delete(r.valid, k)
		case o == core.Left:
			e.What = Left
			r.add(e)
			delete(r.valid, k)
		}
	}
}

// Watch follows a topic for a process, and notes every view, until ctx ends.
func (r *Recorder) Watch(ctx context.Context, process string, from core.Watcher, topic string) {
	r.note(Event{What: Watching, Process: process, Topic: topic})
	for v := range from.Watch(ctx, topic) {
		if ctx.Err() == nil {
			r.Seen(process, v)
		}
	}
}

// Seen notes a view, as what differs from the one before.
func (r *Recorder) Seen(process string, v *core.View) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended[process] {
		return
	}
	key := [2]string{process, v.Topic}
	old := r.shown[key]
	now := make(map[string]Sight, len(v.Members))
	var changes []Sight
	for i := range v.Members {
		m := v.Members[i]
		s := Sight{m.Host, m.Instance, m.State, m.Held}
		now[m.Host] = s
		if old[m.Host] != s {
			changes = append(changes, s)
		}
	}
	for host := range old {
		if _, still := now[host]; !still {
			changes = append(changes, Sight{Host: host})
		}
	}
	r.shown[key] = now
	r.add(Event{What: Seen, Process: process, Topic: v.Topic, Number: len(v.Members), Stale: v.Stale != nil, Changes: changes})
}

// answer names why a lookup found nobody.
func answer(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, core.ErrUnknownTopic):
		return Unknown
	case errors.Is(err, core.ErrNoHosts):
		return NoHosts
	}
	return Unavailable
}

// Picked notes what a lookup from memory answered that was begun at asked.
func (r *Recorder) Picked(process, topic string, asked time.Time, routes []core.Route, err error) {
	e := Event{What: Picked, Process: process, Topic: topic, Asked: r.since(asked), Answer: answer(err)}
	if len(routes) > 0 {
		e.Host = routes[0].Host
		if m := routes[0].Member; m != nil {
			e.Instance = m.Instance
		}
	}
	r.note(e)
}

// Read notes what a lookup without memory answered that was begun at asked.
func (r *Recorder) Read(process, topic string, asked time.Time, v *core.View, err error) {
	e := Event{What: Read, Process: process, Topic: topic, Asked: r.since(asked), Answer: answer(err)}
	if err == nil {
		e.Answer = answer(v.Err())
		for i := range v.Members {
			m := v.Members[i]
			e.Changes = append(e.Changes, Sight{m.Host, m.Instance, m.State, m.Held})
		}
	}
	r.note(e)
}

// Fault notes that something goes wrong between the registry and a process, or everybody if it is empty. The
// returned function notes that it does no longer.
func (r *Recorder) Fault(name, process, topic string) (mended func()) {
	return r.begin(Event{What: Fault, Name: name, Process: process, Topic: topic})
}

// Unswept notes that nobody sweeps a topic, because a process does not any more that did. The returned function
// notes that somebody does again.
func (r *Recorder) Unswept(name, topic string) (mended func()) {
	return r.begin(Event{What: Unswept, Name: name, Topic: topic})
}

// Was notes what is over: a [Fault], or an [Unswept].
func (r *Recorder) Was(e Event, from, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults++
	e.Number = r.faults
	r.addAt(from, e)
	e.What = Mended
	r.addAt(until, e)
}

// Split notes that more than one server may take itself for the primary. The returned function notes that only
// one does.
func (r *Recorder) Split(name string) (mended func()) {
	return r.begin(Event{What: Split, Name: name})
}

func (r *Recorder) begin(e Event) (mended func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults++
	e.Number = r.faults
	r.add(e)
	e.What = Mended
	return sync.OnceFunc(func() { r.note(e) })
}

// Lost notes what the registry lost.
func (r *Recorder) Lost(name, topic, host string) {
	r.note(Event{What: Lost, Name: name, Topic: topic, Host: host})
}

// WentBack notes that the registry lost all that it was told since a moment.
func (r *Recorder) WentBack(name string, since time.Time) {
	r.note(Event{What: Lost, Name: name, Since: r.since(since)})
}

// Sent notes how many commands were sent in the last second.
func (r *Recorder) Sent(n int) { r.note(Event{What: Sent, Number: n}) }

// Events returns what was noted until now, in order.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Merge(r.events)
}
