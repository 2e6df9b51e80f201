package ringmm

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Members returns the hosts that the ring lists under a topic, each once.
func (r *Ring) Members(_ context.Context, topic string) (*core.View, error) {
	return r.view(r.now.Load(), topic), nil
}

// Watch yields the view of a topic: the first at once, then each newer one, and the last again with Stale
// set when the file could not be loaded.
func (r *Ring) Watch(ctx context.Context, topic string) iter.Seq[*core.View] {
	return func(yield func(*core.View) bool) {
		var last *core.View
		for ctx.Err() == nil {
			t := r.now.Load()
			v := r.view(t, topic)
			if last == nil || v.Version != last.Version || v.Stale != last.Stale {
				if !yield(v) {
					return
				}
				last = v
			}
			select {
			case <-t.replaced:
			case <-ctx.Done():
			}
		}
	}
}

// Topics returns the topics of the ring in order.
func (r *Ring) Topics(context.Context) ([]string, error) {
	return slices.Sorted(maps.Keys(r.now.Load().topics)), nil
}

func (r *Ring) view(t *table, topic string) *core.View {
	v := t.view(topic)
	v.AsOf = time.Now()
	if r.file != nil {
		v.AsOf = r.file.asOf()
	}
	return v
}
