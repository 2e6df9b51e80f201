package coretest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/redismm/matchmaker/core"
)

// minute is what the best effort of listings may take.
const minute = time.Minute

// watch is one that runs, and what it has shown so far.
type watch struct {
	p     *process
	mu    sync.Mutex
	views []*core.View
}

// watches begins a watch that ends with the test, and waits for its first view.
func (p *process) watches(topic string) *watch {
	p.Helper()
	w := &watch{p: p}
	ctx, end := context.WithCancel(p.Context())
	var going sync.WaitGroup
	going.Go(func() {
		for v := range p.backend.Watch(ctx, topic) {
			w.mu.Lock()
			w.views = append(w.views, v)
			w.mu.Unlock()
		}
	})
	p.Cleanup(func() {
		end()
		going.Wait()
	})
	p.until(time.Second, "a first view", func() bool { return len(w.shown()) > 0 })
	return w
}

// shown returns the views so far.
func (w *watch) shown() []*core.View {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.views)
}

// shows waits until the newest view is as wanted, and returns when it was.
func (w *watch) shows(within time.Duration, what string, wanted func(v *core.View) bool) time.Time {
	w.p.Helper()
	w.p.until(within, what, func() bool {
		views := w.shown()
		return wanted(views[len(views)-1])
	})
	return time.Now()
}

func only(hosts ...string) func(*core.View) bool {
	return func(v *core.View) bool { return v.Stale == nil && slices.Equal(hostsOf(v), hosts) }
}

func held(host string) func(*core.View) bool {
	return func(v *core.View) bool { return slices.Equal(hostsOf(v), []string{host}) && v.Members[0].Held }
}

func notHeld(host string) func(*core.View) bool {
	return func(v *core.View) bool { return only(host)(v) && !v.Members[0].Held }
}

func firstView(p *process) {
	p = p.lasting()
	c := whole("compute", "node1")
	p.registers(core.Joined, c)
	v := p.another().watches("compute").shown()[0]
	if !only("node1")(v) || v.Topic != "compute" || v.Version == (core.Version{}) || v.AsOf.IsZero() {
		p.Fatalf("first view %+v", v)
	}
	p.same(v.Members[0], c)
}

func firstJoin(p *process) {
	p = p.lasting()
	w := p.watches("compute")
	if err := w.shown()[0].Err(); !errors.Is(err, core.ErrUnknownTopic) {
		p.Errorf("first view: %v, want ErrUnknownTopic", err)
	}
	p.another().lasting().registers(core.Joined, claim("compute", "node1"))
	w.shows(soon, "the first join", notHeld("node1"))
}

func leaveIsSeen(p *process) {
	p = p.lasting()
	a, b := claim("compute", "a"), claim("compute", "b")
	p.registers(core.Joined, a, b)
	w := p.another().watches("compute")
	p.leaves(core.Left, a)
	w.shows(soon, "the first departure", only("b"))
	p.leaves(core.Left, b)
	w.shows(soon, "the last departure", func(v *core.View) bool { return errors.Is(v.Err(), core.ErrNoHosts) })
	c := claim("compute", "c")
	p.registers(core.Joined, c)
	w.shows(soon, "a join after that", notHeld("c"))
	p.leaves(core.Left, claim("compute", "c"))
	w.shows(soon, "a removal by name", only())
	for _, v := range w.shown() {
		for _, m := range v.Members {
			if m.Held {
				p.Fatalf("%s was held, though nobody lapsed", m.Host)
			}
		}
	}
}

func lapsedIsHeld(p *process) {
	p.registers(core.Joined, claim("compute", "node1"))
	w := p.another().watches("compute")
	w.shows(soon, "the join", notHeld("node1"))
	since := w.shows(p.ttl+soon, "the lapsed one held", held("node1"))
	gone := w.shows(3*p.ttl+soon, "the lapsed one gone", only())
	if gone.Sub(since) < p.ttl/2 {
		p.Errorf("held for %s, want a TTL of %s", gone.Sub(since), p.ttl)
	}
}

func lostIsHeld(p *process) {
	p = p.lasting()
	c := claim("compute", "node1")
	p.registers(core.Joined, c)
	w := p.another().lasting().watches("compute")
	p.Flush()
	w.shows(minute, "the lost one held", held("node1"))
	p.beats(core.Joined, c)
	w.shows(minute, "the lost one back", notHeld("node1"))
	for _, v := range w.shown() {
		if !slices.Equal(hostsOf(v), []string{"node1"}) {
			p.Errorf("a view without it: %+v", v)
		}
	}
}

func takeoverIsSeen(p *process) {
	p = p.lasting()
	q := p.another().lasting()
	old := claim("compute", "node1")
	p.registers(core.Joined, old)
	w := q.watches("compute")
	var newest *core.Claim
	for range 5 {
		newest = claim("compute", "node1")
		q.registers(core.Replaced, newest)
		p.beats(core.Superseded, old)
	}
	w.shows(soon, "the newest", func(v *core.View) bool { return notHeld("node1")(v) && v.Members[0].Instance == newest.Instance })
	last := ""
	for _, v := range w.shown() {
		if !only("node1")(v) || v.Members[0].Instance < last {
			p.Fatalf("after instance %q: %+v", last, v)
		}
		last = v.Members[0].Instance
	}
}

func drainIsSeen(p *process) {
	p = p.lasting()
	c := claim("compute", "node1")
	p.registers(core.Joined, c)
	w := p.another().watches("compute")
	c.State = core.Draining
	p.beats(core.Changed, c)
	w.shows(soon, "the drain", func(v *core.View) bool { return only("node1")(v) && v.Members[0].State == core.Draining })
}

func slowReader(p *process) {
	p = p.lasting()
	ctx, cancel := context.WithTimeout(p.Context(), 2*soon)
	defer cancel()
	next, stop := iter.Pull(p.another().backend.Watch(ctx, "compute"))
	defer stop()
	if _, ok := next(); !ok {
		p.Fatal("no first view")
	}
	const joins = 50
	for i := range joins {
		p.registers(core.Joined, claim("compute", fmt.Sprintf("node%d", i)))
	}
	for reads := 1; ; reads++ {
		v, ok := next()
		if !ok || reads > joins/5 {
			p.Fatalf("the newest view was not among %d reads after %d changes", reads, joins)
		}
		if len(v.Members) == joins {
			return
		}
	}
}

func watchEnds(p *process) {
	ctx, end := context.WithCancel(p.Context())
	ended := make(chan struct{})
	seen := make(chan struct{}, 1)
	go func() {
		defer close(ended)
		for range p.backend.Watch(ctx, "compute") {
			select {
			case seen <- struct{}{}:
			default:
			}
		}
	}()
	late := time.After(2 * soon)
	select {
	case <-seen:
	case <-late:
		p.Fatal("no first view")
	}
	end()
	select {
	case <-ended:
	case <-late:
		p.Fatal("the watch did not end with its context")
	}
	for range p.backend.Watch(ctx, "compute") { // ends though its context ended before it began
	}
}
