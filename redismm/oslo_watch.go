package redismm

import (
	"cmp"
	"context"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redismm/matchmaker/core"
)

// firstLook is how long a watch may wait for its first view.
const firstLook = 900 * time.Millisecond

// Watch polls a topic, a little less often than it is beaten, so that who was lost and is beaten by this project is
// back by then. Who is absent from a poll is held until the next. The original has no watch.
func (o *Oslo) Watch(ctx context.Context, topic string) iter.Seq[*core.View] {
	return func(yield func(*core.View) bool) {
		var last *core.View
		for {
			v := o.look(ctx, topic, last)
			if ctx.Err() != nil {
				return
			}
			if !alike(last, v) {
				if !yield(v) {
					return
				}
				last = v
			}
			wait := o.config.Freq + rand.N(o.config.Freq/10)
			if v.Stale != nil {
				wait = min(wait, time.Second)
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
	}
}

// look returns the view that follows last, which is nil at first.
func (o *Oslo) look(ctx context.Context, topic string, last *core.View) *core.View {
	if last == nil {
		last = osloView(topic, nil, false)
		last.AsOf = time.Time{}
	}
	asked, cancel := context.WithTimeout(ctx, min(o.config.RoundTimeout(), firstLook))
	defer cancel()
	hosts, err := o.hosts(asked, topic)
	if err != nil {
		stale := *last
		stale.Stale = err
		return &stale
	}
	v := osloView(topic, hosts, len(hosts) > 0 || last.Version != core.Version{})
	for _, m := range last.Members {
		if _, here := slices.BinarySearch(hosts, m.Host); !here && !m.Held {
			held := *m
			held.Held = true
			v.Members = append(v.Members, &held)
		}
	}
	slices.SortFunc(v.Members, func(a, b *core.Member) int { return cmp.Compare(a.Host, b.Host) })
	return v
}

// alike says whether a view says what the last said.
func alike(last, v *core.View) bool {
	return last != nil && (last.Stale == nil) == (v.Stale == nil) && last.Version == v.Version &&
		slices.EqualFunc(last.Members, v.Members, func(a, b *core.Member) bool { return a.Host == b.Host && a.Held == b.Held })
}
