package redismm

import (
	"context"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/redismm/matchmaker/core"
)

// The rest of what befalls an osloMachine: lookups, the commands of the original, and mishaps.

func (m *osloMachine) Remaining(*rapid.T) {
	p, topic, host := m.process(), m.topic(), m.host()
	got, err := p.Oslo.Remaining(context.Background(), topic, host)
	m.looksAt(topic)
	want, failed := m.model.alive(topic, []string{host}, p.ttl)
	m.fails("remaining", err, failed)
	if failed == nil {
		m.same("remaining", m.round(got), want[0])
	}
}

// looksAt counts the marks without TTL that a look meets.
func (m *osloMachine) looksAt(topic string) {
	for _, h := range m.model.listed(topic) {
		if k := m.model.keys[topic+"."+h]; k != nil && k.until == 0 && k.members[""] {
			m.reached["mark given a TTL"]++
		}
	}
}

func (m *osloMachine) Members(*rapid.T) {
	p, topic := m.process(), m.topic()
	v, err := p.Oslo.Members(context.Background(), topic)
	m.looksAt(topic)
	want, failed := m.model.hosts(topic, p.ttl)
	m.fails("members", err, failed)
	if failed != nil {
		return
	}
	m.same("members", starred(v), want)
	key := strings.Join(want, " ")
	if was, seen := m.versions[key]; seen {
		m.same("version", v.Version, was)
	}
	m.versions[key] = v.Version
	for hosts, version := range m.versions {
		if hosts != key && version == v.Version {
			m.Fatalf("%q and %q have one version, %v", hosts, key, version)
		}
	}
}

// starred lists the hosts of a view, those that are held with a star.
func starred(v *core.View) []string {
	var hosts []string
	for _, member := range v.Members {
		h := member.Host
		if member.Held {
			h += "*"
		}
		hosts = append(hosts, h)
	}
	return hosts
}

func (m *osloMachine) Fanout(*rapid.T) {
	p, topic := m.process(), m.topic()
	routes, err := p.FanoutExchange(context.Background(), "fanout~"+topic)
	want, failed := m.model.hosts(topic, p.ttl)
	if failed == nil && len(want) == 0 {
		m.reached["nobody"]++
		failed = core.ErrNoMatch
	}
	m.fails("fanout", err, failed)
	var got []string
	for _, r := range routes {
		m.same("key", r.Key, topic+"."+r.Host)
		got = append(got, r.Host)
	}
	m.same("fanout", got, want)
}

// Pick has one of those who live answered. Of the dead it unlists those whom it draws.
func (m *osloMachine) Pick(*rapid.T) {
	for range 3 {
		m.pick(m.process(), m.topic())
	}
}

func (m *osloMachine) pick(p *osloProcess, topic string) {
	routes, err := p.TopicExchange(context.Background(), topic)
	if m.model.noSet(topic) {
		m.fails("pick", err, errOsloType)
		return
	}
	if len(routes) == 0 { // it looked at everybody
		want, failed := m.model.hosts(topic, p.ttl)
		if len(want) > 0 || failed != nil {
			m.Fatalf("pick: %v, want one of %v", err, want)
		}
		m.fails("pick", err, core.ErrNoMatch)
		return
	}
	host := routes[0].Host
	if err != nil || len(routes) > 1 || routes[0].Key != topic+"."+host || !slices.Contains(m.model.listed(topic), host) ||
		m.model.left(topic+"."+host, p.ttl) == 0 {
		m.Fatalf("pick: %v, %v: nobody who lives", routes, err)
	}
	for _, h := range m.model.listed(topic) {
		member := topic + "." + h
		if m.client.SIsMember(context.Background(), topic, member).Val() || m.model.noSet(member) {
			continue
		}
		if m.model.left(member, p.ttl) > 0 {
			m.Fatalf("pick: %s lives, and is unlisted", h)
		}
		m.model.remove(topic, member)
		m.reached["pruned by chance"]++
	}
}

func (m *osloMachine) Topics(*rapid.T) {
	got, err := m.process().Oslo.Topics(context.Background())
	m.fails("topics", err, nil)
	m.same("topics", got, m.model.topics())
}

// Poll is a poll of every watch.
func (m *osloMachine) Poll(*rapid.T) {
	for _, p := range m.processes {
		m.poll(p, "t")
		m.poll(p, "t.a")
	}
}

func (m *osloMachine) poll(p *osloProcess, topic string) {
	v := p.look(context.Background(), topic, p.views[topic])
	hosts, failed := m.model.hosts(topic, p.ttl)
	m.fails("poll", v.Stale, failed)
	was := p.lists[topic]
	list := was
	if failed == nil {
		list = slices.Clone(hosts)
		for _, h := range was {
			if !slices.Contains(hosts, h) && !strings.HasSuffix(h, "*") { // it was there
				list = append(list, h+"*")
				m.reached["held"]++
			}
		}
		slices.SortFunc(list, func(a, b string) int { return strings.Compare(strings.TrimSuffix(a, "*"), strings.TrimSuffix(b, "*")) })
	} else {
		m.reached["stale"]++
	}
	m.same("poll", starred(v), list)
	if known := v.Version != (core.Version{}); known != (len(list) > 0 || p.views[topic] != nil && p.views[topic].Version != core.Version{}) {
		m.Fatalf("poll: the version is %v", v.Version)
	}
	p.views[topic], p.lists[topic] = v, list
}

// do makes a command that no process of ours would make.
func (m *osloMachine) do(args ...any) any {
	reply, err := m.client.Do(context.Background(), args...).Result()
	if err != nil && !strings.HasPrefix(err.Error(), "WRONGTYPE") {
		m.Fatalf("%v: %v", args, err)
	}
	return reply
}

// OldRegister is backend_register of the original; OldBeat may follow, or not.
func (m *osloMachine) OldRegister(*rapid.T) { m.oldRegister(m.topic(), m.host()) }

func (m *osloMachine) oldRegister(topic, host string) {
	m.do("SADD", topic, topic+"."+host)
	m.do("SADD", topic+"."+host, "")
	m.model.add(topic, topic+"."+host)
	m.model.add(topic+"."+host, "")
}

// OldBeat is ack_alive of the original, whose EXPIRE must find who lives.
func (m *osloMachine) OldBeat(*rapid.T) {
	key, ttl := m.topic()+"."+m.host(), m.units(3, 4)
	got := m.do("EXPIRE", key, ttl/1000)
	m.same("the original's EXPIRE", got == int64(1), m.model.expire(key, ttl))
}

// OldLeave is backend_unregister of the original.
func (m *osloMachine) OldLeave(*rapid.T) {
	topic, host := m.topic(), m.host()
	m.do("SREM", topic, topic+"."+host)
	m.do("DEL", topic+"."+host)
	m.model.remove(topic, topic+"."+host)
	delete(m.model.keys, topic+"."+host)
}

// OldLook is is_alive of the original, by which its lookups go. It prunes whom it finds dead.
func (m *osloMachine) OldLook(*rapid.T) {
	topic, host := m.topic(), m.host()
	member := topic + "." + host
	dead := m.do("TTL", member) == int64(-2)
	m.same("the original finds "+member+" dead", dead, m.model.keys[member] == nil)
	if dead {
		m.do("DEL", member)
		m.do("SREM", topic, member)
		m.model.remove(topic, member)
	}
}

func (m *osloMachine) Pass(*rapid.T) {
	ms := rapid.SampledFrom([]int64{1, 500, 1500, 2000, 2999, 3000}).Draw(m.T, "ms")
	time.Sleep(time.Duration(ms) * time.Millisecond)
	m.model.pass(ms)
}

// Lose is an eviction of one key, or a loss of everything.
func (m *osloMachine) Lose(*rapid.T) {
	if rapid.IntRange(0, 9).Draw(m.T, "all") == 0 {
		m.do("FLUSHALL")
		clear(m.model.keys)
		return
	}
	key := m.key()
	m.do("DEL", key)
	delete(m.model.keys, key)
}

func (m *osloMachine) Persist(*rapid.T) {
	key := m.key()
	m.do("PERSIST", key)
	if k := m.model.keys[key]; k != nil {
		k.until = 0
	}
}

// Intrude puts a text where a set should be.
func (m *osloMachine) Intrude(*rapid.T) {
	key := m.key()
	m.do("SET", key, foreign)
	m.model.keys[key] = &plainKey{text: foreign}
	if rapid.Bool().Draw(m.T, "with a TTL") {
		ttl := m.units(2, 4)
		m.do("PEXPIRE", key, ttl)
		m.model.expire(key, ttl)
	}
}
