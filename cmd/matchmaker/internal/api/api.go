package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
)

// Config is what an API serves.
type Config struct {
	// MatchMaker keeps what is registered, and follows what is asked for.
	MatchMaker *core.HeartbeatMatchMaker
	// Resolve answers keys; nil is the MatchMaker's.
	Resolve core.Exchange
	// Drain drains a host from outside for d, or ends that with 0; nil is [core.ErrUnsupported].
	Drain func(ctx context.Context, topic, host string, d time.Duration, reason string) error
	// Lives says how long hosts of a topic have left, and which are drained from outside; nil is that nobody knows.
	Lives func(ctx context.Context, topic string, hosts []string) (*redismm.Lives, error)
	// Freq and TTL are how the MatchMaker keeps what is registered.
	Freq, TTL time.Duration
	// Awaited are registrations that are to be kept, though perhaps not yet: the process is not ready before.
	Awaited []core.Registration
	// Registered is told of each place that is registered, or registered anew, here; nil is silence.
	Registered func(ctx context.Context, topic, host string)
	// Complete completes and checks what is to be registered; nil leaves it as it is.
	Complete func(context.Context, core.Registration) (core.Registration, error)
	// Message is the text of an error for people; nil is its own.
	Message func(error) string
	// Timeout bounds each request but those for changes; 0 means 2 s.
	Timeout time.Duration
	// More are other pages, by path: GET alone, on both handlers.
	More map[string]http.Handler
	// Answered is told of each request that was answered: the path as the document names it, empty if there is
	// none, and the status. It is called from many goroutines; nil is silence.
	Answered func(path string, status int)
}

// API serves a matchmaker. Its handlers may be used at once, and by several servers.
type API struct {
	Config
	drains    bool // there are drains from outside
	ready     readiness
	tellings  tellings // to callers on this machine
	strangers tellings
	targets   targets
	verbs     gate
	going     sync.WaitGroup
	end       context.CancelFunc
}

// New returns an API, which watches over the matchmaker's registrations until Close.
func New(c Config) *API {
	ctx, end := context.WithCancel(context.Background())
	a := &API{Config: c, drains: c.Drain != nil, verbs: gate{empty: make(chan struct{})}, end: end}
	if a.Resolve == nil {
		a.Resolve = c.MatchMaker.Resolve
	}
	if a.Drain == nil {
		a.Drain = func(context.Context, string, string, time.Duration, string) error { return core.ErrUnsupported }
	}
	if a.Complete == nil {
		a.Complete = func(_ context.Context, r core.Registration) (core.Registration, error) { return r, nil }
	}
	if a.Message == nil {
		a.Message = error.Error
	}
	if a.Registered == nil {
		a.Registered = func(context.Context, string, string) {}
	}
	if a.Answered == nil {
		a.Answered = func(string, int) {}
	}
	if a.Timeout == 0 {
		a.Timeout = 2 * time.Second
	}
	a.ready.begin(c.Awaited, c.Freq+time.Second)
	a.tellings.begin(ctx, c.MatchMaker.Live(), a.Message)
	a.strangers.begin(ctx, c.MatchMaker.Live(), a.Message)
	a.tellings.pulse.begin(a, &a.tellings)
	a.strangers.pulse.begin(a, &a.strangers)
	a.going.Go(func() { a.ready.follow(ctx, c.MatchMaker) })
	return a
}

// Leaving says that the process is about to leave: /readyz says that it drains, no verb is begun any more, and
// Leaving returns when those under way have ended, within Timeout and a second, or when ctx ends.
func (a *API) Leaving(ctx context.Context) {
	a.ready.leave()
	a.verbs.shut()
	select {
	case <-a.verbs.empty:
	case <-ctx.Done():
	}
}

// Close ends the streams of changes, which their readers may take up elsewhere, and returns when what it began has
// ended. Requests that ask once go on. Close may be called twice.
func (a *API) Close() {
	a.ready.leave()
	a.end()
	a.going.Wait()
	a.tellings.going.Wait()
	a.strangers.going.Wait()
}

// gate lets verbs in until it is shut.
type gate struct {
	mu     sync.Mutex
	closed bool
	in     int
	empty  chan struct{} // closed when the gate is shut and nobody is in any more
}

// enter says whether a verb may begin; leave ends it.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.in++
	}
	return !g.closed
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.in--
	if g.closed && g.in == 0 {
		close(g.empty)
	}
}

// shut lets nobody in any more. It may be called twice.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed && g.in == 0 {
		close(g.empty)
	}
	g.closed = true
}
