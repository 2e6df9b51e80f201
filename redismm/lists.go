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
	hosts   []string       // as Redis gave them, which is in the same order while none comes or goes
	texts   []string       // liveness of each, "" for none
	members []*core.Member // each, nil for who does not live; without drains
	order   []int          // of the hosts, by name
}

// mostListed is how many hosts are remembered in all; a larger topic is not.
const mostListed = 20_000

// members returns who of the set lives, in order of the hosts.
func (l *lists) members(topic string, r *answer) []*core.Member {
	l.mu.Lock()
	last := l.of[topic]
	l.mu.Unlock()
	now := last.next(topic, r)
	l.put(topic, now)
	found := make([]*core.Member, 0, len(now.hosts))
	for _, i := range now.order {
		m := now.members[i]
		if m == nil {
			continue
		}
		if m.State == core.Up && len(r.drains) > 0 && r.drained(m.Host) > 0 {
			drained := *m
			drained.State = core.Draining
			m = &drained
		}
		found = append(found, m)
	}
	return found
}

// next is an answer's list, after an earlier one of the topic or nil. Nobody but its hosts was asked for.
func (last *list) next(topic string, r *answer) *list {
	now := &list{hosts: r.hosts, texts: make([]string, len(r.hosts)), members: make([]*core.Member, len(r.hosts))}
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
	for i, h := range now.hosts {
		now.texts[i], _ = r.texts[i].(string) // anything else is nobody's
		if same && last.texts[i] == now.texts[i] {
			now.members[i] = last.members[i]
		} else if v, err := parseValue(now.texts[i]); err == nil && v.kind == live {
			m := v.member(topic, h)
			now.members[i] = &m
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
