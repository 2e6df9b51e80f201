package redismm

import (
	"cmp"
	"slices"
	"sync"

	"github.com/redismm/matchmaker/core"
)

// lists are what topics were when they were last read whole. What a reading says of a host that the last one said too is
// not decoded again: of a thousand hosts, whose records stay as they are, that was most of a lookup's time.
type lists struct {
	mu   sync.Mutex
	of   map[string]*list // by topic
	size int              // hosts of all
}

// list is one answer. It does not change.
type list struct {
	version version
	calm    bool           // the index was whole, and the list before was at the same version
	mgets   [][]any        // what asks for the liveness of hosts
	hosts   []string       // as Redis gave them, which is in the same order while none comes or goes
	texts   []string       // liveness of each, "" for none
	members []*core.Member // each, nil for who does not live; without drains
	order   []int          // of the hosts, by name
	found   []*core.Member // who lives, by name
}

// mostListed is how many hosts are remembered in all; a larger topic is not.
const mostListed = 20_000

// last is the newest list of a topic, or nil.
func (l *lists) last(topic string) *list {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of[topic]
}

// members returns who of the set lives, in order of the hosts.
func (l *lists) members(topic string, r *answer) []*core.Member {
	now := l.last(topic).next(topic, r)
	l.put(topic, now)
	if len(r.drains) == 0 {
		return slices.Clip(now.found)
	}
	found := slices.Clone(now.found)
	for i, m := range found {
		if m.State == core.Up && r.drained(m.Host) > 0 {
			drained := *m
			drained.State = core.Draining
			found[i] = &drained
		}
	}
	return found
}

// next is an answer's list, after an earlier one of the topic or nil. Nobody but its hosts was asked for.
func (last *list) next(topic string, r *answer) *list {
	now := &list{version: r.version, mgets: r.mgets, hosts: r.hosts, texts: make([]string, len(r.hosts)), members: make([]*core.Member, len(r.hosts))}
	now.calm = last != nil && last.version == now.version && r.whole() && len(r.mgets) > 0
	same := last != nil && slices.Equal(last.hosts, now.hosts)
	if same {
		now.order = last.order
	} else {
		now.order = make([]int, len(now.hosts))
		for i := range now.order {
			now.order[i] = i
		}
		slices.SortFunc(now.order, func(a, b int) int { return cmp.Compare(now.hosts[a], now.hosts[b]) })
	}
	all := same // what they hold too
	for i, h := range now.hosts {
		now.texts[i], _ = r.texts[i].(string) // anything else is nobody's
		if same && last.texts[i] == now.texts[i] {
			now.members[i] = last.members[i]
			continue
		}
		all = false
		if v, err := parseValue(now.texts[i]); err == nil && v.kind == live {
			m := v.member(topic, h)
			now.members[i] = &m
		}
	}
	if all {
		now.found = last.found
		return now
	}
	now.found = make([]*core.Member, 0, len(now.hosts))
	for _, i := range now.order {
		if m := now.members[i]; m != nil {
			now.found = append(now.found, m)
		}
	}
	return now
}

// put remembers a list, in the place of some others if there are too many.
func (l *lists) put(topic string, now *list) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(topic)
	if len(now.hosts) == 0 || len(now.hosts) > mostListed {
		return
	}
	for other := range l.of {
		if l.size+len(now.hosts) <= mostListed {
			break
		}
		l.drop(other)
	}
	if l.of == nil {
		l.of = make(map[string]*list)
	}
	l.of[topic] = now
	l.size += len(now.hosts)
}

// drop forgets a topic. The caller holds mu.
func (l *lists) drop(topic string) {
	if old := l.of[topic]; old != nil {
		l.size -= len(old.hosts)
		delete(l.of, topic)
	}
}
