package redismm

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plain is one topic of the registry as the scripts in lua/ are to keep it, written down without Redis:
// what they are checked against in model_scripts_test.go, and what the walks of model_walk_test.go run on.
// Times are Redis's, in microseconds.
type plain struct {
	now    int64
	ttl    time.Duration // of who changes it
	nonce  func() string
	listed map[string]bool
	places map[string]place
	drains map[string]drain
	version
	doubted                                int64 // until when the epoch is
	listedUntil, versionUntil, drainsUntil int64
	told                                   []*message
	late                                   int64 // how long after its TTL a key lapses
}

// place is a liveness key. Its kind may be foreign: a key that somebody else wrote, of another type or with
// another text.
type place struct {
	value
	until int64 // 0: for ever
}

const (
	foreignType kind = 'X'
	foreignText kind = 'F'
)

func (v place) foreign() bool { return v.kind == foreignType || v.kind == foreignText }

// byName says whether a tombstone was made by name.
func (v place) byName() bool { return v.kind == tombstone && v.record == "name" }

func (v place) text() string {
	return strings.TrimSuffix(fmt.Sprintf("%c %s %d %s", v.kind, v.stamp, v.rev, v.record), " ")
}

type drain struct {
	until  int64
	reason string
}

// tell is what an owner says of a place.
type tell struct {
	host, stamp string
	rev         uint64
	record      string
}

func newPlain(ttl time.Duration, nonce func() string) *plain {
	return &plain{ttl: ttl, nonce: nonce, listed: map[string]bool{}, places: map[string]place{}, drains: map[string]drain{}}
}

func (p *plain) clone() *plain {
	c := *p
	c.listed, c.places, c.drains, c.told = maps.Clone(p.listed), maps.Clone(p.places), maps.Clone(p.drains), slices.Clone(p.told)
	return &c
}

// pass lets time pass until now.
func (p *plain) pass(now int64) {
	p.now = max(p.now, now)
	p.lapse(p.now - p.late)
}

// lapse takes away what has a TTL until a time.
func (p *plain) lapse(at int64) {
	for host, v := range p.places {
		if v.until != 0 && v.until <= at {
			delete(p.places, host)
		}
	}
	if p.listedUntil <= at {
		clear(p.listed)
	}
	if p.versionUntil <= at {
		p.version = version{}
	}
	if p.drainsUntil <= at {
		clear(p.drains)
	}
}

func (p *plain) lives(host string) bool { return p.places[host].kind == live }

func (p *plain) after(d time.Duration) int64 { return p.now + d.Microseconds() }

func (p *plain) renew() { p.listedUntil, p.versionUntil = p.after(life), p.after(life) }

// lost says whether the version, or a part of the set, is gone.
func (p *plain) lost() bool { return p.worth().lost }

// worth is what a topic is worth before a script changes it: whether it is known, something of it is lost, and the
// whole index.
type worth struct{ known, lost, gone bool }

func (p *plain) worth() worth {
	lost := p.epoch == "" || p.n != strconv.Itoa(len(p.listed))
	return worth{p.epoch != "" || len(p.listed) > 0, lost, lost && len(p.listed) == 0}
}

// step makes the changes of a script one step, unless the index is gone and they bring nobody into it.
func (p *plain) step(was worth, changes [][]string) {
	if !was.gone || len(p.listed) > 0 {
		p.stepAnyway(was, changes)
	}
}

func (p *plain) stepAnyway(was worth, changes [][]string) {
	m := &message{Previous: p.change, Changes: changes}
	seq, _ := strconv.Atoi(p.seq)
	nonce := p.nonce()
	if was.lost {
		p.doubted = 0
		if was.known && !(was.gone && len(p.listed) == 0) {
			p.doubted = p.after(p.ttl)
		}
		p.epoch, seq, m.Previous = nonce, 0, ""
	}
	p.version = version{p.epoch, strconv.Itoa(seq + 1), nonce, strconv.Itoa(len(p.listed))}
	p.renew()
	m.Epoch, m.Seq, m.Change, m.N = p.epoch, p.seq, p.change, p.n
	p.told = append(p.told, m)
}

func (p *plain) ticket(host string) int64 {
	generation := int64(0)
	if v := p.places[host]; len(v.stamp) == stampSize {
		generation, _ = strconv.ParseInt(v.stamp[:generationSize], 10, 64)
	}
	return max(p.now, generation+1)
}

// upsert returns a word for each, and false if it came late.
func (p *plain) upsert(ttl time.Duration, notAfter int64, tells []tell) ([]string, bool) {
	if p.now > notAfter {
		return nil, false
	}
	was := p.worth()
	p.renew()
	words := make([]string, len(tells))
	var changes [][]string
	for i, t := range tells {
		old := p.places[t.host]
		words[i] = verdict(old, t)
		switch words[i] {
		case "ok":
			old.until = p.after(ttl)
			p.places[t.host] = old
			if !p.listed[t.host] {
				p.listed[t.host] = true
				changes = append(changes, []string{"up", t.host, t.stamp, fmt.Sprint(old.rev), old.record})
			}
		case "joined", "replaced", "updated":
			p.places[t.host] = place{value: value{live, t.stamp, t.rev, t.record}, until: p.after(ttl)}
			p.listed[t.host] = true
			changes = append(changes, []string{"up", t.host, t.stamp, fmt.Sprint(t.rev), t.record})
		}
	}
	if len(changes) > 0 || was.lost {
		p.step(was, changes)
	}
	return words, true
}

func verdict(old place, t tell) string {
	switch {
	case old.kind == absent:
		return "joined"
	case old.foreign():
		return "error WRONGTYPE the liveness key holds something else"
	case old.stamp > t.stamp && old.byName():
		return "left"
	case old.stamp > t.stamp:
		return "superseded " + old.text()
	case old.stamp < t.stamp && old.kind == live:
		return "replaced"
	case old.stamp < t.stamp:
		return "joined"
	case old.kind == tombstone:
		return "left"
	case t.rev > old.rev:
		return "updated"
	}
	return "ok"
}

func (p *plain) touch(ttl time.Duration, notAfter int64, v version, hosts []string) bool {
	if p.now > notAfter || p.version.change != v.change || v.n != strconv.Itoa(len(p.listed)) {
		return false
	}
	for _, h := range hosts {
		at, ok := p.places[h]
		if !ok {
			return false
		}
		at.until = p.after(ttl)
		p.places[h] = at
	}
	return true
}

func (p *plain) leave(ttl time.Duration, tells []tell) []string {
	was := p.worth()
	p.renew()
	words := make([]string, len(tells))
	var changes [][]string
	for i, t := range tells {
		old := p.places[t.host]
		switch {
		case old.foreign():
			words[i] = "error WRONGTYPE the liveness key holds something else"
			continue
		case old.stamp > t.stamp:
			words[i] = "superseded"
			continue
		}
		words[i] = "left"
		if old.kind != tombstone || old.stamp != t.stamp {
			delete(p.listed, t.host)
			p.places[t.host] = place{value: value{kind: tombstone, stamp: t.stamp}, until: p.after(ttl)}
			changes = append(changes, []string{"left", t.host, t.stamp})
		}
	}
	if len(changes) > 0 {
		p.step(was, changes)
	}
	return words
}

func (p *plain) remove(ttl time.Duration, host string) bool {
	old := p.places[host]
	if old.kind != live {
		return false
	}
	was := p.worth()
	p.renew()
	delete(p.listed, host)
	p.places[host] = place{value: value{kind: tombstone, stamp: old.stamp, record: "name"}, until: p.after(ttl)}
	p.step(was, [][]string{{"left", host, old.stamp}})
	return true
}

func (p *plain) expire(host string) bool {
	old := p.places[host]
	if old.kind != live {
		return false
	}
	was := p.worth()
	p.renew()
	delete(p.listed, host)
	delete(p.places, host)
	p.step(was, [][]string{{"left", host, old.stamp}})
	return true
}

func (p *plain) ack(ttl time.Duration, host string) bool {
	old := p.places[host]
	if old.kind == live {
		old.until = p.after(ttl)
		p.places[host] = old
	}
	return old.kind == live
}

// drain sets a drain until a time, or ends it: 0.
func (p *plain) drain(host string, until int64, reason string) bool {
	was := p.worth()
	p.renew()
	_, drained := p.drains[host]
	if until == 0 && !drained {
		return false
	}
	delete(p.drains, host)
	last := until
	for h, d := range p.drains {
		if d.until <= p.now {
			delete(p.drains, h)
		}
		last = max(last, d.until)
	}
	if until != 0 {
		p.drains[host] = drain{until, reason}
	}
	p.drainsUntil = (last + 999) / 1000 * 1000
	p.step(was, [][]string{{"drain", host, fmt.Sprint(until), reason}})
	return true
}

func (p *plain) suspect(hosts []string) int {
	was := p.worth()
	p.renew()
	var changes [][]string
	for _, h := range hosts {
		if p.listed[h] && !p.lives(h) {
			changes = append(changes, []string{"suspect", h})
		}
	}
	switch {
	case len(hosts) == 0 && was.lost: // a sweep has waited
		p.stepAnyway(was, changes)
	case len(changes) > 0 || was.lost:
		p.step(was, changes)
	}
	return len(changes)
}

func (p *plain) prune(notAfter int64, hosts []string, stamps map[string]string) int {
	if p.now > notAfter {
		return -1
	}
	was := p.worth()
	p.renew()
	var changes [][]string
	for _, h := range hosts {
		if p.listed[h] && !p.lives(h) {
			delete(p.listed, h)
			changes = append(changes, []string{"expired", h, stamps[h]})
		}
	}
	if len(changes) > 0 {
		p.step(was, changes)
	}
	return len(changes)
}

// snapshot is what a reader sees who shows others.
func (p *plain) snapshot(others []string) *snapshot {
	s := &snapshot{time: p.now, version: p.version, hosts: slices.Sorted(maps.Keys(p.listed)),
		values: map[string]value{}, drains: map[string]string{}}
	if p.epoch != "" {
		s.doubted = p.doubted
	}
	for _, h := range union(s.hosts, others) {
		if v := p.places[h]; v.kind == live || v.kind == tombstone {
			s.values[h] = v.value
		}
	}
	for h, d := range p.drains {
		s.drains[h] = fmt.Sprintf("%d %s", d.until, d.reason)
	}
	return s
}
