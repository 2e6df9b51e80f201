package redismm

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// ear is the one subscription connection of a store to a server. It hands messages to the followers of their channels,
// and tells them when some may have been lost.
type ear struct {
	store  *Store
	client *redis.Client
	quiet  time.Duration // after which a connection that says nothing is replaced
	ctx    context.Context
	end    context.CancelFunc
	going  sync.WaitGroup
	pings  atomic.Uint64
	denied atomic.Bool // Redis has refused a channel to this user

	turn chan struct{} // one subscribes or unsubscribes at a time, in the order of topics

	mu       sync.Mutex
	open     *redis.PubSub // nil while nobody listens
	lastDeaf time.Time
	topics   map[string]*follower
	waits    map[string]chan struct{} // by ping
}

func newEar(s *Store, server *redis.Client) *ear {
	ctx, end := context.WithCancel(context.Background())
	return &ear{store: s, client: server, quiet: 2 * s.config.Freq, ctx: ctx, end: end,
		turn: make(chan struct{}, 1), topics: make(map[string]*follower), waits: make(map[string]chan struct{})}
}

// listen begins to hand the messages of a channel to f.
func (e *ear) listen(channel string, f *follower) {
	e.turn <- struct{}{}
	defer func() { <-e.turn }()
	e.mu.Lock()
	e.topics[channel] = f
	sub := e.open
	if sub == nil {
		sub = e.client.Subscribe(e.ctx)
		e.open = sub
		e.store.counts.subscriptions.Add(1)
		e.going.Go(e.hearAll)
	}
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(f.ctx, time.Second)
	defer cancel()
	sub.Subscribe(ctx, channel) // if it fails, the next connection subscribes
}

// ignore ends it, unless another follower listens to the channel by now.
func (e *ear) ignore(channel string, f *follower) {
	e.turn <- struct{}{}
	defer func() { <-e.turn }()
	e.mu.Lock()
	other := e.topics[channel] != f
	if !other {
		delete(e.topics, channel)
	}
	sub, last := e.open, len(e.topics) == 0
	e.mu.Unlock()
	if other || sub == nil {
		return
	}
	if last {
		sub.Close() // and hearAll ends
		return
	}
	ctx, cancel := context.WithTimeout(e.ctx, time.Second)
	defer cancel()
	sub.Unsubscribe(ctx, channel)
}

// hearAll receives until the ear is closed. A connection that fails, or says nothing though it is pinged, is
// replaced, and everybody reads again.
func (e *ear) hearAll() {
	for e.ctx.Err() == nil {
		e.mu.Lock()
		sub := e.open
		e.mu.Unlock()
		asked := false
		for {
			got, err := sub.ReceiveTimeout(e.ctx, e.quiet)
			if redis.HasErrorPrefix(err, "NOPERM") { // which ends the subscription only
				e.denied.Store(true)
				if !e.store.toldDenied.Swap(true) {
					e.store.report(core.Event{Kind: core.Polling, Err: e.store.unavailable(err)})
				}
				continue
			}
			if err != nil && !asked && isTimeout(err) {
				asked = true
				if sub.Ping(e.ctx, "quiet") == nil {
					continue
				}
			}
			if err != nil {
				if asked && isTimeout(err) {
					e.store.counts.deaf.Add(1)
				}
				break
			}
			asked = false
			e.hear(got)
		}
		if !e.replace(sub) {
			return
		}
	}
}

func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

func (e *ear) hear(got any) {
	switch got := got.(type) {
	case *redis.Message:
		e.store.counts.messages.Add(1)
		if f := e.follower(got.Channel); f != nil {
			f.message(got.Payload)
		}
	case *redis.Subscription:
		if f := e.follower(got.Channel); f != nil && got.Kind == "subscribe" {
			e.denied.Store(false)
			f.subscribed()
		}
	case *redis.Pong:
		e.mu.Lock()
		wait := e.waits[got.Payload]
		delete(e.waits, got.Payload)
		e.mu.Unlock()
		if wait != nil {
			close(wait)
		}
	}
}

func (e *ear) follower(channel string) *follower {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.topics[channel]
}

// replace opens a new connection for every channel. If there is none, it says so, and nobody listens.
func (e *ear) replace(old *redis.PubSub) (listens bool) {
	old.Close()
	timer := time.NewTimer(e.quiet / 20)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.ctx.Done():
		return false
	}
	e.turn <- struct{}{}
	defer func() { <-e.turn }()
	e.mu.Lock()
	if len(e.topics) == 0 {
		e.open = nil
		e.mu.Unlock()
		return false
	}
	e.mu.Unlock()
	sub := e.client.Subscribe(e.ctx)
	e.store.counts.subscriptions.Add(1)
	e.mu.Lock()
	e.open = sub
	topics := maps.Clone(e.topics)
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(e.ctx, time.Second)
	defer cancel()
	for channel, f := range topics { // each by itself: one may be refused
		f.listens.Store(false)
		f.deaf()
		sub.Subscribe(ctx, channel)
	}
	return true
}

// deafEvery is how many times quiet at least lies between two connections that are given up as deaf: where
// nobody may publish, a new one hears no more.
const deafEvery = 10

// deaf is told by a follower, and gives up the connection, because something was published and did not come.
func (e *ear) deaf() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open == nil || time.Since(e.lastDeaf) < deafEvery*e.quiet {
		return
	}
	e.lastDeaf = time.Now()
	e.store.counts.deaf.Add(1)
	sub := e.open
	e.store.going.Go(func() { sub.Close() }) // which waits while go-redis dials; hearAll replaces it
}

var errDeaf = errors.New("nothing listens yet")

// caughtUp returns when everything that was published before the call has been handed over.
func (e *ear) caughtUp(ctx context.Context) error {
	ping := strconv.FormatUint(e.pings.Add(1), 10)
	wait := make(chan struct{})
	e.mu.Lock()
	sub := e.open
	if sub == nil {
		e.mu.Unlock()
		return errDeaf
	}
	e.waits[ping] = wait
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		delete(e.waits, ping)
		e.mu.Unlock()
	}()
	sent := make(chan error, 1)
	e.store.going.Go(func() { sent <- sub.Ping(ctx, ping) }) // which waits while go-redis dials
	for {
		select {
		case err := <-sent:
			if err != nil {
				return err
			}
		case <-wait:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stop ends the subscription; going tells when nothing listens any more.
func (e *ear) stop() {
	e.end()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open != nil {
		e.open.Close()
	}
}
