package coretest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Memory is a registry inside the process: a [core.Backend] for tests, which it can also be made to fail.
// Everybody who shares one Memory shares the registry. It keeps time by the time package, so it may live in
// a synctest bubble; nothing runs between calls but the timers of topics that are watched.
type Memory struct {
	mu     sync.Mutex
	rooms  map[string]*room
	made   uint64 // instances, epochs and changes so far
	broken error
}

// room is a topic.
type room struct {
	topic   string
	version core.Version
	slots   map[string]*slot // by host
	sights
}

// slot is what the registry keeps of a place: a live registration, or the tombstone of one that has left.
type slot struct {
	core.Member
	ttl    time.Duration
	until  time.Time
	left   bool
	byName bool // removed by name, which standbys are told too
}

// NewMemory returns an empty registry.
func NewMemory() *Memory { return &Memory{rooms: make(map[string]*room)} }

// BackendRegister takes the places over.
func (m *Memory) BackendRegister(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	return m.each(ctx, claims, func(r *room, c *core.Claim, now time.Time) core.Outcome {
		if c.Instance == "" {
			c.Instance = m.instance()
		}
		return m.upsert(r, c, ttl, now)
	})
}

// AckAlive beats, and renews whoever is there for a claim without Instance.
func (m *Memory) AckAlive(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	return m.each(ctx, claims, func(r *room, c *core.Claim, now time.Time) core.Outcome {
		if c.Instance != "" {
			return m.upsert(r, c, ttl, now)
		}
		s := r.live(c.Host, now)
		if s == nil {
			return core.Absent
		}
		s.until = now.Add(ttl)
		return core.Kept
	})
}

// BackendUnregister leaves a tombstone, of whoever is there for a claim without Instance.
func (m *Memory) BackendUnregister(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	return m.each(ctx, claims, func(r *room, c *core.Claim, now time.Time) core.Outcome {
		s := r.at(c.Host, now)
		tomb := &slot{Member: core.Member{Registration: c.Registration, Instance: c.Instance}, left: true}
		switch {
		case c.Instance == "" && (s == nil || s.left):
			return core.Absent
		case c.Instance == "":
			tomb.Instance, tomb.byName = s.Instance, true
		case s != nil && s.Instance > c.Instance:
			c.Holder = s.holder()
			return core.Superseded
		case s != nil && s.left && s.Instance == c.Instance:
			return core.Left
		}
		tomb.until = now.Add(ttl)
		r.slots[c.Host] = tomb
		m.step(r)
		return core.Left
	})
}

// upsert writes a claim that has an instance, unless a newer one or its own departure stands in the way.
func (m *Memory) upsert(r *room, c *core.Claim, ttl time.Duration, now time.Time) core.Outcome {
	var o core.Outcome
	s := r.at(c.Host, now)
	switch {
	case s == nil:
		o = core.Joined
	case s.Instance > c.Instance && !s.byName:
		c.Holder = s.holder()
		return core.Superseded
	case s.Instance >= c.Instance && s.left:
		return core.Left
	case s.left:
		o = core.Joined
	case s.Instance < c.Instance:
		o = core.Replaced
	case s.State == c.State:
		s.ttl, s.until = ttl, now.Add(ttl)
		return core.Kept
	default:
		o = core.Changed
	}
	r.slots[c.Host] = &slot{
		Member: core.Member{Registration: c.Registration, State: c.State, Instance: c.Instance},
		ttl:    ttl,
		until:  now.Add(ttl),
	}
	m.step(r)
	return o
}

// Expire ends a registration and leaves no tombstone.
func (m *Memory) Expire(ctx context.Context, topic, host string) (core.Outcome, error) {
	claim := &core.Claim{Registration: core.Registration{Topic: topic, Host: host}}
	os, err := m.each(ctx, []*core.Claim{claim}, func(r *room, c *core.Claim, now time.Time) core.Outcome {
		if r.live(host, now) == nil {
			return core.Absent
		}
		delete(r.slots, host)
		delete(r.seen, host)
		m.step(r)
		return core.Left
	})
	return os[0], err
}

// Remaining returns how long a host stays registered.
func (m *Memory) Remaining(ctx context.Context, topic, host string) (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.reach(ctx); err != nil {
		return 0, err
	}
	now := time.Now()
	if s := m.room(topic).live(host, now); s != nil {
		return s.until.Sub(now), nil
	}
	return 0, nil
}

// Topics returns the topics that somebody registered under since everything was last lost.
func (m *Memory) Topics(ctx context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.reach(ctx); err != nil {
		return nil, err
	}
	var topics []string
	for topic, r := range m.rooms {
		if r.version != (core.Version{}) {
			topics = append(topics, topic)
		}
	}
	slices.Sort(topics)
	return topics, nil
}

// Members returns the live members, exact at the TTL.
func (m *Memory) Members(ctx context.Context, topic string) (*core.View, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.reach(ctx); err != nil {
		return nil, err
	}
	r, now := m.room(topic), time.Now()
	v := &core.View{Topic: topic, Version: r.version, AsOf: now}
	for _, host := range slices.Sorted(maps.Keys(r.slots)) {
		if s := r.live(host, now); s != nil {
			m := s.Member
			v.Members = append(v.Members, &m)
		}
	}
	return v, nil
}

// Lose makes the registry lose everything, as a FLUSHALL does. Watchers hold what they saw.
func (m *Memory) Lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rooms {
		clear(r.slots)
		r.version = core.Version{}
		m.refresh(r)
	}
}

// Break makes the registry unreachable: every call fails with [core.ErrUnavailable] and err, and watchers see
// their last view with Stale set. Registrations go on lapsing.
func (m *Memory) Break(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
	for _, r := range m.rooms {
		m.refresh(r)
	}
}

// Unbreak ends what Break began.
func (m *Memory) Unbreak() { m.Break(nil) }

// each applies f to every claim and shows what came of it.
func (m *Memory) each(ctx context.Context, claims []*core.Claim, f func(*room, *core.Claim, time.Time) core.Outcome) ([]core.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	outcomes := make([]core.Outcome, len(claims))
	if err := m.reach(ctx); err != nil {
		return outcomes, err
	}
	now := time.Now()
	touched := make(map[*room]bool)
	for i, c := range claims {
		r := m.room(c.Topic)
		outcomes[i] = f(r, c, now)
		touched[r] = true
	}
	for r := range touched {
		m.refresh(r)
	}
	return outcomes, nil
}

func (m *Memory) reach(ctx context.Context) error {
	if err := cmp.Or(m.broken, context.Cause(ctx)); err != nil {
		return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	return nil
}

func (m *Memory) room(topic string) *room {
	r := m.rooms[topic]
	if r == nil {
		r = &room{topic: topic, slots: make(map[string]*slot), sights: sights{seen: make(map[string]*sight)}}
		m.rooms[topic] = r
	}
	return r
}

// instance returns one larger than every earlier one.
func (m *Memory) instance() string {
	m.made++
	return fmt.Sprintf("%016d", m.made)
}

// step makes the next version of a topic, the first of an epoch if it has none.
func (m *Memory) step(r *room) {
	m.made++
	change := fmt.Sprint(m.made)
	r.version.Epoch = cmp.Or(r.version.Epoch, change)
	r.version.Change = change
	r.version.Seq++
}

// at returns what is kept of a place, live or left; nil once it has lapsed.
func (r *room) at(host string, now time.Time) *slot {
	if s := r.slots[host]; s != nil && now.Before(s.until) {
		return s
	}
	return nil
}

// live is at without tombstones.
func (r *room) live(host string, now time.Time) *slot {
	if s := r.at(host, now); s != nil && !s.left {
		return s
	}
	return nil
}

// holder returns who holds the place, nil if that one has left it.
func (s *slot) holder() *core.Member {
	if s.left {
		return nil
	}
	holder := s.Member
	return &holder
}
