package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/integration/crew"
	"github.com/redismm/matchmaker/integration/faults/hand"
	"github.com/redismm/matchmaker/integration/history"
)

func init() { crew.Enlist(new(hand.Hand)) }

// Place is a host under a topic.
type Place = hand.Place

// world is a registry with processes that keep hosts in it, and others that follow them.
type world struct {
	*testing.T
	*rand.Rand
	on       integration.Topology
	dsn      string
	beat     core.HeartbeatConfig
	topics   []string
	began    time.Duration
	recorder *history.Recorder // of what is done to the world
	look     *lookout
	kept     map[string]*integration.Redis // topics, at the beginning
	delay    time.Duration                 // of each reply; bounds are longer by what that costs

	registrants, watchers []*process // that run
	started               int
	noted                 [][]history.Event // by those that do not
	errands               sync.WaitGroup
	done                  time.Time    // when all was done to it
	shuts                 atomic.Int64 // how often a way was shut, and opened
}

// process is one of them.
type process struct {
	*integration.Crew
	name   string
	places []Place
}

// size is how much there is in a world.
type size struct {
	registrants, hosts, watchers int // hosts of each registrant, in all topics
	pick, read                   time.Duration
}

func newWorld(t *testing.T, on integration.Topology, dsn string, beat core.HeartbeatConfig, seed uint64) *world {
	t.Helper()
	began, err := history.Moment()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, Rand: rand.New(rand.NewPCG(seed, 1)), on: on, dsn: dsn, beat: beat,
		topics: []string{"compute", "network"}, began: began, kept: make(map[string]*integration.Redis)}
	for _, topic := range w.topics {
		w.kept[topic] = on.Serving(w.key(topic))
	}
	if w.recorder, err = history.NewRecorderOf(beat.TTL, began); err != nil {
		t.Fatal(err)
	}
	return w
}

// populate starts all processes, and does not wait for what comes of it.
func (w *world) populate(s size) {
	w.Helper()
	w.look = w.lookOut()
	for range s.watchers {
		p := w.start("w", w.dsn)
		w.watchers = append(w.watchers, p)
		w.tell(p, "Watch", hand.Watching{Topics: w.topics, Pick: s.pick, Read: s.read})
	}
	for i := range s.registrants {
		places := make([]Place, s.hosts)
		for j := range places {
			places[j] = w.place(i*s.hosts + j)
		}
		w.replace(places)
	}
}

// place is one of all that a world begins with.
func (w *world) place(n int) Place {
	return Place{Topic: w.topics[n%len(w.topics)], Host: fmt.Sprintf("node%04d", n/len(w.topics))}
}

// start starts a process.
func (w *world) start(kind, dsn string) *process {
	w.Helper()
	return w.enlist(integration.StartCrew(w.T), kind, dsn)
}

func (w *world) enlist(c *integration.Crew, kind, dsn string) *process {
	w.Helper()
	w.started++
	p := &process{Crew: c, name: fmt.Sprintf("%s%d", kind, w.started)}
	w.tell(p, "Begin", hand.Beginning{Name: p.name, DSN: dsn, Beat: w.beat, Began: w.began})
	return p
}

// keeps has a process want places.
func (w *world) keeps(p *process, places []Place) {
	p.places = slices.Clone(places)
	w.registrants = append(w.registrants, p)
	w.send(p, "Register", p.places)
}

// tell has a process do something, which must succeed.
func (w *world) tell(p *process, what string, args any) {
	w.Helper()
	if err := p.Tell(what, args, new(int)); err != nil {
		w.Fatalf("%s: %v", p.name, err)
	}
}

// send has a process do something while the test goes on.
func (w *world) send(p *process, what string, args any) {
	w.errands.Go(func() { _ = p.Tell(what, args, new(int)) }) // it may be killed before it has replied
}

// any returns one of the registrants but some.
func (w *world) any(but ...*process) *process {
	w.Helper()
	var some []*process
	for _, p := range w.registrants {
		if !slices.Contains(but, p) {
			some = append(some, p)
		}
	}
	if len(some) == 0 {
		w.Fatal("no process is left to choose from")
	}
	return some[w.IntN(len(some))]
}

// kill ends a registrant with SIGKILL.
func (w *world) kill(p *process) { w.Helper(); w.ends(p, "Surrender") }

// finish ends a registrant as a program ends: it leaves.
func (w *world) finish(p *process) { w.Helper(); w.ends(p, "Finish") }

func (w *world) ends(p *process, how string) {
	w.Helper()
	var noted []history.Event
	w.look.stops(p.name)
	if err := p.Tell(how, 0, &noted); err != nil {
		w.Fatalf("%s: %v", p.name, err)
	}
	p.Kill()
	now, err := history.Moment()
	if err != nil {
		w.Fatal(err)
	}
	for i := range noted {
		if noted[i].What == history.Ended { // it may have beaten once more before the signal came
			noted[i].At = now - w.began
		}
	}
	w.noted = append(w.noted, noted)
	w.registrants = slices.DeleteFunc(w.registrants, func(o *process) bool { return o == p })
}

// replace starts a process that wants the places of another.
func (w *world) replace(places []Place) *process {
	w.Helper()
	p := w.start("p", w.dsn)
	w.keeps(p, places)
	return p
}

// members is how many hosts of a topic are wanted.
func (w *world) members(topic string) int {
	all := make(map[Place]bool)
	for _, p := range w.registrants {
		for _, at := range p.places {
			if at.Topic == topic {
				all[at] = true
			}
		}
	}
	return len(all)
}

// whole waits until every watcher shows who is wanted, living. When it must is for the promises to say.
func (w *world) whole() {
	w.Helper()
	for _, p := range w.watchers {
		for _, topic := range w.topics {
			n, want := 0, w.members(topic)
			for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
				if err := p.Tell("Shown", topic, &n); err != nil {
					w.Fatalf("%s: %v", p.name, err)
				}
				if n == want {
					break
				}
				if time.Now().After(end) {
					w.Errorf("%s shows %d living of %s, want %d, a minute after the last change", p.name, n, topic, want)
					return
				}
			}
		}
	}
}

// grace, and long enough that whoever died is in no view.
func (w *world) grace() time.Duration { return w.beat.Freq + time.Second + 5*w.delay }
func (w *world) goneBy() time.Duration {
	return 2*w.beat.TTL + 2*w.beat.Freq + time.Second + 9*w.delay
}

// between draws a time.
func (w *world) between(from, to time.Duration) time.Duration {
	return from + time.Duration(w.Int64N(int64(to-from)+1))
}

// amiss notes that something is wrong with the registry for everybody while f runs.
func (w *world) amiss(name string, f func()) {
	w.Helper()
	defer w.recorder.Fault(name, "", "")()
	f()
}

// lasts lets time pass.
func (w *world) lasts(d time.Duration) { time.Sleep(d) }

// quiet lets time pass until whoever died is in no view; longer where the machine holds watchers up, whose bounds
// count from the end of that.
func (w *world) quiet() {
	w.Helper()
	calm := w.goneBy() + 3*w.beat.Freq
	for end := time.Now().Add(calm + time.Minute); ; {
		wait := calm - w.look.calm()
		for _, p := range w.watchers {
			wait = max(wait, calm-w.notes(p).Calm, calm-time.Since(w.done))
		}
		if wait <= 0 || time.Now().After(end) {
			return
		}
		time.Sleep(wait)
	}
}

// close ends the recording, and returns the history of all.
func (w *world) close() *history.History {
	w.Helper()
	w.errands.Wait()
	for _, p := range append(w.registrants, w.watchers...) {
		var noted []history.Event
		if err := p.Tell("Surrender", 0, &noted); err != nil {
			w.Fatalf("%s: %v", p.name, err)
		}
		w.noted = append(w.noted, noted)
	}
	for _, p := range append(w.registrants, w.watchers...) {
		p.Kill()
	}
	w.look.close(w.recorder)
	h := history.New(w.beat.Freq, w.beat.TTL, history.Merge(append(w.noted, w.recorder.Events())...))
	h.Delay = w.delay
	return h
}
