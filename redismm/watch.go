package redismm

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
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
	poll := time.NewTimer(f.untilPoll())
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
			f.poll()
			f.publish()
			if f.stranger() {
				return
			}
			poll.Reset(f.untilPoll())
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

// untilPoll is one interval, jittered; less while Redis does not answer.
func (f *follower) untilPoll() time.Duration {
	d := f.store.config.Freq
	if f.stale != nil {
		d = min(time.Second, max(d/4, 100*time.Millisecond))
	}
	return d - rand.N(d/10)
}

func (f *follower) publish() {
	if epoch := f.picture.version.epoch; epoch != f.epoch {
		if f.epoch != "" && f.store.sweeps.keeps(f.topic) { // Redis has lost what is kept from here
			f.store.wake()
		}
		f.epoch = epoch
	}
	v := f.picture.view(f.asOf, time.Since(f.looked))
	v.Stale = f.stale
	if v.Stale == nil && len(v.Members) == 0 && f.picture.contradicted { // not "nobody": nobody can tell
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

func (f *follower) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(f.ctx, f.store.config.RoundTimeout())
}

// read takes a snapshot.
func (f *follower) read(ctx context.Context, why reason) {
	f.store.counts.snapshots[why].Add(1)
	s, err := f.store.snapshot(ctx, f.store.read, f.topic, f.picture.hosts())
	if f.answered(err) {
		f.looked = f.asOf
		f.picture.since = time.Since(f.passed)
		f.picture.look(s)
	}
}

// answered notes that Redis answered, or why not. While it does not, the picture stands.
func (f *follower) answered(err error) bool {
	was := f.stale
	f.lost.Store(err != nil)
	if err != nil {
		f.picture.synced = false
		f.stale = f.store.unavailable(err)
		return false
	}
	f.asOf, f.stale = time.Now(), nil
	if was != nil {
		f.store.wake()
	}
	return true
}

// compare reads unless the version is the picture's and nothing is in doubt.
func (f *follower) compare(why reason) {
	ctx, cancel := f.bounded()
	defer cancel()
	if !f.picture.synced || f.picture.doubt || f.changes(ctx) {
		f.read(ctx, why)
	}
}

// changes says whether Redis answers that the topic is not as the picture has it.
func (f *follower) changes(ctx context.Context) bool {
	f.store.counts.glances.Add(1)
	now, err := f.store.glance(ctx, f.topic)
	f.glanced = now
	return f.answered(err) && !now.same(f.picture.version)
}

// denied says whether Redis refuses this user the channel.
func (f *follower) denied() bool { return f.ear != nil && f.ear.denied.Load() && !f.listens.Load() }

// caughtUp returns when everything that was published before the call has been handed over.
func (f *follower) caughtUp() error {
	if f.ear == nil || !f.listens.Load() {
		return errDeaf
	}
	ctx, cancel := f.bounded()
	defer cancel()
	return f.ear.caughtUp(ctx)
}

// poll compares. While members are held it reads, and counts the interval for them if it then has heard all
// that was told before it read: what was up and was lost again between two polls was told.
func (f *follower) poll() {
	f.attend()
	f.glanced = nil
	now := time.Now()
	if f.picture.holding() {
		f.pass(min(now.Sub(f.passed), f.store.config.Freq))
		f.passed = now
	} else {
		f.passed = now
		f.check()
	}
	if f.glanced == nil && f.stale == nil { // it read
		ctx, cancel := f.bounded()
		f.glanced, _ = f.store.glance(ctx, f.topic)
		cancel()
	}
	l := leaseUnknown
	if f.glanced != nil {
		l = f.glanced.lease
	}
	f.store.sweeps.tend(f.topic, 0, 0, l)
}

// pass reads, and counts an interval for those who are held.
func (f *follower) pass(interval time.Duration) {
	f.hearRest()
	ctx, cancel := f.bounded()
	f.read(ctx, forHeld)
	cancel()
	if f.stale != nil {
		return
	}
	var err error
	if !f.denied() { // without a subscription, what a poll reads is all there is
		err = f.caughtUp()
	}
	heard := f.hearRest()
	if err == nil && len(f.changed) == 0 {
		f.picture.pass(interval)
	}
	if !heard {
		f.compare(forMessage)
	}
}

// check compares, and finds out whether what changed was published and not handed over.
func (f *follower) check() {
	ctx, cancel := f.bounded()
	defer cancel()
	if f.picture.synced && !f.picture.doubt {
		if !f.changes(ctx) || f.heardOf(f.glanced.version) {
			return
		}
		again, cancel := f.bounded() // to hear may have taken its time
		defer cancel()
		ctx = again
	}
	f.read(ctx, forPoll)
}

// heardOf hears what was told before Redis answered that the topic is at a version, and says whether that
// explains it. If nothing was told, the subscription is deaf.
func (f *follower) heardOf(now version) bool {
	was := f.picture.version
	if f.stale != nil || !now.after(was) || !f.listens.Load() {
		return false
	}
	if err := f.caughtUp(); err != nil {
		if f.ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) { // Redis has just answered
			f.ear.deaf()
		}
		return false
	}
	if len(f.changed) > 0 {
		return false
	}
	heard := f.hearRest()
	if heard && f.picture.version == was {
		f.ear.deaf()
	}
	return heard && f.picture.version != was
}
