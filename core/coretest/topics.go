package coretest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/redismm/matchmaker/core"
)

// whole is a claim that says all that can be said.
func whole(topic, host string) *core.Claim {
	return &core.Claim{Registration: core.Registration{
		Topic: topic, Host: host, Addr: "[fd00::1]:8774", Zone: "räum 1", Weight: 7,
		Labels: map[string]string{"rack": "b2", "a=b": `"|:{}`, "empty": ""},
	}}
}

// same checks that a member says what its claim does.
func (p *process) same(m *core.Member, c *core.Claim) {
	p.Helper()
	if m.Topic != c.Topic || m.Host != c.Host || m.Addr != c.Addr || m.Zone != c.Zone || m.Weight != c.Weight ||
		!maps.Equal(m.Labels, c.Labels) || m.State != c.State || m.Instance != c.Instance || m.Held {
		p.Errorf("member %+v, want it as claimed: %+v", m, *c)
	}
}

func wholeAndInOrder(p *process) {
	p = p.lasting()
	b, a, c := whole("compute", "b"), claim("compute", "a"), claim("compute", "C")
	p.registers(core.Joined, b, a, c)
	v := p.another().members("compute", "C", "a", "b")
	for i, want := range []*core.Claim{c, a, b} {
		p.same(v.Members[i], want)
	}
	if v.Version == (core.Version{}) || v.AsOf.IsZero() {
		p.Errorf("version %+v as of %v", v.Version, v.AsOf)
	}
}

func unknownOrEmpty(p *process) {
	p = p.lasting()
	if err := p.members("compute").Err(); !errors.Is(err, core.ErrUnknownTopic) {
		p.Errorf("never heard of: %v", err)
	}
	c := claim("compute", "node1")
	p.registers(core.Joined, c)
	p.leaves(core.Left, c)
	if err := p.members("compute").Err(); !errors.Is(err, core.ErrNoHosts) {
		p.Errorf("nobody left: %v", err)
	}
	p.Flush()
	if err := p.members("compute").Err(); !errors.Is(err, core.ErrUnknownTopic) {
		p.Errorf("after a loss: %v", err)
	}
}

func versionOfEachState(p *process) {
	p = p.lasting()
	a, b := claim("compute", "a"), claim("compute", "b")
	seen := map[core.Version]string{{}: "nothing"}
	check := func(state string, hosts ...string) {
		p.Helper()
		v := p.members("compute", hosts...).Version
		if again := p.another().members("compute", hosts...).Version; again != v {
			p.Errorf("%s is version %v and %v", state, v, again)
		}
		if was, ok := seen[v]; ok {
			p.Errorf("%s and %s are one version, %v", was, state, v)
		}
		seen[v] = state
	}
	p.registers(core.Joined, a)
	check("one host", "a")
	p.registers(core.Joined, b)
	check("two hosts", "a", "b")
	a.State = core.Draining
	p.beats(core.Changed, a)
	check("one drains", "a", "b")
	p.leaves(core.Left, a)
	check("one has left", "b")
	p.expires(core.Left, "compute", "b")
	check("nobody")
	p.Flush()
	p.registers(core.Joined, claim("compute", "b"))
	check("one host after a loss", "b")
}

func twoTopics(p *process) {
	p = p.lasting()
	a, b := claim("compute", "node1"), claim("volume", "node1")
	p.registers(core.Joined, a, b)
	p.leaves(core.Left, a)
	p.members("compute")
	p.members("volume", "node1")
	p.beats(core.Kept, b)
	p.expires(core.Absent, "compute", "node1")
	p.members("volume", "node1")
}

func fooAndFoobar(p *process) {
	p = p.lasting()
	foobar := claim("foobar", "node1")
	p.registers(core.Joined, foobar)
	if err := p.members("foo").Err(); !errors.Is(err, core.ErrUnknownTopic) {
		p.Errorf("foo beside foobar: %v, want ErrUnknownTopic", err)
	}
	foo := claim("foo", "node2")
	p.registers(core.Joined, foo)
	p.members("foo", "node2")
	p.members("foobar", "node1")
	p.leaves(core.Left, foo)
	p.members("foobar", "node1")
}

var odd = []string{"a", "A", "a.b", "b.c", "c", "a b", " ", "a ", "|", ":", "*", "@", ".", "..", "a|b", "a:b", "a@b", "a@b:v", "a*",
	"?", "[a-z]", `\`, "/", "%20", `"`, "'", "mm", "v", "d", "topics", "a~b", "fanouts", "é", "e\u0301", "名前", "🦊", "$1", "0", "-",
	strings.Repeat("x", core.MaxName), strings.Repeat("x", core.MaxName-1) + ".", strings.Repeat("é", core.MaxName/2)}

// oddHosts may not be topics.
var oddHosts = []string{"{a}", "}", "{", "fanout", "fanout.a", "fanout~a"}

func oddNames(p *process) {
	p = p.lasting()
	hosts := slices.Concat(odd, oddHosts)
	want := make(map[string][]string)
	var first *core.Claim
	for i, topic := range odd {
		of := []string{hosts[i], hosts[i+1], hosts[i+len(oddHosts)]} // i is a host of topic i too
		if topic == "a" || topic == "a.b" {
			of = hosts
		}
		for _, host := range of {
			c := claim(topic, host)
			p.registers(core.Joined, c)
			if first == nil {
				first = c
			}
		}
		want[topic] = slices.Sorted(slices.Values(of))
	}
	check := func() {
		p.Helper()
		for topic, hosts := range want {
			p.members(topic, hosts...)
		}
	}
	check()
	p.leaves(core.Left, first)
	p.leaves(core.Left, claim("a.b", "c"), claim("a", "b.c"))
	for place, host := range map[string]string{"a": "b.c", "a.b": "c"} {
		want[place] = slices.DeleteFunc(want[place], func(h string) bool { return h == host })
	}
	want["a"] = slices.DeleteFunc(want["a"], func(h string) bool { return h == first.Host })
	check()
	p.listed(slices.Sorted(maps.Keys(want)))
}

// listed waits until the registry lists topics; one may be missing for a minute.
func (p *process) listed(want []string) {
	p.Helper()
	var got []string
	p.until(minute+soon, fmt.Sprintf("%d topics listed", len(want)), func() bool {
		topics, err := p.backend.Topics(p.Context())
		if err != nil {
			p.Fatalf("topics: %v", err)
		}
		got = topics
		return slices.Equal(got, want)
	})
}

func topicsInOrder(p *process) {
	p = p.lasting()
	p.registers(core.Joined, claim("b", "node1"), claim("a", "node1"), claim("B", "node2"))
	p.listed([]string{"B", "a", "b"})
}

func refusedNames(p *process) {
	h, err := core.NewHeartbeat(p.backend, core.HeartbeatConfig{})
	if err != nil {
		p.Fatal(err)
	}
	long := strings.Repeat("x", core.MaxName+1)
	for _, topic := range []string{"", "fanout", "fanout.a", "fanout~a", "a{b", "a}b", "a\nb", "a\x00", "\xff", "\u0085", long} {
		refused(p, h, topic, "node1")
		if _, err := h.Resolve(p.Context(), core.FanoutPrefix+topic); !errors.Is(err, core.ErrNoMatch) {
			p.Errorf("resolve of topic %q: %v, want ErrNoMatch", topic, err)
		}
	}
	for _, host := range []string{"", "a\nb", "a\x00", "\xff", "\u0085", long} {
		refused(p, h, "compute", host)
	}
	if topics, err := p.backend.Topics(p.Context()); err != nil || len(topics) > 0 {
		p.Errorf("refused names left topics %q, %v", topics, err)
	}
	if kept := h.Registrations(); len(kept) > 0 {
		p.Errorf("refused names were kept: %v", kept)
	}
}

func refused(p *process, h *core.HeartbeatMatchMaker, topic, host string) {
	p.Helper()
	ctx := p.Context()
	_, alive := h.IsAlive(ctx, topic, host)
	for verb, err := range map[string]error{
		"register":   h.Register(ctx, core.Registration{Topic: topic, Host: host}),
		"unregister": h.Unregister(ctx, topic, host),
		"ack":        h.AckAlive(ctx, topic, host),
		"expire":     h.Expire(ctx, topic, host),
		"alive":      alive,
	} {
		if !errors.Is(err, core.ErrInvalid) {
			p.Errorf("%s of topic %q, host %q: %v, want ErrInvalid", verb, topic, host, err)
		}
	}
}

// manyClaims mixes outcomes so that one in another's place would be seen.
func manyClaims(topics int) func(*process) {
	return func(p *process) {
		p = p.lasting()
		const n = 1500
		var old, newer []*core.Claim
		want := make(map[string][]string)
		for i := range n {
			topic, host := fmt.Sprintf("many%d", i%topics), fmt.Sprintf("node%04d", i)
			old = append(old, claim(topic, host))
			if i%7 == 3 {
				newer = append(newer, claim(topic, host))
				want[topic] = append(want[topic], host)
			}
		}
		expect := func(verb string, f writing, theirs core.Outcome) {
			p.Helper()
			for i, got := range p.outcomes(verb, f, old) {
				if super := i%7 == 3; super && got != core.Superseded || !super && got != theirs {
					p.Fatalf("%s of claim %d: %s, superseded %v", verb, i, got, super)
				}
			}
		}
		p.registers(core.Joined, old...)
		p.beats(core.Kept, old...)
		p.another().lasting().registers(core.Replaced, newer...)
		expect("beat", p.backend.AckAlive, core.Kept)
		expect("register again", p.backend.BackendRegister, core.Kept)
		expect("leave", p.backend.BackendUnregister, core.Left)
		expect("late beat", p.backend.AckAlive, core.Left)
		for topic, hosts := range want {
			p.members(topic, hosts...)
		}
	}
}

func topicsAtOnce(p *process) {
	p = p.lasting()
	var calls sync.WaitGroup
	for i := range 3 {
		calls.Go(func() {
			var claims []*core.Claim
			for j := range 100 {
				claims = append(claims, claim(fmt.Sprintf("topic%d", i), fmt.Sprintf("node%d", j)))
			}
			for _, f := range []writing{p.backend.BackendRegister, p.backend.AckAlive, p.backend.AckAlive, p.backend.BackendUnregister} {
				os, err := f(p.Context(), p.ttl, claims)
				if err != nil || len(os) != len(claims) || slices.Contains(os, core.Superseded) || slices.Contains(os, core.Absent) {
					p.Errorf("topic%d: %d outcomes of %d, %v", i, len(os), len(claims), err)
				}
			}
		})
	}
	calls.Wait()
	for i := range 3 {
		p.members(fmt.Sprintf("topic%d", i))
	}
}

func noClaims(p *process) {
	for _, f := range []writing{p.backend.BackendRegister, p.backend.AckAlive, p.backend.BackendUnregister} {
		if os, err := f(p.Context(), p.ttl, nil); len(os) != 0 || err != nil {
			p.Errorf("%v, %v for no claims", os, err)
		}
	}
}

func endedContext(p *process) {
	p = p.lasting()
	c, d := claim("compute", "node1"), claim("volume", "node1")
	p.registers(core.Joined, c)
	ended, end := context.WithCancel(p.Context())
	end()
	for verb, f := range map[string]writing{
		"register": p.backend.BackendRegister, "beat": p.backend.AckAlive, "leave": p.backend.BackendUnregister,
	} {
		os, err := f(ended, p.ttl, []*core.Claim{c, d})
		if !slices.Equal(os, []core.Outcome{core.Unknown, core.Unknown}) || !errors.Is(err, core.ErrUnavailable) {
			p.Errorf("%s: %v, %v, want unknown for each and ErrUnavailable", verb, os, err)
		}
	}
	_, members := p.backend.Members(ended, "compute")
	_, remaining := p.backend.Remaining(ended, "compute", "node1")
	_, topics := p.backend.Topics(ended)
	_, expire := p.backend.Expire(ended, "compute", "node1")
	for verb, err := range map[string]error{"members": members, "remaining": remaining, "topics": topics, "expire": expire} {
		if !errors.Is(err, core.ErrUnavailable) {
			p.Errorf("%s: %v, want ErrUnavailable", verb, err)
		}
	}
}
