package redismm

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"

	"github.com/redismm/matchmaker/core"
)

func TestAListSaysWhatRedisSaysNowWhateverItSaidBefore(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		s := r.store()
		reads := func(want string) *core.View {
			r.Helper()
			v, err := s.Members(r.Context(), compute)
			if err != nil {
				r.Fatalf("%v; want %q", err, want)
			}
			if got := shown(v); got != want {
				r.Fatalf("%q, want %q", got, want)
			}
			return v
		}
		first, second := claimOf("node1"), claimOf("node2")
		r.registers(s, core.Joined, first)
		r.registers(s, core.Joined, second)
		before, after := reads("node1 node2"), reads("node1 node2")
		if before.Members[0] != after.Members[0] {
			r.Error("what is the same is decoded again")
		}
		if err := s.DrainFor(r.Context(), compute, "node1", time.Minute, "upgrade"); err != nil {
			r.Fatal(err)
		}
		if v := reads("node1! node2"); v.Members[0].State != core.Draining || before.Members[0].State != core.Up {
			r.Errorf("drained: %v, and in an earlier view: %v", v.Members[0].State, before.Members[0].State)
		}
		if err := s.DrainFor(r.Context(), compute, "node1", 0, ""); err != nil {
			r.Fatal(err)
		}
		if v := reads("node1 node2"); v.Members[0].State != core.Up {
			r.Errorf("after the drain: %v", v.Members[0].State)
		}
		second.State = core.Failing
		r.beats(s, core.Changed, second)
		if v := reads("node1 node2"); v.Members[1].State != core.Failing || v.Members[0] != before.Members[0] {
			r.Errorf("a new record: %+v beside %p, want failing beside the same as before, %p", v.Members[1], v.Members[0], before.Members[0])
		}
		reads("node1 node2") // and from now on in one trip
		third := claimOf("node0")
		r.registers(s, core.Joined, third)
		reads("node0 node1 node2")
		reads("node0 node1 node2")
		r.do("DEL", keysOf.liveness(compute, "node1")) // listed, and dead
		reads("node0 node2")
		r.leaves(s, core.Left, third)
		reads("node2")
	})
}

func TestWhatAReaderAppendsToAListNobodyElseSees(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		s := r.store()
		r.registers(s, core.Joined, claimsOf("node1", "node2", "node3")...)
		r.do("DEL", keysOf.liveness(compute, "node3")) // listed, and dead
		var lists [2][]*core.Member
		for i, host := range []string{"mine", "yours"} {
			v, err := s.Members(r.Context(), compute)
			if err != nil {
				r.Fatal(err)
			}
			lists[i] = append(v.Members, &core.Member{Registration: core.Registration{Host: host}})
		}
		if got := lists[0][2].Host; got != "mine" {
			r.Errorf("one reader appended mine, and now has %s", got)
		}
	})
}

// Between the version and the set of one reading.
func TestTheLastHostMayLeaveWhileItsTopicIsRead(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		s, c := r.joined("node1")
		reader := r.connected()
		var once atomic.Bool
		r.mini.Server().SetPreHook(func(_ *server.Peer, cmd string, _ ...string) bool {
			if strings.EqualFold(cmd, "SMEMBERS") && !once.Swap(true) {
				if _, err := s.BackendUnregister(r.Context(), r.config.TTL, []*core.Claim{c}); err != nil {
					r.Error(err)
				}
			}
			return false
		})
		if v, err := reader.Members(r.Context(), compute); err != nil || len(v.Members) != 0 {
			r.Errorf("%v, %v; want nobody, and no error: nothing is lost", v, err)
		}
	})
}

func TestListsAreBounded(t *testing.T) {
	var l lists
	size := func(topic string, n int) {
		a := &answer{snapshot: snapshot{hosts: make([]string, n)}, texts: make([]any, n)}
		l.members(topic, a)
	}
	for i := range 50 {
		size(fmt.Sprint("topic", i), 1000)
		size("topic", i)
	}
	size("large", mostListed+1)
	size("topic", 0)
	total := 0
	for topic, x := range l.of {
		total += len(x.hosts)
		if topic == "large" || topic == "topic" {
			t.Errorf("%s is remembered, with %d hosts", topic, len(x.hosts))
		}
	}
	if total != l.size || total > mostListed || total < mostListed/2 {
		t.Errorf("%d hosts are remembered, and counted as %d; want at most %d, and not few", total, l.size, mostListed)
	}
}
