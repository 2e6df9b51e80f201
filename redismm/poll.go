package redismm

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// untilPoll is what is left of one interval, jittered, since the last poll began; less while Redis does not answer.
func (f *follower) untilPoll(began time.Time) time.Duration {
	d := f.store.config.Freq
	if f.stale != nil {
		d = min(time.Second, max(d/4, 100*time.Millisecond))
		return d - rand.N(d/10)
	}
	return restOf(d, time.Since(began))
}

// restOf is what is left of an interval, jittered, after what took some of it: a quarter at least.
func restOf(freq, took time.Duration) time.Duration {
	return max(freq-rand.N(freq/10)-took, freq/4)
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
		f.picture.attest()
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
	if f.denied() { // without a subscription, what a poll reads is all there is
		f.picture.attest()
	} else {
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
