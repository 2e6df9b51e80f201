package core_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
)

// ranged collects what Changes yields until the test ends.
type ranged struct {
	mu     sync.Mutex
	events []core.Event
}

func ranges(t *testing.T, h *core.HeartbeatMatchMaker) *ranged {
	t.Helper()
	got := new(ranged)
	ctx, cancel := context.WithCancel(t.Context())
	var going sync.WaitGroup
	going.Go(func() {
		for e := range h.Changes(ctx) {
			got.mu.Lock()
			got.events = append(got.events, e)
			got.mu.Unlock()
		}
	})
	t.Cleanup(func() { cancel(); going.Wait() })
	synctest.Wait()
	return got
}

func spelt(e core.Event) string {
	if e.Member == nil {
		return e.Kind.String()
	}
	return e.Member.Host + " " + e.Kind.String()
}

// words spells and forgets what was yielded.
func (g *ranged) words() string {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	var words []string
	for _, e := range g.events {
		words = append(words, spelt(e))
	}
	g.events = nil
	return strings.Join(words, ", ")
}

func (g *ranged) want(t *testing.T, want string) {
	t.Helper()
	if got := g.words(); got != want {
		t.Errorf("yielded %q, want %q", got, want)
	}
}

func TestChangesYieldsHowRegistrationsStandAndThenWhatHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		p.register("compute", "node2")
		got := ranges(t, p.HeartbeatMatchMaker)
		got.want(t, "node1 registered, node2 registered")
		p.StartHeartbeat()
		time.Sleep(freq / 2)
		r.Break(errDown)
		time.Sleep(ttl + 2*freq)
		got.want(t, "degraded, node1 lost, node2 lost")
		late := ranges(t, p.HeartbeatMatchMaker)
		late.want(t, "node1 lost, node2 lost, degraded")
		r.Unbreak()
		time.Sleep(2 * freq)
		for _, g := range []*ranged{got, late} {
			g.want(t, "node1 recovered, node2 recovered, restored")
		}
		newer := start(t, r)
		newer.register("compute", "node1")
		time.Sleep(2 * freq)
		got.want(t, "node1 superseded")
		if err := p.Unregister(t.Context(), "compute", "node2"); err != nil {
			t.Fatal(err)
		}
		got.want(t, "node2 departed")
		ranges(t, p.HeartbeatMatchMaker).want(t, "node1 superseded")
	})
}

func TestChangesTellUntilWhenARegistrationIsValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		sent := time.Now()
		p.register("compute", "node1")
		for e := range p.Changes(t.Context()) {
			if want := sent.Add(ttl); !e.ValidUntil.Equal(want) {
				t.Errorf("valid until %s, want %s", e.ValidUntil, want)
			}
			break
		}
		time.Sleep(ttl + time.Second) // nobody beats
		for e := range p.Changes(t.Context()) {
			if e.Kind != core.Lost {
				t.Errorf("%s, want lost", e.Kind)
			}
			break
		}
	})
}

func TestASlowReaderOfChangesSeesTheNewestAndHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		p.register("compute", "node2")
		p.StartHeartbeat()
		var seen []string
		for e := range p.Changes(t.Context()) {
			seen = append(seen, spelt(e))
			if len(seen) == 1 { // while this reader does not read
				for range 50 {
					r.Break(errDown)
					time.Sleep(ttl + 2*freq)
					r.Unbreak()
					time.Sleep(2 * freq)
				}
			}
			if e.Kind == core.Restored {
				break
			}
		}
		if len(seen) > 4 || !slices.Contains(seen, "node2 recovered") {
			t.Errorf("saw %q, want the newest of each", seen)
		}
	})
}

// alerting is a registry that notices things between calls.
type alerting struct {
	*registry
	beat func()
	tell func(core.Event)
}

func (a *alerting) Alert(beat func(), tell func(core.Event)) { a.beat, a.tell = beat, tell }

func TestABackendThatAsksForABeatGetsOneSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &alerting{registry: newRegistry()}
		var rounds atomic.Int32
		r.intercept(func(c call) ([]core.Outcome, error) {
			rounds.Add(1)
			return c.make()
		})
		p := start(t, r)
		p.register("compute", "node1")
		p.StartHeartbeat()
		synctest.Wait()
		for range 10 {
			rounds.Store(0)
			for range 100 {
				r.beat()
			}
			time.Sleep(freq / 2)
			synctest.Wait()
			if n := rounds.Load(); n != 1 {
				t.Errorf("%d rounds in half an interval, want the one that was asked for", n)
			}
		}
		for range 20 { // late in a rest is no later
			time.Sleep(freq * 4 / 5)
			r.beat()
			time.Sleep(freq / 5)
			synctest.Wait()
			if n := rounds.Swap(0); n == 0 {
				t.Error("no round in an interval")
			}
		}
		got := ranges(t, p.HeartbeatMatchMaker)
		got.want(t, "node1 registered")
		r.tell(core.Event{Kind: core.Polling})
		got.want(t, "polling")
		p.wantReported("node1 registered", "polling")
	})
}
