package httpmm

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redismm/matchmaker/core"
)

// choices are the hosts of a topic to choose from, without those that are left alone for now.
type choices struct {
	now atomic.Pointer[choice]

	mu      sync.Mutex
	avoided map[string]time.Time // until when, by address
}

// choice is a view prepared for picking.
type choice struct {
	view  *core.View
	among []*core.Member
	pick  core.Pick
	until time.Time // when somebody is not left alone any more; zero if nobody is
}

func (c *choice) holds(v *core.View) bool {
	return c != nil && c.view == v && (c.until.IsZero() || time.Now().Before(c.until))
}

// choose picks a host of a view.
func (cs *choices) choose(ctx context.Context, v *core.View, p core.Policy) (*core.Member, error) {
	c := cs.now.Load()
	if !c.holds(v) {
		var err error
		if c, err = cs.prepare(v, p); err != nil {
			return nil, err
		}
	}
	return c.among[c.pick(ctx)], nil
}

// other picks a host of a view at another address than one that failed.
func (cs *choices) other(ctx context.Context, v *core.View, p core.Policy, failed string) (*core.Member, error) {
	cs.mu.Lock()
	cs.soonest(time.Now())
	among, err := cs.reach(v, failed)
	cs.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if p == nil {
		p = core.Random
	}
	return among[p(among)(ctx)], nil
}

// reach returns the hosts of a view that are not at an address, and of them those that are not left alone, unless there
// is nobody else. The caller holds mu.
func (cs *choices) reach(v *core.View, without string) ([]*core.Member, error) {
	elsewhere := func(m *core.Member) bool { return without == "" || m.Addr != without }
	among, err := v.Reach(func(m *core.Member) bool { return elsewhere(m) && cs.avoided[m.Addr].IsZero() })
	if err != nil {
		among, err = v.Reach(elsewhere)
	}
	return among, err
}

// prepare lays a view out. The pick goes on where it was while the hosts are the same.
func (cs *choices) prepare(v *core.View, p core.Policy) (*choice, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	old := cs.now.Load()
	if old.holds(v) { // another request was faster
		return old, nil
	}
	c := &choice{view: v, until: cs.soonest(time.Now())}
	var err error
	if c.among, err = cs.reach(v, ""); err != nil {
		return nil, err
	}
	switch {
	case old != nil && slices.EqualFunc(old.among, c.among, (*core.Member).Same):
		c.pick = old.pick
	case p != nil:
		c.pick = p(c.among)
	default:
		c.pick = core.Random(c.among)
	}
	cs.now.Store(c)
	return c, nil
}

// soonest forgets who need not be avoided any more, and returns when the next of the others need not. The
// caller holds mu.
func (cs *choices) soonest(now time.Time) time.Time {
	var soonest time.Time
	for addr, until := range cs.avoided {
		switch {
		case !now.Before(until):
			delete(cs.avoided, addr)
		case soonest.IsZero() || until.Before(soonest):
			soonest = until
		}
	}
	return soonest
}

// avoid leaves an address out from now on.
func (cs *choices) avoid(addr string, d time.Duration) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.avoided == nil {
		cs.avoided = make(map[string]time.Time)
	}
	cs.avoided[addr] = time.Now().Add(d)
	if c := cs.now.Load(); c != nil {
		outdated := *c
		outdated.view = nil
		cs.now.Store(&outdated)
	}
}
