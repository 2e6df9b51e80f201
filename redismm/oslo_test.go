package redismm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
	"github.com/redismm/matchmaker/integration"
)

// The layout of the original. What it answers, and what its keys hold, is replayed in integration.

// oslo is the registry as one more process opens it in the layout of the original.
func (r *registry) oslo() *Oslo {
	r.Helper()
	o, err := NewOslo(r.client(r.wire), Config{HeartbeatConfig: r.config})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { o.Close() })
	return o
}

// keyed spells all of Redis but TTLs, one key a word.
func (r *registry) keyed() string {
	r.Helper()
	keys := r.raw.Keys(r.Context(), "*").Val()
	slices.Sort(keys)
	for i, k := range keys {
		members := r.raw.SMembers(r.Context(), k).Val()
		slices.Sort(members)
		keys[i] = k + "=" + strings.Join(members, ",")
	}
	return strings.Join(keys, " ")
}

func (r *registry) holds(want string) {
	r.Helper()
	if got := r.keyed(); got != want {
		r.Fatalf("keys are %q, want %q", got, want)
	}
}

type osloHarness struct{ conforming }

func (h osloHarness) Backend() core.Backend { return h.oslo() }

func TestOsloKeepsWhatItCanOfTheSuite(t *testing.T) {
	t.Parallel()
	says := []string{
		"a beat brings back what lapsed", "who never registered has no time left", "topic foo does not see foobar",
		"refused names are refused everywhere and leave nothing", "topics are listed in order",
		"calls for different topics may run at once", "a call without claims has no outcomes",
		"a call whose context has ended says unknown, not nobody",
		"a watch on a topic never heard of says so, and sees the first join",
		"a watch holds who was lost until the next beat", "a slow reader of a watch gets the newest view",
		"a watch ends with its context",
	}
	for name, on := range map[string]func(*testing.T) *registry{
		"miniredis":    timed,
		"redis-server": func(t *testing.T) *registry { return served(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			coretest.ExerciseSome(t, func(t *testing.T) coretest.Harness {
				return osloHarness{conforming{on(t)}}
			}, says...)
		})
	}
}

// old is a client as the original is: its commands, and the answer of its EXPIRE.
func (r *registry) old(topic, host string, ttl time.Duration) (alive bool) {
	r.Helper()
	alive, err := r.raw.Expire(r.Context(), core.DirectKey(topic, host), ttl).Result()
	if err != nil {
		r.Fatal(err)
	}
	return alive
}

func TestOsloTombstoneIsNeverWritten(t *testing.T) {
	onBoth(t, func(r *registry) {
		r.config = core.HeartbeatConfig{Freq: 5 * time.Second, TTL: 15 * time.Second}
		own, oslo := r.store(), r.oslo()
		cs := claimsOf("node1")
		r.registers(own, core.Joined, cs...)
		r.leaves(own, core.Left, cs...)
		tomb := keysOf.liveness(compute, "node1")
		text, left := r.do("GET", tomb), r.raw.PTTL(r.Context(), tomb).Val()
		if !strings.HasPrefix(text, "T ") || left <= 0 {
			r.Fatalf("no tombstone, but %q for %s", text, left)
		}

		// Everything that the other layout can do to that host leaves it, and none of it is a tombstone.
		c := claimOf("node1")
		call := func(verb string, f writing, want core.Outcome) { r.Helper(); r.call(verb, f, want, []*core.Claim{c}) }
		call("register", oslo.BackendRegister, core.Joined)
		call("beat", oslo.AckAlive, core.Kept)
		r.do("PERSIST", "compute.node1")
		if v, err := oslo.Members(r.Context(), compute); err != nil || shown(v) != "node1" {
			r.Errorf("%q, %v", shown(v), err)
		}
		if !r.old(compute, "node1", time.Minute) {
			r.Error("an old client's beat does not meet who lives")
		}
		call("leave", oslo.BackendUnregister, core.Left)
		if r.old(compute, "node1", time.Minute) {
			r.Error("an old client's beat met something of who has left, and would keep it for ever")
		}
		call("register", oslo.BackendRegister, core.Joined)
		if o, err := oslo.Expire(r.Context(), compute, "node1"); o != core.Left || err != nil {
			r.Errorf("expire: %s, %v", o, err)
		}
		if r.old(compute, "node1", time.Minute) {
			r.Error("an old client's beat met something of who expired")
		}
		if now := r.do("GET", tomb); now != text {
			r.Errorf("the tombstone is %q now, was %q", now, text)
		}
		if now := r.raw.PTTL(r.Context(), tomb).Val(); now > left || now <= 0 {
			r.Errorf("the tombstone lives for %s now, was %s", now, left)
		}
		if keys := r.raw.Keys(r.Context(), "compute*").Val(); len(keys) > 0 {
			r.Errorf("keys %q are left", keys)
		}
	})
}

func TestOsloAndOldClientsKeepOneAnother(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		o := r.oslo()
		r.call("register", o.BackendRegister, core.Joined, claimsOf("ours"))
		r.do("SADD", compute, "compute.theirs") // as the original registers
		r.do("SADD", "compute.theirs", "")
		r.old(compute, "theirs", r.config.TTL)
		r.holds("compute=compute.ours,compute.theirs compute.ours= compute.theirs=")
		for range 4 {
			r.pass(r.config.TTL / 2)
			if !r.old(compute, "ours", r.config.TTL) {
				r.Fatal("their beat did not find ours")
			}
			r.call("acknowledge", o.AckAlive, core.Kept, claimsOf("theirs"))
		}
		if routes, err := o.FanoutExchange(r.Context(), "fanout~compute"); err != nil || len(routes) != 2 {
			r.Errorf("%v, %v, want both", routes, err)
		}
		r.do("DEL", "compute.theirs") // as the original leaves
		r.do("SREM", compute, "compute.theirs")
		for range 8 {
			if routes, err := o.TopicExchange(r.Context(), compute); err != nil || routes[0].Host != "ours" {
				r.Fatalf("%v, %v", routes, err)
			}
		}
		r.pass(r.config.TTL + time.Millisecond)
		if _, err := o.TopicExchange(r.Context(), compute); !errors.Is(err, core.ErrNoMatch) {
			r.Errorf("after the TTL: %v", err)
		}
		r.holds("")
	})
}

func TestOsloRefusesWhatItsKeysCannotHold(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		o := r.oslo()
		plain, whole := claimOf("plain"), claimOf("whole")
		whole.Addr, whole.Zone, whole.Weight, whole.Labels = "a:1", "z", 2, map[string]string{"a": "b"}
		outcomes, err := o.BackendRegister(r.Context(), r.config.TTL, []*core.Claim{whole, plain})
		if want := []core.Outcome{core.Unknown, core.Joined}; !slices.Equal(outcomes, want) || !errors.Is(err, core.ErrUnsupported) ||
			!strings.Contains(fmt.Sprint(err), "compute.whole not its addr, labels, weight, zone") {
			r.Errorf("%v, %v", outcomes, err)
		}
		r.holds("compute=compute.plain compute.plain=")
		plain.State = core.Draining
		r.pass(r.config.TTL / 2)
		outcomes, err = o.AckAlive(r.Context(), r.config.TTL, []*core.Claim{plain})
		if outcomes[0] != core.Unknown || !errors.Is(err, core.ErrUnsupported) || !strings.Contains(fmt.Sprint(err), "draining") {
			r.Errorf("a drain: %v, %v", outcomes, err)
		}
		if left, _ := o.Remaining(r.Context(), compute, "plain"); left <= r.config.TTL/2 {
			r.Errorf("a host that drains has %s left: it was not kept alive", left)
		}
	})
}

func TestOsloIsRefusedWhereItCannotBe(t *testing.T) {
	cluster := redis.NewClusterClient(&redis.ClusterOptions{ContextTimeoutEnabled: true})
	defer cluster.Close()
	_, byClient := NewOslo(cluster, Config{})
	open := func(dsn string, c Config) error {
		h, err := Open(t.Context(), dsn, c)
		if err == nil {
			h.Close()
		}
		return err
	}
	_, asStore := OpenStore("redis://a", Config{Layout: LayoutOslo})
	_, asOslo := OpenOslo("redis://a", Config{Layout: LayoutMatchmaker})
	for want, err := range map[string]error{
		"want one server or Sentinels": byClient,
		"in a cluster the keys":        open("redis+cluster://a:1", Config{Layout: LayoutOslo}),
		`prefix "x": want none`:        open("redis://a", Config{Layout: LayoutOslo, Prefix: "x"}),
		`layout "nova": want "match`:   open("redis://a", Config{Layout: "nova"}),
		"want OpenOslo":                asStore,
		"or OpenStore":                 asOslo,
	} {
		if !errors.Is(err, core.ErrInvalid) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v, want an ErrInvalid that says %q", err, want)
		}
	}
	for _, dsn := range []string{"redis://a", "redis://a?master_name=m&addr=b:1"} {
		if err := open(dsn, Config{Layout: LayoutOslo}); err != nil {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

func TestOsloHoldsAnAbsenceForOnePoll(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		o := r.oslo()
		h, err := core.NewHeartbeat(r.oslo(), r.config)
		if err != nil {
			r.Fatal(err)
		}
		r.Cleanup(func() { h.Close() })
		for _, host := range []string{"a", "b"} {
			if err := h.Register(r.Context(), core.Registration{Topic: compute, Host: host}); err != nil {
				r.Fatal(err)
			}
		}
		h.StartHeartbeat()
		w := r.watch(o)
		w.shows("a b")
		if err := h.Unregister(r.Context(), compute, "a"); err != nil {
			r.Fatal(err)
		}
		w.shows("a~ b")
		w.shows("b")
		r.do("FLUSHALL")
		r.pass(4 * r.config.Freq)
		w.shows("b")
		r.do("FLUSHALL")
		h.StopHeartbeat()
		w.shows("b~")
		if err := w.shows("").Err(); !errors.Is(err, core.ErrNoHosts) {
			r.Errorf("who has seen a topic is told %v, want ErrNoHosts", err)
		}
		for i, v := range w.all() {
			if i > 0 && alike(w.all()[i-1], v) {
				r.Errorf("view %d shows nothing new: %s", i, w.story())
			}
		}
	})
}

func TestOsloWatchIsStaleWhileRedisIsAway(t *testing.T) {
	onServer(t, func(r *registry) {
		o := r.oslo()
		r.call("register", o.BackendRegister, core.Joined, claimsOf("node1"))
		w := r.watch(o)
		w.shows("node1")
		r.server.Kill()
		r.until("stale", func() bool { return w.last().Stale != nil })
		fresh := r.watch(r.oslo())
		if v := fresh.last(); v.Stale == nil || !errors.Is(v.Err(), core.ErrUnavailable) {
			r.Errorf("a new watch shows %+v, %v", v, v.Err())
		}
		if shown(w.last()) != "node1" {
			r.Errorf("stale shows %q", shown(w.last()))
		}
		if _, err := o.TopicExchange(r.Context(), compute); !errors.Is(err, core.ErrUnavailable) {
			r.Errorf("a lookup: %v", err)
		}
		r.server.Restart()
		r.until("fresh", func() bool { return w.last().Stale == nil })
	})
}

func TestOsloBeatsAreNotExecutedLate(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		o := r.oslo()
		c := claimsOf("node1")
		r.call("register", o.BackendRegister, core.Joined, c) // and hears the time
		goOn := r.stall()
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if outcomes, err := o.AckAlive(ctx, r.config.TTL, c); outcomes[0] != core.Unknown || !errors.Is(err, core.ErrUnavailable) {
			r.Fatalf("%v, %v", outcomes, err)
		}
		r.pass(r.config.TTL)
		goOn()
		r.mini.Server().SetPreHook(nil)
		r.pass(time.Millisecond)
		r.holds("compute=compute.node1")
		r.call("beat", o.AckAlive, core.Joined, c)
		r.call("leave", o.BackendUnregister, core.Left, c)
		r.holds("")
	})
}

func TestOsloHealsEachHalfOfARegistration(t *testing.T) {
	onBoth(t, func(r *registry) {
		o, whole := r.oslo(), "compute=compute.node1 compute.node1="
		c := claimsOf("node1")
		r.call("register", o.BackendRegister, core.Joined, c)
		for _, lost := range []string{"compute", "compute.node1"} {
			r.do("DEL", lost)
			r.call("beat", o.AckAlive, core.Joined, c)
			r.holds(whole)
		}
		r.call("beat", o.AckAlive, core.Kept, c)
		if ttl := r.raw.PTTL(r.Context(), "compute").Val(); ttl != -1 {
			r.Errorf("the set has a TTL of %s", ttl)
		}
	})
}

func TestOsloWrongTypeLeavesNothingBehindAndNamesTheKey(t *testing.T) {
	onBoth(t, func(r *registry) {
		o := r.oslo()
		r.do("SET", "compute", "somebody else's")
		outcomes, err := o.BackendRegister(r.Context(), r.config.TTL, claimsOf("node1"))
		if outcomes[0] != core.Unknown || !strings.Contains(fmt.Sprint(err), "WRONGTYPE") {
			r.Errorf("%v, %v", outcomes, err)
		}
		if keys := r.raw.Keys(r.Context(), "*").Val(); len(keys) != 1 {
			r.Errorf("keys %q", keys)
		}
		r.do("DEL", "compute")
		r.do("SET", "compute.node1", "somebody else's")
		for verb, f := range map[string]writing{"register": o.BackendRegister, "leave": o.BackendUnregister} {
			outcomes, err = f(r.Context(), r.config.TTL, claimsOf("node1", "node2"))
			if outcomes[0] != core.Unknown || outcomes[1] == core.Unknown || !strings.Contains(fmt.Sprint(err), `"compute.node1": WRONGTYPE`) {
				r.Errorf("%s: %v, %v", verb, outcomes, err)
			}
		}
		r.do("SADD", compute, "compute.node1")
		if left, err := o.Remaining(r.Context(), compute, "node1"); left != 0 || err != nil {
			r.Errorf("%s left, %v", left, err)
		}
		if !r.raw.SIsMember(r.Context(), compute, "compute.node1").Val() {
			r.Error("who may live by another's word was taken out")
		}
		if r.do("GET", "compute.node1") != "somebody else's" || r.raw.PTTL(r.Context(), "compute.node1").Val() != -1 {
			r.Error("the foreign key was touched")
		}
	})
}

func TestOsloBeatsGoOnWhenRedisIsFull(t *testing.T) {
	onServer(t, func(r *registry) {
		o := r.oslo()
		c := claimsOf("node1")
		r.call("register", o.BackendRegister, core.Joined, c)
		r.do("CONFIG", "SET", "maxmemory", "1")
		r.call("beat", o.AckAlive, core.Kept, c)
		r.do("CONFIG", "SET", "maxmemory", "0")
	})
}

func TestOsloDrawsEveryLiveHostAndPassesOverTheRest(t *testing.T) {
	onBoth(t, func(r *registry) {
		r.config.TTL = time.Minute
		o := r.oslo()
		r.call("register", o.BackendRegister, core.Joined, claimsOf("a", "b"))
		r.do("SADD", compute, "compute.dead", "not of this topic", "")
		drawn := make(map[string]int)
		for range 100 {
			routes, err := o.TopicExchange(r.Context(), compute)
			if err != nil || len(routes) != 1 || cap(routes) != 1 {
				r.Fatalf("%v, %v", routes, err)
			}
			drawn[routes[0].Key]++
		}
		if len(drawn) != 2 || drawn["compute.a"] == 0 || drawn["compute.b"] == 0 {
			r.Errorf("drawn %v", drawn)
		}
		r.holds("compute=,compute.a,compute.b,not of this topic compute.a= compute.b=") // the dead is taken out, no other
		foreign := make([]any, 2000)
		for i := range foreign {
			foreign[i] = fmt.Sprintf("foreign%d", i)
		}
		r.raw.SAdd(r.Context(), "crowded", foreign...)
		crowded := &core.Claim{Registration: core.Registration{Topic: "crowded", Host: "a"}}
		r.call("register", o.BackendRegister, core.Joined, []*core.Claim{crowded})
		if routes, err := o.TopicExchange(r.Context(), "crowded"); err != nil || routes[0].Host != "a" {
			r.Errorf("%v, %v", routes, err)
		}
	})
}

func TestOsloListsTopicsCalledLikeAHostToo(t *testing.T) {
	onBoth(t, func(r *registry) {
		o := r.oslo()
		like := &core.Claim{Registration: core.Registration{Topic: "compute.a", Host: "c"}}
		r.call("register", o.BackendRegister, core.Joined, append(claimsOf("a", "b"), like))
		r.do("SADD", "somebody else's", "x", "y", "")
		r.do("SET", "text", "x")
		for range 20 {
			if topics, err := o.Topics(r.Context()); err != nil || !slices.Equal(topics, []string{compute, "compute.a"}) {
				r.Fatalf("topics %q, %v", topics, err)
			}
		}
	})
}

func TestOsloFollowsAFailover(t *testing.T) {
	t.Parallel()
	on := integration.StartSentinel(t)
	o, err := OpenOslo(on.DSN(), Config{HeartbeatConfig: calm, Layout: LayoutOslo})
	if err != nil {
		t.Fatal(err)
	}
	h, err := core.NewHeartbeat(o, calm)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Register(t.Context(), core.Registration{Topic: compute, Host: "node1"}); err != nil {
		t.Fatal(err)
	}
	h.StartHeartbeat()
	on.Failover(compute)
	r := &registry{T: t, config: calm}
	r.until("kept alive on the new primary", func() bool {
		left, err := o.Remaining(t.Context(), compute, "node1")
		return err == nil && left > 0
	})
}

// Nothing remembers who has left: asked again, Redis would say that nobody was there.
func TestOsloLeaveWhoseAnswerIsLostIsNotAskedAgain(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		w := &wire{}
		w.dial = func() (net.Conn, error) {
			w.lose.Store(false) // the next connection is well
			return r.wire.dial()
		}
		o, err := NewOslo(r.client(w), Config{HeartbeatConfig: r.config})
		if err != nil {
			r.Fatal(err)
		}
		defer o.Close()
		if _, err := o.BackendRegister(r.Context(), r.config.TTL, claimsOf("node1")); err != nil {
			r.Fatal(err)
		}
		w.lose.Store(true)
		if got, err := o.Expire(r.Context(), compute, "node1"); got != core.Unknown || !errors.Is(err, core.ErrUnavailable) {
			r.Errorf("%s, %v, want unknown and why", got, err)
		}
	})
}
