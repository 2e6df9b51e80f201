// Package hand is a process of a world that fails: it keeps hosts, or follows topics, and notes all that it was
// told and saw.
package hand

import (
	"context"
	"maps"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration/history"
	"github.com/redismm/matchmaker/redismm"
)

// Hand is a process: it keeps hosts, or follows topics, and notes all of it.
type Hand struct {
	name     string
	recorder *history.Recorder
	store    *redismm.Store
	maker    *core.HeartbeatMatchMaker
	end      context.CancelFunc
	ended    context.Context // by end
	runs     func()
	going    sync.WaitGroup

	mu     sync.Mutex
	wants  map[Place]bool
	events map[string]int
	heldUp time.Time // last
}

// Place is a host under a topic.
type Place struct{ Topic, Host string }

// Beginning says who a process is, and in which history: Began is the moment at which that began.
type Beginning struct {
	Name, DSN string
	Beat      core.HeartbeatConfig
	Began     time.Duration
}

// Begin opens the registry.
func (h *Hand) Begin(b Beginning, _ *int) (err error) {
	logging.Disable() // an outage is no news here
	h.name, h.wants, h.events = b.Name, make(map[Place]bool), make(map[string]int)
	if h.recorder, err = history.NewRecorderOf(b.Beat.TTL, b.Began); err != nil {
		return err
	}
	if h.store, err = redismm.OpenStore(b.DSN, redismm.Config{HeartbeatConfig: b.Beat}); err != nil {
		return err
	}
	b.Beat.Observe = func(e core.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events[e.Kind.String()]++
	}
	h.maker, err = core.NewHeartbeat(&history.Told{Store: h.store, Recorder: h.recorder, Process: h.name}, b.Beat)
	h.ended, h.end = context.WithCancel(context.Background())
	h.runs = sync.OnceFunc(func() { h.going.Go(func() { _ = h.maker.Run(h.ended) }) })
	h.going.Go(func() { h.minds(b.Beat.Freq / 4) })
	return err
}

// minds notes when the machine did not let this process run: what it did not do then is not the registry's fault.
func (h *Hand) minds(tolerance time.Duration) {
	tick := time.NewTicker(tolerance / 8)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-tick.C:
		case <-h.ended.Done():
			return
		}
		now := time.Now()
		if now.Sub(last) > tolerance {
			h.mu.Lock()
			h.heldUp = now
			h.mu.Unlock()
			h.recorder.Was(history.Event{What: history.Fault, Name: HeldUp, Process: h.name}, last, now)
		}
		last = now
	}
}

// HeldUp names the time in which the machine did not let a process run.
const HeldUp = "held up by the machine"

// Register wants places from now on. What cannot be told now, the heartbeats tell.
func (h *Hand) Register(places []Place, _ *int) error {
	rs := make([]core.Registration, len(places))
	h.mu.Lock()
	for i, at := range places {
		h.wants[at] = true
		h.recorder.Registering(h.name, at.Topic, at.Host)
		rs[i] = core.Registration{Topic: at.Topic, Host: at.Host, Addr: h.name + ".test:8080"}
	}
	h.mu.Unlock()
	_ = h.maker.Register(context.Background(), rs...)
	h.runs()
	return nil
}

// Leave leaves places, now or as soon as the registry can be told.
func (h *Hand) Leave(places []Place, _ *int) error {
	for _, at := range places {
		h.mu.Lock()
		delete(h.wants, at)
		h.recorder.Leaving(h.name, at.Topic, at.Host)
		h.mu.Unlock()
		_ = h.maker.Unregister(context.Background(), at.Topic, at.Host)
	}
	return nil
}

// Drain wants no more work at places.
func (h *Hand) Drain(places []Place, _ *int) error {
	for _, at := range places {
		h.recorder.Draining(h.name, at.Topic, at.Host)
		_ = h.maker.Drain(context.Background(), at.Topic, at.Host)
	}
	return nil
}

// Finish leaves all places, as the end of a program does, and returns what was noted.
func (h *Hand) Finish(_ int, noted *[]history.Event) error {
	h.mu.Lock()
	for at := range h.wants {
		h.recorder.Leaving(h.name, at.Topic, at.Host)
	}
	h.mu.Unlock()
	h.end()
	h.going.Wait()
	return h.Surrender(0, noted)
}

// Surrender returns what was noted until now. Nothing is noted any more: the process is about to be killed.
func (h *Hand) Surrender(_ int, noted *[]history.Event) error {
	h.recorder.Ended(h.name)
	*noted = h.recorder.Events()
	return nil
}

// Watching says which topics to follow, and how often to look one up: in memory, and in the registry.
type Watching struct {
	Topics     []string
	Pick, Read time.Duration
}

// Watch follows topics.
func (h *Hand) Watch(w Watching, _ *int) error {
	for _, topic := range w.Topics {
		h.going.Go(func() { h.recorder.Watch(h.ended, h.name, h.maker.Live(), topic) })
		h.every(w.Pick, func() {
			asked := time.Now()
			routes, err := h.maker.Resolve(h.ended, topic)
			h.recorder.Picked(h.name, topic, asked, routes, err)
		})
		h.every(w.Read, func() {
			ctx, cancel := context.WithTimeout(h.ended, time.Second)
			defer cancel()
			asked := time.Now()
			v, err := h.store.Members(ctx, topic)
			if h.ended.Err() == nil {
				h.recorder.Read(h.name, topic, asked, v, err)
			}
		})
	}
	return nil
}

// every does something every so often; 0 for never.
func (h *Hand) every(d time.Duration, do func()) {
	if d == 0 {
		return
	}
	h.going.Go(func() {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-h.ended.Done():
				return
			}
			do()
		}
	})
}

// Shown returns how many members a topic has in memory, none of them held; -1 if the view is stale.
func (h *Hand) Shown(topic string, n *int) error {
	v, err := h.maker.Live().Members(h.ended, topic)
	if *n = -1; err != nil || v.Stale != nil {
		return nil
	}
	*n = 0
	for _, m := range v.Members {
		if !m.Held {
			*n++
		}
	}
	return nil
}

// Notes are what a process met beside its history.
type Notes struct {
	Events map[string]int // by kind
	Stats  redismm.Stats
	Calm   time.Duration // since the machine last held it up

	Goroutines int
}

// Notes returns what the process met.
func (h *Hand) Notes(_ int, n *Notes) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	*n = Notes{maps.Clone(h.events), h.store.Stats(), time.Since(h.heldUp), runtime.NumGoroutine()}
	return nil
}

// Ahead returns how far the process's wall clock is from the test's, which was read just before.
func (h *Hand) Ahead(of time.Time, by *time.Duration) error {
	*by = time.Now().Round(0).Sub(of.Round(0))
	return nil
}
