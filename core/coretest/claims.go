package coretest

import (
	"errors"
	"time"

	"github.com/redismm/matchmaker/core"
)

func listedUntilItsTTL(p *process) {
	c := claim("compute", "node1")
	p.registers(core.Joined, c)
	if c.Instance == "" {
		p.Fatal("a registered claim has no Instance")
	}
	if m := p.another().members("compute", "node1").Members[0]; m.Instance != c.Instance || m.Held {
		p.Errorf("instance %q, held %v, want %q", m.Instance, m.Held, c.Instance)
	}
	if p.remaining("compute", "node1") == 0 {
		p.Error("no time left for who just registered")
	}
	p.lapse("compute", "node1")
	if err := p.members("compute").Err(); !errors.Is(err, core.ErrNoHosts) {
		p.Errorf("after the TTL: %v, want ErrNoHosts", err)
	}
}

func newerTakesOver(p *process) {
	p = p.lasting()
	old, newer := claim("compute", "node1"), claim("compute", "node1")
	newer.Addr = "10.0.0.2:80"
	p.registers(core.Joined, old)
	p.another().lasting().registers(core.Replaced, newer)
	if newer.Instance <= old.Instance {
		p.Errorf("the newer instance %q does not compare larger than %q", newer.Instance, old.Instance)
	}
	if m := p.members("compute", "node1").Members[0]; m.Instance != newer.Instance || m.Addr != newer.Addr {
		p.Errorf("shown is %+v, want the newer", m)
	}
	p.beats(core.Superseded, old)
	if h := old.Holder; h == nil || h.Instance != newer.Instance || h.Addr != newer.Addr {
		p.Errorf("holder %+v, want the newer", h)
	}
}

func retriedRegister(p *process) {
	p = p.lasting()
	old, newer := claim("compute", "node1"), claim("compute", "node1")
	p.registers(core.Joined, old)
	instance := old.Instance
	p.registers(core.Kept, old)
	p.another().lasting().registers(core.Replaced, newer)
	p.registers(core.Superseded, old)
	if old.Instance != instance {
		p.Errorf("a retried register made instance %q of %q", old.Instance, instance)
	}
	if m := p.members("compute", "node1").Members[0]; m.Instance != newer.Instance {
		p.Errorf("instance %q holds the place, want %q", m.Instance, newer.Instance)
	}
}

func beatKeeps(p *process) {
	c := claim("compute", "node1")
	p.registers(core.Joined, c)
	for range 3 {
		p.until(p.ttl, "a third of the TTL has passed", func() bool { return p.remaining("compute", "node1") < p.ttl*2/3 })
		p.beats(core.Kept, c)
		if left := p.remaining("compute", "node1"); left < p.ttl*2/3 {
			p.Fatalf("%s left after a beat, of %s", left, p.ttl)
		}
	}
	if m := p.members("compute", "node1").Members[0]; m.Instance != c.Instance {
		p.Errorf("beats made instance %q of %q", m.Instance, c.Instance)
	}
}

func beatRevivesTheLapsed(p *process) {
	c := claim("compute", "node1")
	p.registers(core.Joined, c)
	p.lapse("compute", "node1")
	p.beats(core.Joined, c)
	p.members("compute", "node1")
}

func beatRevivesTheLost(p *process) {
	p = p.lasting()
	c := whole("compute", "node1")
	p.registers(core.Joined, c)
	p.beats(core.Kept, c)
	p.Flush()
	p.beats(core.Joined, c)
	p.same(p.members("compute", "node1").Members[0], c)
	p.beats(core.Kept, c)
}

func beatAnnounces(p *process) {
	p = p.lasting()
	c := whole("compute", "node1")
	p.registers(core.Joined, c)
	c.State = core.Draining
	p.beats(core.Changed, c)
	p.beats(core.Kept, c)
	p.same(p.members("compute", "node1").Members[0], c)
	c.State = core.Failing
	p.beats(core.Changed, c)
	p.same(p.members("compute", "node1").Members[0], c)
	p.Flush()
	p.beats(core.Joined, c)
	p.same(p.members("compute", "node1").Members[0], c)
}

func newestWinsAfterLoss(p *process) {
	p = p.lasting()
	q := p.another().lasting()
	old, newer, newest := claim("compute", "node1"), claim("compute", "node1"), claim("compute", "node1")
	p.registers(core.Joined, old)
	q.registers(core.Replaced, newer)
	p.Flush()
	p.beats(core.Joined, old)
	q.beats(core.Replaced, newer)
	p.beats(core.Superseded, old)
	time.Sleep(time.Millisecond) // generations of a registry without memory come from its clock
	p.Flush()
	q.registers(core.Joined, newest)
	p.beats(core.Superseded, old)
	q.beats(core.Superseded, newer)
	if m := p.members("compute", "node1").Members[0]; m.Instance != newest.Instance {
		p.Errorf("instance %q holds the place, want %q", m.Instance, newest.Instance)
	}
}

func supersededWritesNothing(p *process) {
	old, newer := claim("compute", "node1"), claim("compute", "node1")
	p.registers(core.Joined, old)
	p.another().lasting().registers(core.Replaced, newer)
	was := p.members("compute", "node1")
	left := p.lasting().remaining("compute", "node1")
	old.State = core.Draining
	p.beats(core.Superseded, old)
	p.registers(core.Superseded, old)
	is := p.members("compute", "node1")
	if m := is.Members[0]; m.Instance != newer.Instance || m.State != core.Up || is.Version != was.Version {
		p.Errorf("instance %q, %s, version %v, want %q, up, %v", m.Instance, m.State, is.Version, newer.Instance, was.Version)
	}
	if now := p.lasting().remaining("compute", "node1"); now > left || now < left-soon {
		p.Errorf("a superseded beat turned %s left into %s", left, now)
	}
}

func standbyReturns(p *process) {
	old, newer := claim("compute", "node1"), claim("compute", "node1")
	p.registers(core.Joined, old)
	q := p.another()
	q.registers(core.Replaced, newer)
	p.beats(core.Superseded, old)
	q.lapse("compute", "node1")
	p.beats(core.Joined, old)
	p.beats(core.Kept, old)

	newest := claim("compute", "node1")
	q.registers(core.Replaced, newest)
	p.beats(core.Superseded, old)
	q.leaves(core.Left, newest)
	p.beats(core.Superseded, old) // for a TTL
	p.until(p.ttl+soon, "back after a departure", func() bool {
		return p.outcomes("beat", p.backend.AckAlive, []*core.Claim{old})[0] == core.Joined
	})
	p.members("compute", "node1")
}

func leaves(p *process) {
	p = p.lasting()
	c := claim("compute", "node1")
	p.registers(core.Joined, c)
	p.leaves(core.Left, c)
	if err := p.members("compute").Err(); !errors.Is(err, core.ErrNoHosts) {
		p.Errorf("after the last has left: %v, want ErrNoHosts", err)
	}
	if left := p.remaining("compute", "node1"); left != 0 {
		p.Errorf("%s left for who has left", left)
	}
	p.leaves(core.Left, c)
	p.registers(core.Joined, claim("compute", "node1"))
	p.members("compute", "node1")
	p.leaves(core.Superseded, c)
	p.members("compute", "node1")
}

func supersededLeaves(p *process) {
	p = p.lasting()
	old, newer := claim("compute", "node1"), claim("compute", "node1")
	p.registers(core.Joined, old)
	p.another().lasting().registers(core.Replaced, newer)
	p.leaves(core.Superseded, old)
	if m := p.members("compute", "node1").Members[0]; m.Instance != newer.Instance {
		p.Errorf("instance %q holds the place, want %q", m.Instance, newer.Instance)
	}
}

func lateBeat(p *process) {
	p = p.lasting()
	old, c := claim("compute", "node1"), claim("compute", "node1")
	p.registers(core.Joined, old)
	p.registers(core.Replaced, c)
	p.leaves(core.Left, c)
	p.beats(core.Left, c)
	p.registers(core.Left, c)
	p.beats(core.Superseded, old)
	p.members("compute")
}

func departureAfterLoss(p *process) {
	p = p.lasting()
	c := claim("compute", "node1")
	p.registers(core.Joined, c)
	p.Flush()
	p.leaves(core.Left, c)
	p.beats(core.Left, c)
	p.members("compute")
}

func removedByName(p *process) {
	p = p.lasting()
	q := p.another().lasting()
	old, owner := claim("compute", "node1"), claim("compute", "node1")
	q.leaves(core.Absent, claim("compute", "node1"))
	p.registers(core.Joined, old)
	p.registers(core.Replaced, owner)
	q.leaves(core.Left, claim("compute", "node1"))
	p.members("compute")
	q.leaves(core.Absent, claim("compute", "node1"))
	p.beats(core.Left, owner, old)
	p.members("compute")
	q.registers(core.Joined, claim("compute", "node1"))
	p.members("compute", "node1")
	p.beats(core.Superseded, owner)
}

func expired(p *process) {
	p = p.lasting()
	c := claim("compute", "node1")
	p.registers(core.Joined, c)
	p.another().expires(core.Left, "compute", "node1")
	p.members("compute")
	if left := p.remaining("compute", "node1"); left != 0 {
		p.Errorf("%s left after Expire", left)
	}
	p.expires(core.Absent, "compute", "node1")
	p.expires(core.Absent, "compute", "node2")
	p.beats(core.Joined, c)
	p.members("compute", "node1")
	p.leaves(core.Left, c)
	p.expires(core.Absent, "compute", "node1") // and the tombstone stays
	p.beats(core.Left, c)
}

func acknowledged(p *process) {
	c := claim("compute", "node1")
	p.registers(core.Joined, c)
	was := p.members("compute", "node1")
	p.until(p.ttl, "a third of the TTL has passed", func() bool { return p.remaining("compute", "node1") < p.ttl*2/3 })
	p.another().beats(core.Kept, claim("compute", "node1"))
	if left := p.remaining("compute", "node1"); left < p.ttl*2/3 {
		p.Errorf("%s left after an acknowledgement, of %s", left, p.ttl)
	}
	if is := p.members("compute", "node1"); is.Members[0].Instance != c.Instance || is.Version != was.Version {
		p.Errorf("an acknowledgement made %+v of %+v", is, was)
	}
	p.lapse("compute", "node1") // nobody was adopted
	p.another().beats(core.Absent, claim("compute", "node1"))
	p.members("compute")
}

func acknowledgedNobody(p *process) {
	p = p.lasting()
	c := claim("compute", "node1")
	p.beats(core.Absent, claim("compute", "node1"))
	if err := p.members("compute").Err(); !errors.Is(err, core.ErrUnknownTopic) {
		p.Errorf("after an acknowledgement of nobody: %v, want ErrUnknownTopic", err)
	}
	p.registers(core.Joined, c)
	p.leaves(core.Left, c)
	p.beats(core.Absent, claim("compute", "node1"))
	p.members("compute")
	p.beats(core.Left, c) // the tombstone was not touched
}

func neverRegistered(p *process) {
	if left := p.remaining("compute", "node1"); left != 0 {
		p.Errorf("%s left", left)
	}
}
