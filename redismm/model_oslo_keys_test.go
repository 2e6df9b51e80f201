package redismm

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redismm/matchmaker/core"
)

// plainOslo is a Redis in the layout of the original, as far as anybody there uses it, without Redis: what is
// promised of the layout, spelled in maps. Times are in milliseconds.
type plainOslo struct {
	at   int64
	keys map[string]*plainKey
}

// plainKey is a set, or a text if that is not "".
type plainKey struct {
	text    string
	members map[string]bool
	until   int64 // 0 for ever
}

var errOsloType = errors.New("not a set")

func (p *plainOslo) pass(ms int64) {
	p.at += ms
	maps.DeleteFunc(p.keys, func(_ string, k *plainKey) bool { return k.until != 0 && k.until <= p.at })
}

func (p *plainOslo) show() map[string]string {
	all := make(map[string]string, len(p.keys))
	for name, k := range p.keys {
		left := int64(-1)
		if k.until != 0 {
			left = k.until - p.at
		}
		all[name] = shownKey(k.text, slices.Collect(maps.Keys(k.members)), left)
	}
	return all
}

func shownKey(text string, members []string, left int64) string {
	slices.Sort(members)
	return fmt.Sprintf("%s%q for %d", text, members, left)
}

func (p *plainOslo) add(key, member string) {
	k := p.keys[key]
	switch {
	case k == nil:
		p.keys[key] = &plainKey{members: map[string]bool{member: true}}
	case k.text == "":
		k.members[member] = true
	}
}

func (p *plainOslo) remove(key, member string) {
	if k := p.keys[key]; k != nil {
		delete(k.members, member)
		if k.text == "" && len(k.members) == 0 {
			delete(p.keys, key)
		}
	}
}

func (p *plainOslo) expire(key string, ttl int64) (there bool) {
	k := p.keys[key]
	if k != nil {
		k.until = p.at + ttl
	}
	return k != nil
}

func (p *plainOslo) noSet(key string) bool { return p.keys[key] != nil && p.keys[key].text != "" }
func (p *plainOslo) has(key, member string) bool {
	return p.keys[key] != nil && p.keys[key].members[member]
}

// left is how long a member lives. Whoever looks gives a mark without TTL one.
func (p *plainOslo) left(member string, ttl int64) int64 {
	k := p.keys[member]
	switch {
	case k == nil || k.until == 0 && !k.members[""]:
		return 0
	case k.until == 0:
		k.until = p.at + ttl
	}
	return k.until - p.at
}

// beat writes hosts, whatever of them is there.
func (p *plainOslo) beat(topic string, hosts []string, ttl int64) ([]core.Outcome, error) {
	out := make([]core.Outcome, len(hosts))
	if p.noSet(topic) {
		return out, errOsloType
	}
	var failed error
	for i, h := range hosts {
		member := topic + "." + h
		if p.noSet(member) {
			failed = errOsloType
			continue
		}
		out[i] = core.Joined
		if p.has(topic, member) && p.left(member, ttl) > 0 {
			out[i] = core.Kept
		}
		p.add(topic, member)
		p.add(member, "")
		p.expire(member, ttl)
	}
	return out, failed
}

// leave takes hosts away, and leaves what else is kept in their keys.
func (p *plainOslo) leave(topic string, hosts []string, ttl int64) ([]core.Outcome, error) {
	out := make([]core.Outcome, len(hosts))
	if p.noSet(topic) {
		return out, errOsloType
	}
	var failed error
	for i, h := range hosts {
		member := topic + "." + h
		if p.noSet(member) {
			failed = errOsloType
			continue
		}
		out[i] = core.Absent
		if p.left(member, ttl) > 0 {
			out[i] = core.Left
		}
		p.remove(topic, member)
		p.remove(member, "")
		if k := p.keys[member]; k != nil {
			k.until = 0
		}
	}
	return out, failed
}

// ack renews hosts, if they live.
func (p *plainOslo) ack(topic string, hosts []string, ttl int64) []core.Outcome {
	out := make([]core.Outcome, len(hosts))
	for i, h := range hosts {
		out[i] = core.Absent
		if p.left(topic+"."+h, ttl) > 0 {
			p.expire(topic+"."+h, ttl)
			out[i] = core.Kept
		}
	}
	return out
}

// alive says how long hosts live, and unlists the dead of whom nothing is left.
func (p *plainOslo) alive(topic string, hosts []string, ttl int64) ([]int64, error) {
	left := make([]int64, len(hosts))
	for i, h := range hosts {
		member := topic + "." + h
		left[i] = p.left(member, ttl)
		if left[i] > 0 || p.noSet(member) {
			continue
		}
		if p.noSet(topic) {
			return nil, errOsloType
		}
		p.remove(topic, member)
	}
	return left, nil
}

// hosts lists who lives, in order.
func (p *plainOslo) hosts(topic string, ttl int64) ([]string, error) {
	if p.noSet(topic) {
		return nil, errOsloType
	}
	listed := p.listed(topic)
	left, err := p.alive(topic, listed, ttl)
	var live []string
	for i, h := range listed {
		if left[i] > 0 {
			live = append(live, h)
		}
	}
	return live, err
}

// listed are the hosts in the set of a topic, in order.
func (p *plainOslo) listed(topic string) []string {
	var hosts []string
	if k := p.keys[topic]; k != nil {
		for m := range k.members {
			if host, ours := strings.CutPrefix(m, topic+"."); ours {
				hosts = append(hosts, host)
			}
		}
	}
	slices.Sort(hosts)
	return hosts
}

func (p *plainOslo) topics() []string {
	var topics []string
	for key := range p.keys {
		if len(p.listed(key)) > 0 {
			topics = append(topics, key)
		}
	}
	slices.Sort(topics)
	return topics
}
