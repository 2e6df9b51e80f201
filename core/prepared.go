package core

import (
	"slices"
	"sync"
	"sync/atomic"
)

// prepared is a view with everything a lookup needs laid out beforehand.
type prepared struct {
	view   *View
	none   error
	all    []Route // of each member
	picked []Route // of each pickable member
	pick   Pick

	byHost   atomic.Pointer[map[string]int] // into all; nil before somebody asks for one host
	indexing sync.Mutex                     // while it is laid out
}

// at returns where in all a host is.
func (p *prepared) at(host string) (int, bool) {
	byHost := p.byHost.Load()
	if byHost == nil {
		byHost = p.index()
	}
	i, found := (*byHost)[host]
	return i, found
}

// index lays out where in all each host is, once. It is done when it is first asked for, since of most topics
// nobody asks for one host.
func (p *prepared) index() *map[string]int {
	p.indexing.Lock()
	defer p.indexing.Unlock()
	if done := p.byHost.Load(); done != nil {
		return done
	}
	byHost := make(map[string]int, len(p.all))
	for i := range p.all {
		byHost[p.all[i].Host] = i
	}
	p.byHost.Store(&byHost)
	return &byHost
}

func samePlaces(a, b []Route) bool {
	return slices.EqualFunc(a, b, func(x, y Route) bool { return x.Member.Same(y.Member) })
}

// prepare lays a view out, after an older one of the topic or nil.
func prepare(v *View, policy Policy, old *prepared) *prepared {
	p := &prepared{view: v, none: v.Err(), all: make([]Route, len(v.Members))}
	var before []Route
	if old != nil {
		before = old.all
	}
	for i, m := range v.Members {
		for len(before) > 0 && before[0].Host < m.Host { // both are in order
			before = before[1:]
		}
		p.all[i] = Route{Host: m.Host, Member: m}
		if len(before) > 0 && before[0].Host == m.Host {
			p.all[i].Key = before[0].Key
		} else {
			p.all[i].Key = DirectKey(m.Topic, m.Host)
		}
	}
	among := v.Pickable()
	if len(among) == 0 {
		return p
	}
	p.picked = p.all
	if len(among) < len(p.all) {
		p.picked = make([]Route, 0, len(among))
		for i := range p.all {
			if n := len(p.picked); n < len(among) && p.all[i].Member == among[n] {
				p.picked = append(p.picked, p.all[i])
			}
		}
	}
	if old != nil && samePlaces(old.picked, p.picked) {
		p.pick = old.pick
	} else {
		p.pick = policy(among)
	}
	return p
}
