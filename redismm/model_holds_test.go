package redismm

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/redismm/matchmaker/core"
)

// Check compares all that Redis holds with the model, and all that a reader is answered.
func (m *machine) Check(*rapid.T) {
	m.mu.Lock()
	for channel, texts := range m.heard {
		m.Fatalf("told on %s without a change: %v", channel, texts)
	}
	m.mu.Unlock()
	held := m.kept.dump()
	want := make(map[string]string)
	if len(m.named) > 0 {
		want[m.store.keys.topics()] = fmt.Sprintf("%v for %d", slices.Sorted(maps.Keys(m.named)), m.left(m.until))
	}
	for topic, p := range m.topics {
		m.holds(want, topic, p)
	}
	for key := range want {
		if held[key] != want[key] {
			m.Fatalf("redis and the model differ in %s:\n got %s\nwant %s", key, held[key], want[key])
		}
	}
	for key := range held {
		if want[key] == "" {
			m.Fatalf("redis holds %s: %s", key, held[key])
		}
	}
	m.checks++
	topic := []string{"t", "t", "u"}[m.checks%3] // in turn, to save time
	m.reads(topic, m.topics[topic])
	m.lists()
}

// left is in milliseconds, 0 for ever.
func (m *machine) left(until int64) int64 {
	if until == 0 {
		return 0
	}
	return (until - m.now() + 500) / 1000
}

// holds adds what Redis is to hold of a topic.
func (m *machine) holds(want map[string]string, topic string, p *plain) {
	k := m.store.keys
	for host, v := range p.places {
		text := v.text()
		switch v.kind {
		case foreignType:
			text = "list"
		case foreignText:
			text = foreign
		}
		want[k.liveness(topic, host)] = fmt.Sprintf("%s for %d", text, m.left(v.until))
	}
	if len(p.listed) > 0 {
		want[k.set(topic)] = fmt.Sprintf("%v for %d", slices.Sorted(maps.Keys(p.listed)), m.left(p.listedUntil))
	}
	if p.epoch != "" {
		fields := map[string]string{"l": "1", "e": p.epoch, "s": p.seq, "c": p.change, "n": p.n, "d": fmt.Sprint(p.doubted)}
		want[k.version(topic)] = fmt.Sprintf("%v for %d", fields, m.left(p.versionUntil))
	}
	if len(p.drains) > 0 {
		want[k.drains(topic)] = fmt.Sprintf("%v for %d", p.snapshot(nil).drains, m.left(p.drainsUntil))
	}
}

// members returns who of the set lives, in order of the hosts.
func (s *snapshot) members(topic string) []*core.Member {
	var found []*core.Member
	for _, h := range slices.Sorted(slices.Values(s.hosts)) {
		if v := s.values[h]; v.kind == live {
			m := v.member(topic, h)
			if m.State == core.Up && s.drained(h) > 0 {
				m.State = core.Draining
			}
			found = append(found, &m)
		}
	}
	return found
}

// reads compares what readers of a topic are answered: the snapshots of watchers in both forms, and lookups.
func (m *machine) reads(topic string, p *plain) {
	hosts := []string{"a", "b", "c"}
	want := p.snapshot(hosts)
	inTwo, _, err := m.store.readInTwo(m.ctx(), m.client, topic, hosts)
	if err != nil {
		m.Fatal(err)
	}
	inOne, err := m.store.readInOne(m.ctx(), m.client, topic, hosts)
	if err != nil {
		m.Fatal(err)
	}
	for _, got := range []*snapshot{inTwo.taken(), inOne.taken()} {
		slices.Sort(got.hosts)
		if fmt.Sprint(*got) != fmt.Sprint(*want) {
			m.Fatalf("snapshot of %s:\n got %v\nwant %v", topic, *got, *want)
		}
	}
	view, err := m.store.Members(m.ctx(), topic)
	_, fan := m.store.FanoutExchange(m.ctx(), "fanout~"+topic)
	picked, pick := m.store.TopicExchange(m.ctx(), topic)
	lost, doubted := p.lost() && (p.epoch != "" || len(p.listed) > 0), p.epoch != "" && p.now < p.doubted && len(want.members(topic)) == 0
	if lost || doubted {
		m.reached[map[bool]string{true: "contradiction", false: "doubted"}[lost]]++
		// A pick that draws a living host need not know what else was lost.
		if !errors.Is(err, core.ErrUnavailable) || !errors.Is(fan, core.ErrUnavailable) || pick != nil && !errors.Is(pick, core.ErrUnavailable) {
			m.Fatalf("a topic that lost a part, or has not been whole for a TTL since, answers %v, %v and %v, want ErrUnavailable", err, fan, pick)
		}
	} else {
		m.same("members", spelt(view.Members), spelt(want.members(topic)))
		m.same("version", view.Version, want.version.core())
		m.same("fanout and pick", []error{knownError(fan), knownError(pick)}, []error{knownError(view.Err()), knownError(view.Err())})
	}
	among := core.Pickable(want.members(topic))
	if pick == nil && !slices.ContainsFunc(among, func(o *core.Member) bool { return o.Host == picked[0].Host && o.Instance == picked[0].Member.Instance }) {
		m.Fatalf("picked %s of %v", picked[0].Host, among)
	}
	m.asks(topic, hosts[m.checks/3%3], p, want)
}

// knownError leaves of an error what the model can know.
func knownError(err error) error {
	for _, known := range []error{core.ErrUnknownTopic, core.ErrNoHosts} {
		if errors.Is(err, known) {
			return known
		}
	}
	return err
}

// asks compares what is answered for one host.
func (m *machine) asks(topic, host string, p *plain, s *snapshot) {
	left, err := m.store.Remaining(m.ctx(), topic, host)
	routes, direct := m.store.DirectExchange(m.ctx(), topic+"."+host)
	if direct != nil || len(routes) != 1 {
		m.Fatalf("direct: %v, %v", routes, direct)
	}
	v := p.places[host]
	switch {
	case v.foreign():
		if err == nil {
			m.Fatal("a foreign key has time left")
		}
	case err != nil:
		m.Fatal(err)
	case v.kind != live:
		m.same("left of nobody", left, time.Duration(0))
	default:
		if d := left - time.Duration(v.until-m.now())*time.Microsecond; v.until != 0 && d.Abs() > time.Millisecond {
			m.Fatalf("%s left of %s@%s, %s off", left, topic, host, d)
		}
	}
	if got := routes[0].Member; (got != nil) != (v.kind == live) {
		m.Fatalf("direct to %s: %+v, want %+v", host, got, v)
	} else if got != nil {
		want := v.member(topic, host)
		if want.State == core.Up && s.drained(host) > 0 {
			want.State = core.Draining
			m.reached["drained"]++
		}
		m.same("direct", *got, want)
	}
}

// lists compares the names of topics. To list them takes those away that have no version.
func (m *machine) lists() {
	maps.DeleteFunc(m.named, func(topic string, _ bool) bool { return m.topics[topic].epoch == "" })
	want := slices.Sorted(maps.Keys(m.named))
	got, err := m.store.Topics(m.ctx())
	if err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
		m.Fatalf("topics %v, %v, want %v", got, err, want)
	}
}

// spelt spells members, each whole.
func spelt(ms []*core.Member) string {
	var all strings.Builder
	for _, m := range ms {
		fmt.Fprintln(&all, *m)
	}
	return all.String()
}
