package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Live follows topics and answers lookups in them from memory: without a lock, an allocation or I/O once a
// topic is known. The first lookup of a topic begins to follow it and waits for its first view. When the
// registry fails, the last view goes on answering.
//
// It is bounded: a topic that nobody asked for in 10 minutes, or in a minute if it was never heard of, is let
// go, and beyond 10,000 topics a lookup asks the registry each time.
//
// Live has the [Exchanges] methods and is a [Watcher]: any number of readers of a topic cost one watch. All
// methods may be called at once.
type Live struct {
	ctx    context.Context
	from   Watcher
	policy Policy
	grace  time.Duration                        // in which hosts are back after a loss
	known  atomic.Pointer[map[string]*followed] // most of all, or all; never changed
	going  sync.WaitGroup

	mu     sync.Mutex // for what follows, and for the readers and idle times in all
	all    map[string]*followed
	missed int // lookups that found in all what known does not have yet
	tidies bool
}

// followed is one topic: the views for those who watch, and the newest of them made ready for lookups.
type followed struct {
	feed    Feed
	now     atomic.Pointer[prepared] // nil before the first lookup
	laying  sync.Mutex               // while a view is laid out
	forgets *time.Timer              // at the end of the newest view's lostUntil; guarded by laying
	asked   atomic.Bool              // since letGo last looked
	end     context.CancelFunc
	readers int
	idle    time.Duration
}

const (
	mostFollowed = 10_000
	tidyEvery    = time.Minute
	idleKnown    = 10 * time.Minute
	idleUnknown  = time.Minute
)

// NewLive follows topics of from until ctx ends, and picks by p; nil is [Random].
func NewLive(ctx context.Context, from Watcher, p Policy) *Live {
	if p == nil {
		p = Random
	}
	l := &Live{ctx: ctx, from: from, policy: p, grace: graceAt(DefaultFreq), all: make(map[string]*followed)}
	l.known.Store(new(map[string]*followed))
	return l
}

// graceAt is how long hosts that beat at an interval may take to be back after a loss.
func graceAt(freq time.Duration) time.Duration { return freq + time.Second }

// Wait returns when every watch has ended after the end of ctx.
func (l *Live) Wait() {
	<-l.ctx.Done()
	l.mu.Lock()
	begun := &l.going // by now, whoever was about to begin one has
	l.mu.Unlock()
	begun.Wait()
}

// TopicExchange answers one of the topic's pickable members, by the policy.
func (l *Live) TopicExchange(ctx context.Context, key string) ([]Route, error) {
	p, err := l.lookup(ctx, key)
	if err != nil {
		return nil, err
	}
	if p.none != nil {
		return nil, p.none
	}
	i := p.pick(ctx)
	return p.picked[i : i+1 : i+1], nil
}

// FanoutExchange answers every member of the fanout key's topic.
func (l *Live) FanoutExchange(ctx context.Context, key string) ([]Route, error) {
	topic, ok := FanoutTopic(key)
	if !ok {
		return nil, Invalid("key", key, "a fanout exchange wants fanout~topic")
	}
	p, err := l.lookup(ctx, topic)
	if err != nil {
		return nil, err
	}
	return p.all, p.none
}

// DirectExchange answers the host that the key names, with its Member where the topic's view shows it. It
// never checks liveness, so a registry that cannot be asked does not fail it.
func (l *Live) DirectExchange(ctx context.Context, key string) ([]Route, error) {
	topic, host, ok := SplitDirect(key)
	if !ok {
		return nil, Invalid("key", key, "a direct exchange wants topic.host")
	}
	if p, err := l.lookup(ctx, topic); err == nil {
		if i, found := p.at(host); found {
			return p.all[i : i+1 : i+1], nil
		}
	}
	return DirectExchange(ctx, key)
}

// Members returns the newest view; if the topic was not followed, it is from now on. The view may be stale,
// and says so.
func (l *Live) Members(ctx context.Context, topic string) (*View, error) {
	p, err := l.lookup(ctx, topic)
	if err != nil {
		return nil, err
	}
	return p.view, nil
}

// Watch yields the views of a topic, as [Watcher] says.
func (l *Live) Watch(ctx context.Context, topic string) iter.Seq[*View] {
	return func(yield func(*View) bool) {
		t := l.follow(topic, 1)
		if t == nil {
			l.from.Watch(ctx, topic)(yield)
			return
		}
		defer l.leave(t)
		t.feed.Views(ctx)(yield)
	}
}

// WaitFor returns the first view of a topic that shows at least n members that are up and not held. Its error
// is an [ErrUnavailable] that says how many there were when ctx ended.
func (l *Live) WaitFor(ctx context.Context, topic string, n int) (*View, error) {
	up := 0
	for v := range l.Watch(ctx, topic) {
		up = 0
		for _, m := range v.Members {
			if m.State == Up && !m.Held {
				up++
			}
		}
		if up >= n {
			return v, nil
		}
	}
	return nil, fmt.Errorf("%w: topic %q has %d members that are up, not %d: %w", ErrUnavailable, topic, up, n, context.Cause(ctx))
}

// Views returns the newest view of each topic that is followed now, in the order of the topics. It asks nobody,
// and a topic whose first view is still to come is not among them.
func (l *Live) Views() []*View {
	l.mu.Lock()
	all := slices.Collect(maps.Values(l.all))
	l.mu.Unlock()
	views := make([]*View, 0, len(all))
	for _, t := range all {
		if v, _ := t.feed.Last(); v != nil {
			views = append(views, v)
		}
	}
	slices.SortFunc(views, func(a, b *View) int { return cmp.Compare(a.Topic, b.Topic) })
	return views
}

// lookup returns the newest view of a topic, laid out.
func (l *Live) lookup(ctx context.Context, topic string) (*prepared, error) {
	if t := (*l.known.Load())[topic]; t != nil && t.asked.Load() {
		if p := t.now.Load(); p != nil {
			return p, nil
		}
	}
	return l.lookFurther(ctx, topic)
}

// lookFurther looks a topic up that is not known yet, has no view that is laid out, or was not asked for lately.
func (l *Live) lookFurther(ctx context.Context, topic string) (*prepared, error) {
	t := l.find(topic)
	if t == nil {
		if CheckTopic(topic) != nil { // nobody can be there
			return nil, fmt.Errorf("%w: %q", ErrUnknownTopic, topic)
		}
		if t = l.follow(topic, 0); t == nil {
			return l.ask(ctx, topic)
		}
	}
	t.asked.Store(true)
	if p := t.now.Load(); p != nil {
		return p, nil
	}
	for range t.feed.Views(ctx) {
		break
	}
	if p := t.ready(l.policy); p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%w: topic %q: %w", ErrUnavailable, topic, context.Cause(ctx))
}

// find returns what is followed of a topic, or nil. What was followed lately is looked for under the lock; it
// becomes known once that cost as much as a copy does.
func (l *Live) find(topic string) *followed {
	if t := (*l.known.Load())[topic]; t != nil {
		return t
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.all[topic]
	if t != nil {
		if l.missed++; l.missed >= len(l.all)/8 {
			l.publish()
		}
	}
	return t
}

// publish makes all known. The caller holds mu.
func (l *Live) publish() {
	known := maps.Clone(l.all)
	l.known.Store(&known)
	l.missed = 0
}

var errWatchEnded = errors.New("the watch has ended")

// ask looks a topic up in the registry, when as many are followed as may be.
func (l *Live) ask(ctx context.Context, topic string) (*prepared, error) {
	v, err := l.from.Members(ctx, topic)
	if err != nil {
		return nil, err
	}
	return prepare(v, l.policy, nil), nil
}

// follow begins to follow a topic, unless it is followed, and adds to its readers. It returns nil when no
// more can be followed.
func (l *Live) follow(topic string, readers int) *followed {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.all[topic]
	if t == nil {
		if len(l.all) >= mostFollowed {
			return nil
		}
		t = new(followed)
		t.asked.Store(true)
		l.all[topic] = t
		l.begin(t, topic)
	}
	t.readers += readers
	return t
}

// begin starts the watch of a topic. The caller holds mu.
func (l *Live) begin(t *followed, topic string) {
	ctx, end := context.WithCancel(l.ctx)
	t.end = end
	if l.ctx.Err() != nil {
		l.show(t, &View{Topic: topic, AsOf: time.Now(), Stale: context.Cause(l.ctx)})
		return
	}
	l.going.Go(func() {
		last := View{Topic: topic, AsOf: time.Now()}
		for v := range l.from.Watch(ctx, topic) {
			last = *v
			l.show(t, v)
		}
		last.Stale = cmp.Or(context.Cause(l.ctx), errWatchEnded)
		l.show(t, &last)
	})
	if !l.tidies {
		l.tidies = true
		l.going.Go(l.tidy)
	}
}

// leave ends one reading of a topic.
func (l *Live) leave(t *followed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.readers--
	t.asked.Store(true)
}

// tidy lets topics go that nobody asks for.
func (l *Live) tidy() {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.letGo()
		case <-l.ctx.Done():
			return
		}
	}
}

func (l *Live) letGo() {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.all)
	for topic, t := range l.all {
		if t.asked.Swap(false) || t.readers > 0 {
			t.idle = 0
			continue
		}
		if t.idle += tidyEvery; t.idle >= t.patience() {
			delete(l.all, topic)
			t.end()
		}
	}
	if len(l.all) < n {
		l.publish()
	}
}

// patience is how long a topic is followed though nobody asks for it.
func (t *followed) patience() time.Duration {
	if v, _ := t.feed.Last(); v != nil && errors.Is(v.Err(), ErrUnknownTopic) {
		return idleUnknown
	}
	return idleKnown
}

// show makes v the newest view. It is laid out for lookups before anybody sees it, unless nobody has looked
// the topic up yet.
func (l *Live) show(t *followed, v *View) {
	t.laying.Lock()
	defer t.laying.Unlock()
	l.put(t, v)
}

// put is show. The caller holds laying.
func (l *Live) put(t *followed, v *View) {
	last, _ := t.feed.Last()
	v = v.after(last, l.grace)
	if t.now.Load() != nil {
		t.lay(v, l.policy)
	}
	t.feed.Set(v)
	if len(v.lost) > 0 && v.Stale == nil && t.forgets == nil {
		t.forgets = time.AfterFunc(time.Until(v.lostUntil), func() { l.forget(t) })
	}
}

// forget shows the newest view again when what it lost does not speak for anybody any more.
func (l *Live) forget(t *followed) {
	t.laying.Lock()
	defer t.laying.Unlock()
	t.forgets = nil
	if v, _ := t.feed.Last(); l.ctx.Err() == nil && len(v.lost) > 0 {
		l.put(t, v)
	}
}

// ready returns the newest view laid out, if there is one.
func (t *followed) ready(policy Policy) *prepared {
	t.laying.Lock()
	defer t.laying.Unlock()
	if v, _ := t.feed.Last(); v != nil && t.now.Load() == nil {
		t.lay(v, policy)
	}
	return t.now.Load()
}

// lay makes a view ready for lookups. The caller holds laying. A view that shows the same members to pick from
// as the one before keeps its pick, so that a round robin goes on where it was; a host that only has a new
// instance is the same.
func (t *followed) lay(v *View, policy Policy) {
	old := t.now.Load()
	p := prepare(v, policy, old)
	if old != nil && old.byHost.Load() != nil { // then somebody will ask this one
		p.index()
	}
	t.now.Store(p)
}
