package ringmm

import (
	"context"
	"sync/atomic"

	"github.com/redismm/matchmaker/core"
)

// Ring is a static source of hosts: the original's class RingExchange. It has the [core.Exchanges] methods
// and is a [core.Watcher]. All methods may be called at once; lookups take no lock.
type Ring struct {
	now       atomic.Pointer[table]
	observers []func(Event)
	unknown   unknown
	file      *file // nil for a ring made by New
}

var (
	_ core.Exchanges = (*Ring)(nil)
	_ core.Watcher   = (*Ring)(nil)
)

// New returns a ring of topics and their hosts, given by name or, where more is known of them, as
// registrations, whose Topic may be left empty. The observers are told every [Event]. The error is a
// [core.ErrInvalid] that names the topic.
func New[H string | core.Registration](topics map[string][]H, observers ...func(Event)) (*Ring, error) {
	lists := make(lists, len(topics))
	for topic, hosts := range topics {
		list := make([]core.Registration, len(hosts))
		for i, h := range hosts {
			switch h := any(h).(type) {
			case string:
				list[i].Host = h
			case core.Registration:
				list[i] = h
			}
		}
		lists[topic] = list
	}
	if err := lists.check(); err != nil {
		return nil, err
	}
	r := &Ring{observers: observers}
	r.now.Store(lay(lists, nil))
	return r, nil
}

// TopicExchange answers the topic's next host, and the first again after the last: the original's class
// RoundRobinRingExchange.
func (r *Ring) TopicExchange(_ context.Context, key string) ([]core.Route, error) {
	t := r.now.Load()
	h := t.topics[key]
	if h == nil || len(h.next) == 0 {
		return nil, r.none(t, key)
	}
	i := (h.turn.Add(1) - 1) % uint64(len(h.next))
	return h.next[i : i+1 : i+1], nil
}

// FanoutExchange answers all hosts of the fanout key's topic in the list's order, and moves no place: the
// original's class FanoutRingExchange.
func (r *Ring) FanoutExchange(_ context.Context, key string) ([]core.Route, error) {
	topic, ok := core.FanoutTopic(key)
	if !ok {
		return nil, core.Invalid("key", key, "a fanout exchange wants fanout~topic")
	}
	t := r.now.Load()
	h := t.topics[topic]
	if h == nil || len(h.all) == 0 {
		return nil, r.none(t, topic)
	}
	return h.all, nil
}

// DirectExchange answers the host that the key names, with its Member if the ring lists it. It never checks
// whether it does.
func (r *Ring) DirectExchange(ctx context.Context, key string) ([]core.Route, error) {
	if topic, host, ok := core.SplitDirect(key); ok {
		if h := r.now.Load().topics[topic]; h != nil {
			if i, listed := h.byHost[host]; listed {
				return h.next[i : i+1 : i+1], nil
			}
		}
	}
	return core.DirectExchange(ctx, key)
}

// none returns why a topic answers nobody, and reports one that is not in the ring.
func (r *Ring) none(t *table, topic string) error {
	if t.topics[topic] == nil && r.unknown.first(t.loads, topic) {
		r.tell(Event{Kind: UnknownTopic, Topic: topic})
	}
	return t.view(topic).Err()
}

func (r *Ring) tell(e Event) {
	if r.file != nil {
		e.Path = r.file.path
	}
	for _, observe := range r.observers {
		observe(e)
	}
}
