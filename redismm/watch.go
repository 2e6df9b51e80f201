package redismm

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/redismm/matchmaker/core"
)

// follower follows one topic for all its readers in this process: it subscribes, takes a snapshot, applies
// messages that follow on it, and reads again whenever one does not.
type follower struct {
	store   *Store
	topic   string
	feed    core.Feed
	ctx     context.Context
	end     context.CancelFunc
	readers int // guarded by store.mu

	inbox   chan string
	news    chan error    // of a stranger
	changed chan struct{} // the subscription began anew, or messages were lost
	listens atomic.Bool   // the subscription was confirmed, and stands
	lost    atomic.Bool   // Redis did not answer last

	// Owned by run.
	ear       *ear          // of the server that keeps the topic
	attending chan struct{} // closed when the last attend has come to its end
	picture   *picture
	asOf      time.Time // of the last answer of Redis
	looked    time.Time // of the last snapshot
	passed    time.Time // until when holds are counted
	stale     error
	glanced   *glance // by the last poll, nil if it read
	epoch     string  // of the last view
}

// Watch yields the views of a topic, as [core.Watcher] says. All readers of a topic in a store share one
// subscription.
func (s *Store) Watch(ctx context.Context, topic string) iter.Seq[*core.View] {
	return func(yield func(*core.View) bool) {
		if core.CheckTopic(topic) != nil { // nobody can be there, ever
			if yield(&core.View{Topic: topic, AsOf: time.Now()}) {
				<-ctx.Done()
			}
			return
		}
		f := s.follow(topic)
		defer s.unfollow(f)
		for v := range f.feed.Views(ctx) {
			if !yield(v) {
				return
			}
		}
	}
}

func (s *Store) follow(topic string) *follower {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.follows[topic]
	if f == nil {
		ctx, end := context.WithCancel(context.Background())
		attending := make(chan struct{})
		close(attending)
		f = &follower{store: s, topic: topic, ctx: ctx, end: end,
			inbox: make(chan string, 256), news: make(chan error, 1), changed: make(chan struct{}, 1),
			picture: newPicture(topic, s.config.TTL), attending: attending}
		s.follows[topic] = f
		if s.closed {
			end()
			f.stale = errClosed
			f.publish()
		} else {
			s.going.Go(f.run)
		}
	}
	f.readers++
	return f
}

func (s *Store) unfollow(f *follower) {
	s.mu.Lock()
	f.readers--
	last := f.readers == 0
	if last {
		delete(s.follows, f.topic)
	}
	s.mu.Unlock()
	if last {
		f.end()
	}
}

// message, subscribed and deaf are the ear's.
func (f *follower) message(text string) {
	select {
	case f.inbox <- text:
	default: // it reads instead
		f.deaf()
	}
}

func (f *follower) subscribed() {
	f.listens.Store(true)
	f.deaf()
}

func (f *follower) deaf() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// errClosed is why a view is not followed any more.
var errClosed = fmt.Errorf("%w: the store is closed", core.ErrUnavailable)

// firstView bounds how long a reader waits for the first view.
const firstView = 800 * time.Millisecond

// gather is the shortest time between two views that messages make.
const gather = 20 * time.Millisecond

func (f *follower) run() {
	first, cancel := context.WithTimeout(f.ctx, firstView)
	f.read(first, forFirst)
	cancel()
	f.publish()
	for f.ctx.Err() == nil {
		if f.stranger() {
			f.await()
		} else {
			f.follow()
		}
	}
	f.stale = errClosed
	f.publish()
}

// stranger says whether the topic was never heard of, as far as can be told.
func (f *follower) stranger() bool {
	return f.picture.version == version{} && len(f.picture.members) == 0 && !f.picture.contradicted
}

// await waits until the topic is heard of.
func (f *follower) await() {
	f.store.strangers.add(f)
	defer f.store.strangers.remove(f)
	for f.stranger() {
		select {
		case <-f.ctx.Done():
			return
		case err := <-f.news:
			if f.answered(err) {
				ctx, cancel := f.bounded()
				f.read(ctx, forFirst)
				cancel()
			}
			f.publish()
		}
	}
}

// follow subscribes, and follows the topic for as long as it is known.
func (f *follower) follow() {
	f.attend()
	defer f.turnAway()
	poll := time.NewTimer(f.untilPoll(time.Now()))
	defer poll.Stop()
	var draw <-chan time.Time
	var drawn time.Time
	for {
		select {
		case <-f.ctx.Done():
			return
		case text := <-f.inbox:
			if heard := f.hear(text); !f.hearRest() || !heard {
				f.compare(forMessage)
			}
			if draw == nil { // at once after a quiet time, else with what follows soon
				draw = time.After(gather - time.Since(drawn))
			}
		case <-draw:
			draw, drawn = nil, time.Now()
			f.publish()
		case <-f.changed:
			f.passed = time.Now() // what was told until now may not have been heard
			f.compare(forSubscription)
			f.publish()
		case <-poll.C:
			began := time.Now()
			f.poll()
			f.publish()
			if f.stranger() {
				return
			}
			poll.Reset(f.untilPoll(began))
		}
	}
}

// attend begins to listen at the server that keeps the topic, which may be another than before.
func (f *follower) attend() {
	ctx, cancel := f.bounded()
	defer cancel()
	e, err := f.store.ear(ctx, f.topic)
	select {
	case <-f.attending:
	default:
		err = errDeaf // not yet
	}
	if err != nil || e == f.ear && f.listens.Load() { // who is not confirmed asks again
		return
	}
	was, channel, done := f.ear, f.store.keys.channel(f.topic), make(chan struct{})
	f.listens.Store(false)
	f.ear, f.attending = e, done
	f.store.going.Go(func() { // which may take long
		defer close(done)
		e.listen(channel, f)
		if was != nil && was != e {
			was.ignore(channel, f)
		}
	})
}

// turnAway ends what attend began.
func (f *follower) turnAway() {
	<-f.attending
	if f.ear != nil {
		f.ear.ignore(f.store.keys.channel(f.topic), f)
	}
	f.listens.Store(false)
	f.ear = nil
}

func (f *follower) publish() {
	if epoch := f.picture.version.epoch; epoch != f.epoch {
		if f.epoch != "" && f.store.sweeps.keeps(f.topic) { // Redis has lost what is kept from here
			f.store.wake()
		}
		f.epoch = epoch
	}
	since := time.Since(f.looked)
	v := f.picture.view(f.asOf, since)
	v.Stale = f.stale
	if v.Stale == nil && len(v.Members) == 0 && f.picture.unsure(since) { // not "nobody": nobody can tell
		v.Stale = f.store.contradiction(f.topic)
	}
	last, _ := f.feed.Last()
	if last != nil && (last.Stale == nil) == (v.Stale == nil) && last.Version == v.Version && same(last, v) {
		return
	}
	f.feed.Set(v)
}

// same says whether two views of one version show the same, but for when.
func same(a, b *core.View) bool {
	if len(a.Members) != len(b.Members) {
		return false
	}
	for i := range a.Members {
		x, y := a.Members[i], b.Members[i]
		if x.Host != y.Host || x.Instance != y.Instance || x.Held != y.Held || x.State != y.State {
			return false
		}
	}
	return true
}

// hearRest applies the messages that wait, and returns false if the topic has to be asked.
func (f *follower) hearRest() bool {
	heard := true
	for {
		select {
		case text := <-f.inbox:
			heard = f.hear(text) && heard
		default:
			return heard
		}
	}
}

// hear applies a message, and returns false if the topic has to be asked.
func (f *follower) hear(text string) bool {
	f.picture.since = time.Since(f.passed)
	m, err := parseMessage(text)
	if err != nil {
		f.picture.synced = false
		return false
	}
	switch f.picture.hear(m) {
	case applied, known:
		return true
	case missing:
		f.picture.synced = false
	}
	return false
}
