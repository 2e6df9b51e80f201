package grpcmm_test

import (
	"context"
	"testing"

	"github.com/redismm/matchmaker/core"
)

// connected returns a channel that is connected to all hosts that its policy connects to.
func connected(t *testing.T, mm *core.HeartbeatMatchMaker, policy string, hosts []*host) *channel {
	t.Helper()
	c := dial(t, mm.Live(), "matchmaker:///compute", policy)
	c.everywhere(policy, hosts)
	return c
}

func TestPickFirstStaysWithOneHostAndGoesOnWithAnother(t *testing.T) {
	mm, _ := inMemory(t)
	hosts := startHosts(t, mm, "compute", 3)
	c := connected(t, mm, pickFirst, hosts)
	if by := c.spread(100, keyed); by["node1"] != 100 {
		t.Errorf("calls by host: %v, want all to node1", by)
	}
	leave(t, mm, "compute", "node1")
	for who := "node1"; who == "node1"; {
		who = c.answers()
	}
	hosts[0].server.Stop()
	if by := c.spread(100, keyed); len(by) != 1 || by["node1"] != 0 {
		t.Errorf("calls by host after node1 has left: %v", by)
	}
}

func TestRoundRobinSharesAndTakesInWhoJoins(t *testing.T) {
	mm, _ := inMemory(t)
	hosts := startHosts(t, mm, "compute", 3)
	c := connected(t, mm, roundRobin, hosts)
	if by := c.spread(300, keyed); min(by["node1"], by["node2"], by["node3"]) < 70 { // the last connections may become ready meanwhile
		t.Errorf("calls by host: %v, want 100 each", by)
	}
	h := serve(t, "node4")
	register(t, mm, h.at("compute"))
	for h.calls.Load() == 0 {
		c.answers()
	}
	if by := c.spread(400, keyed); by["node4"] < 70 || by["node4"] > 130 {
		t.Errorf("calls by host after node4 has joined: %v, want 100 each", by)
	}
}

func TestLeastRequestLeavesTheBusyAlone(t *testing.T) {
	mm, _ := inMemory(t)
	hosts := startHosts(t, mm, "compute", 2)
	c := connected(t, mm, `"least_request_experimental": {"choiceCount": 10}`, hosts)
	slow := make(chan error, 1)
	go func() {
		_, err := c.call(context.Background(), "slow")
		slow <- err
	}()
	busy, idle := whoHolds(t, hosts)
	if by := c.spread(200, keyed); by[idle.name] < 180 { // ten choices may all fall on the busy one
		t.Errorf("calls by host: %v, want nearly all to %s", by, idle.name)
	}
	close(busy.slow)
	if err := <-slow; err != nil {
		t.Error(err)
	}
}

func TestRingHashFollowsWeightsAndNames(t *testing.T) {
	mm, _ := inMemory(t)
	hosts := make([]*host, 3)
	for i, weight := range []int{1, 1, 8} {
		hosts[i] = serve(t, []string{"node1", "node2", "node3"}[i])
		r := hosts[i].at("compute")
		r.Weight = weight
		register(t, mm, r)
	}
	c := connected(t, mm, ringHash, hosts)
	keyOf := func(i int) context.Context { return keyed(i % 500) }
	if by := c.spread(1000, keyOf); by["node3"] < 650 || by["node1"] < 20 || by["node2"] < 20 {
		t.Errorf("calls by host: %v, want them as 1 to 1 to 8", by)
	}
	before := c.holders(100)
	moved := serve(t, "node3")
	r := moved.at("compute")
	r.Weight = 8
	register(t, mm, r)
	for moved.calls.Load() == 0 {
		c.spread(10, keyed)
	}
	if after := c.holders(100); after != before {
		t.Errorf("keys are with others after a host came back with another address:\n%s\n%s", before, after)
	}
}

// holders returns which hosts answer for keys.
func (c *channel) holders(keys int) (names string) {
	c.t.Helper()
	for i := range keys {
		for who := range c.spread(1, func(int) context.Context { return keyed(i) }) {
			names += who[len(who)-1:]
		}
	}
	return names
}
