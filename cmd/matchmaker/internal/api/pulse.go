package api

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redismm/matchmaker/core"
)

const (
	// pulseEvery is the time between two beats of the pulse, and pulseTimeout bounds the question of each whether the
	// registry answers.
	pulseEvery   = time.Second
	pulseTimeout = 800 * time.Millisecond
	// mostHosts bounds the hosts whose lives are asked for in one beat, but for the last topic of it.
	mostHosts = 2000
	// mostSurveyed bounds the topics that a reader of everything is told of, and mostSurveys the readers.
	mostSurveyed = 200
	mostSurveys  = 50
)

// pulse asks, for as long as somebody reads everything, what no view tells: which topics there are, whether the registry
// answers, and how long hosts have left. It asks once for all readers of some tellings.
type pulse struct {
	api *API
	of  *tellings
	any bell

	mu      sync.Mutex
	readers int
	stop    context.CancelFunc // while there are readers
	newest  beat
}

// beat is what came of asking. It is immutable.
type beat struct {
	n       uint64 // 0 before the first
	topics  []string
	process []byte // an event
	lives   map[string]livesEvent
}

// livesEvent is the newest event about the lives of a topic, and the beat that it is of.
type livesEvent struct {
	n     uint64
	frame []byte
}

func (p *pulse) begin(a *API, of *tellings) { p.api, p.of = a, of }

// join adds a reader; false if there are as many as may be, or all has ended.
func (p *pulse) join() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.readers >= mostSurveys || p.of.ctx.Err() != nil {
		return false
	}
	p.readers++
	if p.readers == 1 {
		p.newest = beat{} // it is old
		ctx, stop := context.WithCancel(p.of.ctx)
		p.stop = stop
		p.of.going.Go(func() { p.run(ctx) })
	}
	return true
}

func (p *pulse) part() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.readers--; p.readers == 0 {
		p.stop()
	}
}

// now returns the newest beat.
func (p *pulse) now() beat {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.newest
}

// run asks until ctx ends.
func (p *pulse) run(ctx context.Context) {
	q := question{api: p.api}
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	for {
		b := q.ask(ctx)
		p.mu.Lock()
		if ctx.Err() == nil {
			p.newest = b
		}
		p.mu.Unlock()
		p.any.ring()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// question is what the beats of a run have in common.
type question struct {
	api    *API
	heard  time.Time // the last answer of the registry
	topics []string  // as it last listed them
	turn   int       // of the topics whose lives are asked for
	last   beat
}

// ask asks for one beat.
func (q *question) ask(ctx context.Context) beat {
	ctx, cancel := context.WithTimeout(ctx, pulseTimeout)
	defer cancel()
	all := q.api.MatchMaker.Registrations()
	b := beat{n: q.last.n + 1, lives: make(map[string]livesEvent)}
	asked := time.Now()
	names, err := q.api.MatchMaker.Backend().Topics(ctx)
	if err == nil {
		q.topics = names
	}
	b.topics = q.api.known(q.topics, all)
	leftOut := max(0, len(b.topics)-mostSurveyed)
	b.topics = b.topics[:len(b.topics)-leftOut]
	for _, topic := range b.topics {
		if l, ok := q.last.lives[topic]; ok {
			b.lives[topic] = l
		}
	}
	if err == nil && q.api.Lives != nil {
		err = q.lives(ctx, &b)
	}
	p := q.api.processOf(all)
	p.Topics, p.TopicsLeftOut, p.Registry = b.topics, leftOut, Registry{Answers: err == nil}
	if err == nil {
		q.heard = asked
	} else {
		p.Registry.Error = q.api.Message(err)
		if !q.heard.IsZero() {
			p.Registry.Since = new(q.heard.UTC())
		}
	}
	b.process = eventOf("sidecar", p)
	q.last = b
	return b
}

// known are the topics that the registry listed, those of the registrations kept here, and those of views that show
// somebody, whom the registry may have lost.
func (a *API) known(listed []string, all []core.Status) []string {
	names := append([]string{}, listed...)
	for _, v := range a.MatchMaker.Live().Views() {
		if len(v.Members) > 0 {
			names = append(names, v.Topic)
		}
	}
	for i := range all {
		if topic := all[i].Member.Topic; i == 0 || topic != all[i-1].Member.Topic {
			names = append(names, topic)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// lives asks how long hosts have left: of as many topics as have mostHosts together, by turns.
func (q *question) lives(ctx context.Context, b *beat) error {
	views := make(map[string]*core.View)
	for _, v := range q.api.MatchMaker.Live().Views() {
		views[v.Topic] = v
	}
	asked := 0
	for range b.topics {
		if q.turn >= len(b.topics) {
			q.turn = 0
		}
		v := views[b.topics[q.turn]]
		q.turn++
		if v == nil || len(v.Members) == 0 {
			continue
		}
		hosts := make([]string, len(v.Members))
		for i, m := range v.Members {
			hosts[i] = m.Host
		}
		l, err := q.api.Lives(ctx, v.Topic, hosts)
		if err != nil {
			return err
		}
		b.lives[v.Topic] = livesEvent{b.n, eventOf("lives", livesOf(v.Topic, l))}
		if asked += len(hosts); asked >= mostHosts {
			break
		}
	}
	return nil
}
