package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/integration/faults/hand"
)

// fault is one way to fail, against every topology but those that out names with the reason.
type fault struct {
	name    string
	options []string               // of the servers
	user    string                 // whom the processes are, of the options
	out     map[string]string      // by topology
	absent  bool                   // Redis is not there when the processes start
	builds  func() (string, error) // first
	// do brings the fault about, ends it, and returns how it showed; it ends the test if it did not.
	do func(w *world) string
}

// The topologies.
const (
	single   = "single"
	sentinel = "Sentinel"
	cluster  = "cluster"
)

var everywhere = []string{single, sentinel, cluster}

func (w *world) key(topic string) string { return "mm:{" + topic + "}" }

// serving is the server that the first topic is kept at.
func (w *world) serving() *integration.Redis { w.Helper(); return w.on.Serving(w.key(w.topics[0])) }

// served waits until the servers agree on who keeps each topic, and he takes writes.
func (w *world) served() {
	w.Helper()
	c := w.on.Dial()
	defer c.Close()
	for _, topic := range w.topics {
		w.on.Serving(w.key(topic))
		integration.Eventually(w.T, time.Minute, topic+" is written to", func() bool {
			ctx, cancel := context.WithTimeout(w.Context(), w.beat.Freq)
			defer cancel()
			return c.Del(ctx, w.key(topic)+"-none").Err() == nil
		})
	}
}

// successor waits until another than old keeps the first topic.
func (w *world) successor(old *integration.Redis) *integration.Redis {
	w.Helper()
	switch on := w.on.(type) {
	case *integration.Sentinel:
		return on.PrimaryAfter(old)
	case *integration.Cluster:
		return on.PrimaryAfter(w.key(w.topics[0]), old)
	}
	w.Fatalf("%T has no other server", w.on)
	return nil
}

// loses notes what the registry loses while f runs, at both ends of it: a beat may come between the loss and f's end.
func (w *world) loses(topic, host string, f func()) {
	w.recorder.Lost("lost from now on", topic, host)
	f()
	w.recorder.Lost("lost by now", topic, host)
}

// failover notes that something is wrong while f runs, in which another server becomes the primary: both may take
// writes for a while, and what the old one was told last is lost.
func (w *world) failover(name string, f func()) {
	w.Helper()
	began := time.Now()
	w.amiss(name, func() {
		defer w.recorder.Split(name)()
		f()
		w.served()
		w.recorder.WentBack(name, began)
	})
}

// amid is what happens while something is wrong: a process dies, another leaves a place of each topic, and a third
// comes, with one place that is another's.
func (w *world) amid() {
	w.Helper()
	w.kill(w.any())
	leaves := w.any()
	n := w.IntN(len(leaves.places) - 1)
	w.send(leaves, "Leave", leaves.places[n:n+2])
	leaves.places = append(append([]Place(nil), leaves.places[:n]...), leaves.places[n+2:]...)
	rival := w.any(leaves)
	w.replace([]Place{rival.places[0], {Topic: w.topics[0], Host: "late0"}, {Topic: w.topics[1], Host: "late1"}})
}

// after is what happens when nothing is wrong any more: what was promised before holds again.
func (w *world) after() {
	w.Helper()
	w.kill(w.any())
	leaves := w.any()
	w.tell(leaves, "Leave", leaves.places[:1])
	leaves.places = leaves.places[1:]
	w.tell(leaves, "Drain", leaves.places[:1])
	w.done = time.Now()
}

// short is a time in which no topology gives a server up.
func (w *world) short() time.Duration { return w.between(200*time.Millisecond, 600*time.Millisecond) }

// long is longer than the TTL.
func (w *world) long() time.Duration { return w.between(w.beat.TTL*5/4, w.beat.TTL*3/2) }

const noReplica = "a single server has no replica"

// All faults, in the order of the table.
func everyFault() []fault {
	var all []fault
	for _, some := range [][]fault{ofServers, ofReplicas, ofData, ofTheWay, ofRegistrants} {
		all = append(all, some...)
	}
	return all
}

// patient keeps sentinels and clusters from giving a server up that comes back.
var patient = []string{"sentinel down-after-milliseconds 60000", "cluster-node-timeout 60000"}

// proxied is patient, with proxies.
var proxied = append([]string{integration.Proxied}, patient...)

// ofServers are servers that die, stand still and come back.
var ofServers = []fault{
	{name: "kill -9 of Redis, restart with its data", options: patient, do: func(w *world) string {
		r := w.serving()
		w.amiss("killed", func() {
			r.Kill()
			w.amid()
			w.lasts(w.short())
			r.Restart()
			w.served()
		})
		return fmt.Sprintf("the server died, and answers again as process %d", r.Pid())
	}},
	{name: "kill -9 of Redis, restart empty", options: patient, do: func(w *world) string {
		r := w.serving()
		kept := slices.DeleteFunc(slices.Clone(w.topics), func(topic string) bool { return w.on.Serving(w.key(topic)) != r })
		w.amiss("killed", func() {
			r.Kill()
			w.amid()
			w.lasts(w.short())
			r.Forget()
			for _, topic := range kept {
				w.recorder.Lost("its data", topic, "")
			}
			r.Restart()
			w.served()
		})
		return fmt.Sprintf("the server died, and answers again as process %d", r.Pid())
	}},
	{name: "SIGSTOP of Redis for 1 s", options: patient, do: func(w *world) string { return w.stopped(time.Second) }},
	{name: "SIGSTOP of Redis for longer than the TTL", options: patient, do: func(w *world) string { return w.stopped(w.long()) }},
	{name: "Redis absent at start", options: patient, absent: true, do: func(w *world) string {
		return "no server answered when the processes began"
	}},
}

func (w *world) stopped(d time.Duration) string {
	w.Helper()
	r := w.serving()
	began := time.Now()
	w.amiss("stopped", func() {
		r.Pause()
		w.amid()
		w.lasts(d - time.Since(began))
		r.Resume()
		w.served()
	})
	return fmt.Sprintf("the server did not answer for %s", time.Since(began).Round(100*time.Millisecond))
}

// absent kills all servers while f runs and for a while after.
func (w *world) absent(f func()) {
	w.Helper()
	w.amiss("absent", func() {
		for _, r := range w.on.All() {
			r.Kill()
		}
		f()
		w.lasts(w.between(w.beat.Freq, 2*w.beat.Freq))
		for _, r := range w.on.All() {
			r.Restart()
		}
		w.served()
	})
}

// ofReplicas are those that take over.
var ofReplicas = []fault{
	{name: "failover", out: map[string]string{single: noReplica}, do: func(w *world) string {
		old := w.serving()
		var now *integration.Redis
		w.failover("failover", func() {
			now = w.on.Failover(w.key(w.topics[0]))
		})
		w.amid()
		return w.moved(old, now)
	}},
	{name: "kill -9 of the primary, failover", out: map[string]string{single: noReplica}, do: func(w *world) string {
		old := w.serving()
		var now *integration.Redis
		w.failover("the primary killed", func() {
			old.Kill()
			w.amid()
			now = w.successor(old)
		})
		w.failover("the old primary back", func() {
			old.Restart()
			w.follows(old)
		})
		return w.moved(old, now)
	}},
	{name: "failover to a lagging replica, last writes lost", out: map[string]string{single: noReplica}, do: func(w *world) string {
		old := w.serving()
		var now *integration.Redis
		w.failover("failover", func() {
			now = w.on.FailoverToLaggingReplica(w.key(w.topics[0]), func() {
				w.amid()
				w.lasts(2 * w.beat.Freq)
			})
		})
		return w.moved(old, now)
	}},
	{name: "SIGSTOP of the primary, failover, SIGCONT", out: map[string]string{single: noReplica}, do: func(w *world) string {
		old := w.serving()
		var now *integration.Redis
		w.failover("the primary stopped", func() {
			old.Pause()
			w.amid()
			now = w.successor(old)
			old.Resume()
			w.follows(old)
		})
		return w.moved(old, now)
	}},
	{name: "partition: the primary cut off, failover", options: []string{integration.Proxied}, out: map[string]string{
		single: noReplica, cluster: "the servers of a cluster talk past the proxies: see the black hole"}, do: func(w *world) string {
		on := w.on.(*integration.Sentinel)
		var old, now *integration.Redis
		w.failover("partition", func() {
			old, now = on.Partition()
			w.amid()
			w.lasts(w.between(0, w.beat.TTL))
			on.Heal()
			w.follows(old)
		})
		return w.moved(old, now)
	}},
	{name: "slot migration under load", out: map[string]string{single: "only a cluster has slots", sentinel: "only a cluster has slots"}, do: func(w *world) string {
		old := w.serving()
		w.amiss("migration", func() {
			finish := w.on.(*integration.Cluster).MigrateSlot(w.key(w.topics[0]))
			w.amid()
			w.lasts(w.between(w.beat.Freq/2, w.beat.TTL/2))
			finish()
			w.served()
		})
		return w.moved(old, w.serving())
	}},
}

// follows waits until a server that was the primary does not say so any more.
func (w *world) follows(old *integration.Redis) {
	w.Helper()
	c := old.Client()
	integration.Eventually(w.T, time.Minute, old.Addr+" is a replica", func() bool {
		role, err := c.Do(w.Context(), "ROLE").Slice()
		return err == nil && role[0] == "slave"
	})
}

func (w *world) moved(old, now *integration.Redis) string {
	w.Helper()
	if old == now {
		w.Fatalf("%s keeps %s as before", old.Addr, w.topics[0])
	}
	return "another server keeps the topic"
}

// ofData are what a server does to what it keeps, or refuses.
var ofData = []fault{
	{name: "FLUSHALL", do: func(w *world) string {
		w.amiss("FLUSHALL", func() {
			w.loses("", "", w.on.All().FlushAll)
		})
		w.amid()
		return "no key was left"
	}},
	{name: "SCRIPT FLUSH", do: func(w *world) string {
		for range 5 { // at no moment is it an excuse
			w.on.All().ScriptFlush()
			w.lasts(w.between(0, w.beat.Freq))
		}
		w.amid()
		w.on.All().ScriptFlush()
		return "no script was left, six times"
	}},
	{name: "READONLY replies", out: map[string]string{
		sentinel: "there a primary becomes a replica in a failover, which has cells of its own",
		cluster:  "there a primary becomes a replica in a failover, which has cells of its own",
	}, do: func(w *world) string {
		r := w.serving()
		w.amiss("READONLY", func() {
			r.MakeReadonly()
			w.amid()
			w.lasts(w.long())
			r.MakeWritable()
		})
		return "a write was answered with READONLY"
	}},
	{name: "maxmemory with eviction", do: func(w *world) string {
		p, n := w.any(), 0
		topic := w.key(p.places[0].Topic)
		w.amiss("eviction", func() {
			w.loses(p.places[0].Topic, "", func() { n = w.evict(topic+"@"+p.places[0].Host, topic+"@"+p.places[2].Host, topic) })
		})
		w.amid()
		return fmt.Sprintf("Redis announced the eviction of %d keys, hosts and an index", n)
	}},
	{name: "ACL channel permission withdrawn", options: []string{"user mm on >secret ~* &mm/* +@all"}, user: "mm", do: func(w *world) string {
		w.amiss("channels revoked", func() { w.on.All().RevokeChannels("mm") })
		w.lasts(w.grace())
		w.amid()
		w.lasts(w.goneBy() + w.beat.Freq)
		w.on.All().SetUser("mm", "&mm/*")
		return w.noticed("polling")
	}},
}

// evict makes a server short of memory until it has evicted keys of one topic, and notes all that it did evict.
func (w *world) evict(keys ...string) int {
	w.Helper()
	r := w.on.Serving(keys[0])
	heard := r.Client().Subscribe(w.Context(), "__keyevent@0__:evicted")
	defer heard.Close()
	if _, err := heard.Receive(w.Context()); err != nil {
		w.Fatal(err)
	}
	evicted := make(chan int)
	go func() {
		n := 0
		for said, err := heard.Receive(w.Context()); err == nil; said, err = heard.Receive(w.Context()) {
			m, ok := said.(*redis.Message)
			if !ok { // a PING was answered
				break
			}
			topic, rest, _ := strings.Cut(strings.TrimPrefix(m.Payload, "mm:{"), "}")
			_, host, _ := strings.Cut(rest, "@")
			w.recorder.Lost("eviction of "+m.Payload, topic, host)
			n++
		}
		evicted <- n
	}()
	r.Evict(keys...)
	if err := heard.Ping(w.Context()); err != nil {
		w.Fatal(err)
	}
	return <-evicted
}

// noticed says that watchers reported an event, which they must have.
func (w *world) noticed(kind string) string {
	w.Helper()
	for _, p := range w.watchers {
		if n := w.notes(p).Events[kind]; n == 0 {
			w.Errorf("%s reported no event %q", p.name, kind)
		}
	}
	return fmt.Sprintf("every watcher reported %q", kind)
}

func (w *world) notes(p *process) (n hand.Notes) {
	w.Helper()
	if err := p.Tell("Notes", 0, &n); err != nil {
		w.Fatalf("%s: %v", p.name, err)
	}
	return n
}

// ofTheWay are what happens between processes and servers.
var ofTheWay = []fault{
	{name: "CLIENT KILL of subscriptions", do: func(w *world) string {
		before := w.subscriptions()
		w.amiss("subscriptions killed", func() { w.on.All().KillSubscriptions() })
		w.amid()
		w.lasts(w.grace())
		if now := w.subscriptions(); now <= before {
			w.Errorf("%d subscriptions were made, as before: none was killed", now)
		}
		return "watchers subscribed anew"
	}},
	{name: "connections cut", options: proxied, do: func(w *world) string {
		w.amiss("cut", func() { w.on.All().Cut() })
		w.amid()
		return "every proxy refused connections"
	}},
	{name: "replies delayed", options: proxied, do: func(w *world) string {
		w.delay = w.beat.Freq / 10
		for _, r := range w.on.All() {
			r.Proxy().Lag(w.delay)
		}
		w.amid()
		w.lasts(w.goneBy() + w.beat.Freq)
		for _, r := range w.on.All() {
			r.Proxy().Heal()
		}
		return "a PING took a tenth of an interval and more; bounds are longer by the exchanges in them"
	}},
	{name: "everything dropped", options: proxied, do: func(w *world) string { return w.shut((*integration.Proxy).Drop) }},
	{name: "replies dropped, requests not", options: proxied, do: func(w *world) string { return w.shut((*integration.Proxy).Deafen) }},
	{name: "black hole without RST", options: proxied, do: func(w *world) string { return w.shut((*integration.Proxy).Blackhole) }},
	{name: "connections refused", options: proxied, do: func(w *world) string { return w.shut((*integration.Proxy).Down) }},
}

func (w *world) subscriptions() (n uint64) {
	w.Helper()
	for _, p := range w.watchers {
		n += w.notes(p).Stats.Subscriptions
	}
	return n
}

// shut lets nothing come through to the server for longer than the TTL.
func (w *world) shut(how func(*integration.Proxy)) string {
	w.Helper()
	r := w.serving()
	began := time.Now()
	w.amiss("shut off", func() {
		w.shuts.Add(1)
		how(r.Proxy())
		w.amid()
		w.lasts(w.long() - time.Since(began))
		r.Proxy().Heal()
		w.shuts.Add(1)
		w.served()
	})
	return fmt.Sprintf("no PING came through for %s", time.Since(began).Round(100*time.Millisecond))
}
