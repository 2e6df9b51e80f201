package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Ready is what /readyz answers.
type Ready struct {
	// Status is ready or degraded, which are 200; or starting, draining, unregistered or superseded, which are 503.
	Status string `json:"status"`
	// Since is when it became so, for degraded.
	Since *time.Time `json:"since,omitempty"`
	// Reason is for people.
	Reason string `json:"reason,omitempty"`

	err error // the reason, where it is one
}

type place struct{ topic, host string }

// drained is from when until when a host is drained.
type drained struct{ at, until time.Time }

// readiness is how the registrations of this process are.
type readiness struct {
	mu       sync.Mutex
	awaited  map[place]bool    // to be kept, and not registered yet
	accepted map[place]bool    // at least once, though registered anew since
	drained  map[place]drained // from outside, by this API
	hears    time.Duration     // how long views may take to hear of a drain
	degraded *Ready
	leaving  bool
}

func (d *readiness) begin(awaited []core.Registration, hears time.Duration) {
	d.hears = hears
	d.awaited, d.accepted, d.drained = make(map[place]bool), make(map[place]bool), make(map[place]drained)
	for i := range awaited {
		d.awaited[place{awaited[i].Topic, awaited[i].Host}] = true
	}
}

// follow notes since when heartbeats fail, until ctx ends.
func (d *readiness) follow(ctx context.Context, mm *core.HeartbeatMatchMaker) {
	for e := range mm.Changes(ctx) {
		switch e.Kind {
		case core.Degraded:
			now := time.Now().UTC()
			d.degrade(&Ready{Status: "degraded", Since: &now, err: e.Err})
		case core.Restored:
			d.degrade(nil)
		}
	}
}

func (d *readiness) degrade(r *Ready) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.degraded = r
}

func (d *readiness) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leaving = true
}

// renew notes that a registration is registered anew; nil is none.
func (d *readiness) renew(s *core.Status) {
	if s != nil && s.Standing != "pending" {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.accept(place{s.Member.Topic, s.Member.Host})
	}
}

// accept notes that a place was accepted once. The caller holds mu.
func (d *readiness) accept(at place) {
	d.accepted[at] = true
}

// forget notes that a registration is not to be kept any more.
func (d *readiness) forget(topic, host string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.awaited, place{topic, host})
}

// drain notes until when a host is drained from outside.
func (d *readiness) drain(topic, host string, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.drained[place{topic, host}] = drained{now, until}
	for at, of := range d.drained { // most are of hosts that are kept elsewhere
		if !now.Before(of.until) {
			delete(d.drained, at)
		}
	}
}

// Awaited is how many registrations are to be kept, and were not registered yet.
func (a *API) Awaited() int {
	all := a.MatchMaker.Registrations()
	a.ready.now(all, func(place) (bool, bool) { return false, false })
	a.ready.mu.Lock()
	defer a.ready.mu.Unlock()
	return len(a.ready.awaited)
}

// worst are the statuses that are not ready, the worst last.
var worst = []string{"", "starting", "superseded", "unregistered", "draining"}

// now says how all is together: the worst of the registrations, of which there may be none. What views show of drains
// is believed; of one that this API has begun, once they had time to hear of it.
func (d *readiness) now(all []core.Status, shown func(place) (drains, known bool)) Ready {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leaving {
		return Ready{Status: "draining", Reason: "this process is about to end"}
	}
	found, rank := Ready{Status: "ready"}, 0
	kept := make(map[place]bool, len(all))
	for i := range all {
		at := place{all[i].Member.Topic, all[i].Member.Host}
		kept[at] = true
		delete(d.awaited, at)
		drains, known := shown(at)
		if begun := d.drained[at]; !known || time.Since(begun.at) < d.hears {
			drains = drains || time.Now().Before(begun.until)
		}
		of, reason := d.of(&all[i], at, drains)
		if of > rank {
			rank, found = of, Ready{Status: worst[of], Reason: core.DirectKey(at.topic, at.host) + " " + reason}
		}
	}
	for at := range d.accepted {
		if !kept[at] {
			delete(d.accepted, at)
		}
	}
	for at := range d.awaited {
		if rank == 0 {
			rank, found = 1, Ready{Status: worst[1], Reason: core.DirectKey(at.topic, at.host) + " is not registered yet"}
		}
	}
	if rank == 0 && d.degraded != nil {
		return *d.degraded
	}
	return found
}

// of says how far one registration is from ready, as an index into worst, and why.
func (d *readiness) of(s *core.Status, at place, drains bool) (int, string) {
	if s.Standing != "pending" {
		d.accept(at)
	}
	switch {
	case s.Member.State == core.Draining || drains:
		return 4, "drains"
	case s.Standing == "removed":
		return 3, "was removed by name from outside, and is not kept any more"
	case s.Standing == "standing by":
		return 2, "stands by: a newer instance has the place"
	case !d.accepted[at]:
		return 1, "was not accepted yet"
	}
	return 0, ""
}

func (a *API) readyz(w http.ResponseWriter, _ *http.Request) error {
	now := a.readyNow(a.MatchMaker.Registrations())
	status := http.StatusServiceUnavailable
	if now.Status == "ready" || now.Status == "degraded" {
		status = http.StatusOK
	}
	return a.answer(w, status, now)
}

// readyNow says how this process is, with these registrations.
func (a *API) readyNow(all []core.Status) Ready {
	now := a.ready.now(all, a.shown(all))
	if now.Status == "ready" {
		now = a.doubted()
	}
	if now.err != nil {
		now.Reason = a.Message(now.err)
	}
	return now
}

// mostShown bounds how many topics are followed for the sake of drains from outside.
const mostShown = 100

// shown tells what views show of drains, which others may have announced or ended. The topics of this process's
// registrations are followed from the first time on, and nothing is waited for.
func (a *API) shown(all []core.Status) func(place) (drains, known bool) {
	drains := make(map[place]bool)
	topics := make(map[string]bool) // whether its view is fresh
	ended, end := context.WithCancel(context.Background())
	end()
	for i := range all {
		topic := all[i].Member.Topic
		if _, asked := topics[topic]; asked || !a.drains || len(topics) >= mostShown {
			continue
		}
		v, err := a.MatchMaker.Live().Members(ended, topic)
		if topics[topic] = err == nil && v.Stale == nil; err != nil {
			continue
		}
		for _, m := range v.Members {
			drains[place{topic, m.Host}] = m.State == core.Draining
		}
	}
	return func(at place) (bool, bool) { return drains[at], topics[at.topic] }
}

// doubted is ready, or degraded if a view is stale: who registers nothing sends no heartbeat that could fail.
func (a *API) doubted() Ready {
	now := Ready{Status: "ready"}
	for _, v := range a.MatchMaker.Live().Views() {
		if v.Stale == nil || now.Since != nil && !v.AsOf.Before(*now.Since) {
			continue
		}
		now.Status, now.err = "degraded", fmt.Errorf("topic %q: %w", v.Topic, v.Stale)
		if !v.AsOf.IsZero() { // else nothing was ever heard of it
			now.Since = new(v.AsOf.UTC())
		}
	}
	return now
}
