package redismm

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redismm/matchmaker/core"
)

// picture is what a watcher believes of a topic: the rules by which members come into a view and leave it.
// It does no I/O and knows no clock; one goroutine owns it.
//
// A member leaves only by a leave that names its stamp or a newer one, by an expiry that does if its absence
// was announced before, or after a TTL in which this watcher looked and did not find it. Any other absence
// holds it: Redis may have lost it.
type picture struct {
	topic   string
	ttl     time.Duration
	version version
	synced  bool // a snapshot was taken, and every message since applied
	// told is the last change of which every one before was told too, since time was last passed; attested: it came to the
	// version of the last snapshot, or further.
	told     string
	looked   string // the change of the last snapshot's version
	attested bool
	doubt    bool // the last snapshot showed something that may not last: read again at each poll
	// contradicted: the set of the last snapshot was not what its version counts. Redis has lost members.
	contradicted bool
	doubted      int64 // until when the epoch of the last snapshot is
	members      map[string]*seen
	order        []*seen // the members, by host
	drains       map[string]string
	drawn        []*core.Member // as the last view shows them, and as they are but for those
	redraw       []string       // hosts, unless drains are shown: these end by themselves
	time         int64          // Redis's, of the last snapshot
	// since is how long ago time was last passed, for holds that begin with what is taken in next.
	since time.Duration
}

// seen is a member as it was last seen alive.
type seen struct {
	member core.Member
	rev    uint64
	held   bool
	before time.Duration // of the time that is passed next and after it, how much was before the hold
	absent time.Duration // while held: how long this watcher has looked and not found it
	// suspect: a sweeper announced the absence, and it was not seen alive since. Of any other, a sweeper that
	// finds it expired has missed that it was back between two sweeps.
	suspect bool
	under   *seen        // while held: an older registration that came to the place, and follows it
	shown   *core.Member // as the last view shows it
}

func newPicture(topic string, ttl time.Duration) *picture {
	return &picture{topic: topic, ttl: ttl, since: math.MaxInt64, members: make(map[string]*seen), drains: make(map[string]string)}
}

// hosts returns whom the picture shows.
func (p *picture) hosts() []string { return slices.Collect(maps.Keys(p.members)) }

// look takes a snapshot in. It covers the picture's own hosts beside those of the set.
func (p *picture) look(s *snapshot) {
	p.contradicted, p.doubted = !s.whole() && !s.unknown(), s.doubted
	p.doubt = p.contradicted || (s.unknown() && len(p.members) > 0)
	listed := make(map[string]bool, len(s.hosts))
	for _, h := range slices.Sorted(slices.Values(s.hosts)) { // put is quick in order
		listed[h] = true
		if v := s.values[h]; v.kind == live {
			p.up(h, v)
		} else {
			p.doubt = true
		}
	}
	for h, m := range p.members {
		v := s.values[h]
		switch {
		case listed[h] && v.kind == live: // seen above
		case v.kind == tombstone && v.stamp >= m.member.Instance:
			p.remove(h)
		default:
			p.hold(m)
			if m.under != nil && v.kind == tombstone && v.stamp >= m.under.member.Instance {
				m.under = nil
			}
			if v.kind == live && v.stamp == m.member.Instance { // only the index is lost
				m.anew(p.since)
			}
		}
	}
	p.drains, p.time = s.drains, s.time
	p.version, p.synced = s.version, true
	p.looked, p.attested = s.version.change, p.told == s.version.change
	p.doubt = p.doubt || p.holding()
}

// up shows a live registration, unless a newer one is shown: then that is held, and this one comes after it.
func (p *picture) up(host string, v value) {
	m := p.members[host]
	switch {
	case m != nil && v.stamp < m.member.Instance:
		p.hold(m)
		m.under = &seen{member: v.member(p.topic, host), rev: v.rev}
	case m != nil && v.stamp == m.member.Instance && v.rev <= m.rev: // the same, or an older record of it
		if m.held {
			p.redraw = append(p.redraw, host)
		}
		m.held, m.absent, m.suspect, m.under = false, 0, false, nil
	default:
		p.put(host, &seen{member: v.member(p.topic, host), rev: v.rev})
	}
}

// put makes s the member of a host, and remove takes the member out.
func (p *picture) put(host string, s *seen) {
	at, listed := p.find(host)
	if listed {
		p.order[at] = s
	} else {
		p.order = slices.Insert(p.order, at, s)
	}
	p.members[host] = s
	p.redraw = append(p.redraw, host)
}

func (p *picture) remove(host string) {
	if at, listed := p.find(host); listed {
		p.order = slices.Delete(p.order, at, at+1)
	}
	delete(p.members, host)
	p.redraw = append(p.redraw, host)
}

func (p *picture) find(host string) (at int, listed bool) {
	return slices.BinarySearchFunc(p.order, host, func(s *seen, host string) int {
		return strings.Compare(s.member.Host, host)
	})
}

// hold holds a member, and who came to its place: up comes after if that lives.
func (p *picture) hold(m *seen) {
	for ; m != nil; m = m.under {
		if !m.held {
			m.held, m.before, m.absent = true, p.since, 0
			p.redraw = append(p.redraw, m.member.Host)
		}
	}
}

// drop lets who came to the place follow.
func (p *picture) drop(host string) {
	if m := p.members[host].under; m != nil {
		p.put(host, m)
	} else {
		p.remove(host)
	}
}

// anew begins a hold anew, because the member beat after it had begun.
func (m *seen) anew(since time.Duration) { m.before, m.absent, m.suspect = since, 0, false }

// reading is what a message leaves to be done.
type reading uint8

const (
	applied reading = iota // the picture shows it
	known                  // it is no news
	compare                // it does not follow: ask for the version, and read if that is another
	missing                // it follows, and does not say what changed: read
)

// hear takes a message in.
func (p *picture) hear(m *message) reading {
	if m.Previous == p.told {
		p.told = m.Change // of one that does not say what changed, the reading that follows does
		p.attested = p.attested || p.told == p.looked
	}
	for _, c := range m.Changes { // it beat after the hold began, whatever became of it since
		if c[0] != "up" {
			continue
		}
		for s := p.members[c[1]]; s != nil; s = s.under {
			if s.member.Instance <= c[2] {
				s.anew(p.since)
			}
		}
	}
	switch {
	case !p.synced:
		return compare
	case m.Change == p.version.change:
		return known
	case !m.follows(p.version):
		return compare
	case len(m.Changes) == 0:
		return missing
	}
	p.version, p.contradicted = m.version(), false
	for _, c := range m.Changes {
		p.apply(c)
		if m := p.members[c[1]]; m != nil && m.held {
			p.doubt = true
		}
	}
	return applied
}

func (p *picture) apply(c []string) {
	host := c[1]
	m := p.members[host]
	switch c[0] {
	case "up":
		rev, _ := strconv.ParseUint(c[3], 10, 64)
		p.up(host, value{live, c[2], rev, c[4]})
	case "left":
		p.gone(host, c[2], func(*seen) bool { return true })
	case "expired":
		p.gone(host, c[2], func(m *seen) bool { return m.suspect })
	case "suspect":
		if m == nil {
			p.doubt = true
			return
		}
		p.hold(m)
		for ; m != nil; m = m.under {
			m.suspect = true
		}
	case "drain":
		p.drains = maps.Clone(p.drains)
		p.drains[host] = c[2] + " " + c[3]
	}
}

// gone drops the registrations of a place up to a stamp, if they are believed to be gone, and holds the others.
func (p *picture) gone(host, stamp string, believed func(*seen) bool) {
	m := p.members[host]
	if m == nil {
		return
	}
	p.hold(m)
	if u := m.under; u != nil && stamp >= u.member.Instance && believed(u) {
		m.under = nil
	}
	if stamp >= m.member.Instance && believed(m) {
		p.drop(host)
	}
}

// attest: what was told up to the version does not matter any more, since nobody is held, or all is read and nothing told.
func (p *picture) attest() { p.told, p.attested = p.version.change, true }

// pass counts time at the end of which the topic was read and after that every message published before the
// reading was heard. A member that was held for a TTL of it is dropped: it did not live when the topic was
// read, and nobody said since the hold began that it did. Where a change was read of which nobody told, or of one before
// it, that may have said so: holds begin anew.
func (p *picture) pass(d time.Duration) {
	if !p.attested {
		p.attest()
		for _, m := range p.order {
			for ; m != nil; m = m.under {
				m.anew(max(0, p.since-d))
			}
		}
		return
	}
	for h, m := range p.members {
		for s := m; s != nil; s = s.under {
			if s.held {
				s.absent += max(0, d-s.before)
			}
			s.before = max(0, s.before-d)
		}
		if m.under != nil && m.under.absent >= p.ttl {
			m.under = nil
		}
		if m.absent >= p.ttl {
			p.drop(h)
		}
	}
}

// holding says whether a member is held.
func (p *picture) holding() bool {
	return slices.ContainsFunc(p.order, func(m *seen) bool { return m.held })
}

// forget leaves out the drains that have ended by a time: of hosts that are long gone, nobody would ever.
func (p *picture) forget(now int64) {
	ended := func(_, drain string) bool { return drainLeft(drain, now) == 0 }
	for host, drain := range p.drains {
		if ended(host, drain) {
			p.drains = maps.Clone(p.drains)
			maps.DeleteFunc(p.drains, ended)
			return
		}
	}
}

// unsure says whether others may live than who is shown, since after the last snapshot.
func (p *picture) unsure(since time.Duration) bool {
	return p.contradicted || len(p.members) == 0 && p.time+since.Microseconds() < p.doubted
}

// view draws the picture, since after its last snapshot.
func (p *picture) view(asOf time.Time, since time.Duration) *core.View {
	now := p.time + since.Microseconds()
	p.forget(now)
	v := &core.View{Topic: p.topic, Version: p.version.core(), AsOf: asOf}
	if len(p.members) == 0 {
		p.drawn, p.redraw = nil, nil
		return v
	}
	if p.drawn == nil || len(p.drains) > 0 || len(p.redraw) > len(p.order)/4 {
		p.drawAll(now)
	} else {
		p.drawSome()
	}
	v.Members = slices.Clip(p.drawn)
	if p.redraw = p.redraw[:0]; len(p.drains) > 0 {
		p.drawn = nil
	}
	return v
}

func (p *picture) drawAll(now int64) {
	p.drawn = make([]*core.Member, len(p.order))
	for i, s := range p.order {
		state := s.member.State
		if len(p.drains) > 0 && state == core.Up && drainLeft(p.drains[s.member.Host], now) > 0 {
			state = core.Draining
		}
		p.drawn[i] = s.draw(state)
	}
}

// drawSome draws who is not as in the last view, which stays as it is. Of a thousand, to look at each was a fifth of what a
// change cost a watcher.
func (p *picture) drawSome() {
	if len(p.redraw) == 0 {
		return
	}
	drawn := make([]*core.Member, len(p.drawn), len(p.drawn)+len(p.redraw))
	copy(drawn, p.drawn)
	for _, host := range p.redraw {
		at, listed := slices.BinarySearchFunc(drawn, host, func(m *core.Member, host string) int { return strings.Compare(m.Host, host) })
		s := p.members[host]
		switch {
		case s == nil && listed:
			drawn = slices.Delete(drawn, at, at+1)
		case s != nil && listed:
			drawn[at] = s.draw(s.member.State)
		case s != nil:
			drawn = slices.Insert(drawn, at, s.draw(s.member.State))
		}
	}
	p.drawn = drawn
}

// draw is the member in a view, the same as in the last where nothing about it changed.
func (m *seen) draw(state core.State) *core.Member {
	if m.shown == nil || m.shown.Held != m.held || m.shown.State != state {
		shown := m.member
		shown.Held, shown.State = m.held, state
		m.shown = &shown
	}
	return m.shown
}
