package coretest

import (
	"context"
	"iter"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/redismm/matchmaker/core"
)

// sights is a topic as those who watch it see it: a member that lapsed, or that the registry lost, is held
// for one TTL; one that left, or was expired, is gone at once.
type sights struct {
	watched bool
	seen    map[string]*sight // by host
	feed    core.Feed
	timer   *time.Timer // for what will lapse next
}

// sight is a member as it is shown; until is when one that is held is dropped.
type sight struct {
	core.Member
	ttl   time.Duration
	until time.Time
}

// Watch yields the views of a topic.
func (m *Memory) Watch(ctx context.Context, topic string) iter.Seq[*core.View] {
	return func(yield func(*core.View) bool) {
		m.mu.Lock()
		r := m.room(topic)
		if !r.watched {
			r.watched = true
			m.refresh(r)
		}
		m.mu.Unlock()
		r.feed.Views(ctx)(yield)
	}
}

// refresh shows a topic as it is now, if anybody looks, and comes again when the next of it lapses.
func (m *Memory) refresh(r *room) {
	if !r.watched {
		return
	}
	if r.timer != nil {
		r.timer.Stop()
	}
	now := time.Now()
	v := core.View{Topic: r.topic, AsOf: now}
	old, _ := r.feed.Last()
	if m.broken != nil { // nobody can look
		if old != nil {
			v = *old
		}
		v.Stale = m.broken
		r.feed.Set(&v)
		return
	}
	next := r.look(now)
	v.Version = r.version
	for _, host := range slices.Sorted(maps.Keys(r.seen)) {
		m := r.seen[host].Member
		v.Members = append(v.Members, &m)
	}
	if old == nil || old.Stale != nil || old.Version != v.Version || !reflect.DeepEqual(old.Members, v.Members) {
		r.feed.Set(&v)
	}
	if !next.IsZero() {
		r.timer = time.AfterFunc(next.Sub(now), func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.refresh(r)
		})
	}
}

// look brings what is seen up to date with what is kept, and returns when either lapses next.
func (r *room) look(now time.Time) (next time.Time) {
	lapses := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for host, s := range r.slots {
		switch seen := r.seen[host]; {
		case !now.Before(s.until):
			delete(r.slots, host)
			continue
		case seen != nil && seen.Instance > s.Instance: // an older one came back first: the newer is held
		case s.left:
			delete(r.seen, host)
		default:
			r.seen[host] = &sight{Member: s.Member, ttl: s.ttl}
		}
		lapses(s.until)
	}
	for host, seen := range r.seen {
		s := r.live(host, now)
		switch {
		case s != nil && s.Instance == seen.Instance:
			continue
		case !seen.Held:
			seen.Held, seen.until = true, now.Add(seen.ttl)
		case !now.Before(seen.until) && s != nil:
			r.seen[host] = &sight{Member: s.Member, ttl: s.ttl}
			continue
		case !now.Before(seen.until):
			delete(r.seen, host)
			continue
		}
		lapses(seen.until)
	}
	return next
}
