package redismm

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/redismm/matchmaker/integration"
)

// keeping is what a machine's registry is kept in.
type keeping interface {
	hear(channel string)
	// settle returns when all that was told has been heard.
	settle()
	// dump tells all keys as the model would.
	dump() map[string]string
	// expire gives a TTL to a key, if there is one.
	expire(key string, ttl time.Duration)
	now() int64
	pass(d time.Duration)
	// late is how long after its TTL a key lapses, in microseconds.
	late() int64
	close()
}

// spellKey tells a key as the model would; hosts are in any order.
func spellKey(what any, hosts []string, ttl time.Duration) string {
	if what == nil {
		slices.Sort(hosts)
		what = hosts
	}
	return fmt.Sprintf("%v for %d", what, (ttl.Microseconds()+500)/1000)
}

// memoryKept is a miniredis, in a bubble.
type memoryKept struct {
	redis  *miniredis.Miniredis
	sub    *miniredis.Subscriber
	client *redis.Client
}

func inMemory(m *machine) keeping {
	k := new(memoryKept)
	k.redis, k.client = aloneInMemory()
	m.client, k.sub = k.client, k.redis.NewSubscriber()
	go func() {
		for got := range k.sub.Messages() {
			m.hears(got.Channel, got.Message)
		}
	}()
	return k
}

func (k *memoryKept) hear(channel string)  { k.sub.Subscribe(channel) }
func (k *memoryKept) settle()              { synctest.Wait() }
func (k *memoryKept) now() int64           { return time.Now().UnixMicro() }
func (k *memoryKept) pass(d time.Duration) { time.Sleep(d) }
func (k *memoryKept) late() int64          { return 0 }

func (k *memoryKept) expire(key string, ttl time.Duration) {
	if k.redis.Exists(key) {
		k.redis.SetTTL(key, ttl)
	}
}

func (k *memoryKept) close() {
	k.client.Close()
	k.redis.Close()
	k.sub.Close()
}

func (k *memoryKept) dump() map[string]string {
	all := make(map[string]string)
	for _, key := range k.redis.Keys() {
		var what any
		var hosts []string
		switch kind := k.redis.Type(key); kind {
		case "string":
			what, _ = k.redis.Get(key)
		case "set":
			hosts, _ = k.redis.SMembers(key)
		case "hash":
			what = k.client.HGetAll(context.Background(), key).Val()
		default:
			what = kind
		}
		all[key] = spellKey(what, hosts, k.redis.TTL(key))
	}
	return all
}

// serverKept is a redis-server. It is the time that the machine says, whole milliseconds, for the server, and for
// the store as far as that counts.
type serverKept struct {
	*machine
	clock   *integration.Clock
	at      time.Time
	sub     *redis.PubSub
	settled chan string
	settles int
}

const settled = "settled"

func onRedis(server *integration.Redis, clock *integration.Clock, at time.Time) func(m *machine) keeping {
	return func(m *machine) keeping {
		m.client = redis.NewClient(&redis.Options{Addr: server.Addr, ContextTimeoutEnabled: true})
		m.client.FlushAll(m.ctx())
		clock.Set(at)
		k := &serverKept{machine: m, clock: clock, at: at, settled: make(chan string)}
		k.sub = m.client.Subscribe(m.ctx(), settled)
		go func() {
			for got := range k.sub.Channel() {
				if got.Channel == settled {
					k.settled <- got.Payload
				} else {
					m.hears(got.Channel, got.Payload)
				}
			}
		}()
		return k
	}
}

func (k *serverKept) now() int64 { return k.at.UnixMicro() }

// late: a redis-server keeps a key for the millisecond in which its TTL ends.
func (k *serverKept) late() int64 { return 1000 }

func (k *serverKept) hear(channel string) {
	if err := k.sub.Subscribe(k.ctx(), channel); err != nil {
		k.Fatal(err)
	}
	k.until(func() bool { return k.client.PubSubNumSub(k.ctx(), channel).Val()[channel] == 1 })
}

func (k *serverKept) until(holds func() bool) {
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			k.Fatal("nobody is subscribed within 10 s")
		}
	}
}

// settle: what is told last is heard last.
func (k *serverKept) settle() {
	k.settles++
	k.until(func() bool { return k.client.Publish(k.ctx(), settled, k.settles).Val() == 1 })
	for got := ""; got != strconv.Itoa(k.settles); {
		select {
		case got = <-k.settled:
		case <-time.After(10 * time.Second):
			k.Fatal("what was told last is not heard within 10 s")
		}
	}
}

func (k *serverKept) pass(d time.Duration) {
	d = max(d.Truncate(time.Millisecond), time.Millisecond)
	k.at = k.at.Add(d)
	k.clock.Set(k.at)
	for _, o := range k.claims {
		if note, ok := o.Memo.(*memo); ok {
			note.sent = note.sent.Add(-d)
			note.clock.redis += d.Microseconds()
		}
	}
}

func (k *serverKept) expire(key string, ttl time.Duration) { k.client.PExpire(k.ctx(), key, ttl) }

func (k *serverKept) close() {
	k.sub.Close()
	k.client.Close()
}

func (k *serverKept) dump() map[string]string {
	ctx := k.ctx()
	keys := k.client.Keys(ctx, "*").Val()
	kinds, ttls := make([]*redis.StatusCmd, len(keys)), make([]*redis.DurationCmd, len(keys))
	texts, sets, hashes := make([]*redis.StringCmd, len(keys)), make([]*redis.StringSliceCmd, len(keys)), make([]*redis.MapStringStringCmd, len(keys))
	k.client.Pipelined(ctx, func(p redis.Pipeliner) error { // of each key all but one fail
		for i, key := range keys {
			kinds[i], ttls[i] = p.Type(ctx, key), p.PTTL(ctx, key)
			texts[i], sets[i], hashes[i] = p.Get(ctx, key), p.SMembers(ctx, key), p.HGetAll(ctx, key)
		}
		return nil
	})
	all := make(map[string]string)
	for i, key := range keys {
		var what any
		switch kind := kinds[i].Val(); kind {
		case "string":
			what = texts[i].Val()
		case "set":
		case "hash":
			what = hashes[i].Val()
		default:
			what = kind
		}
		all[key] = spellKey(what, sets[i].Val(), max(0, ttls[i].Val()))
	}
	return all
}

// TestScriptsKeepToTheModelOnAServer is TestScriptsKeepToTheModel, with fewer sequences, on a redis-server whose clock
// the test sets: what miniredis has of scripts, TTLs and subscriptions is not what decides.
func TestScriptsKeepToTheModelOnAServer(t *testing.T) {
	at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	server, clock := integration.StartStill(t, at)
	fewer(t, "rapid.checks", "40")
	in, reached, sequences := onRedis(server, clock, at), map[string]int{}, 0
	rapid.Check(t, func(r *rapid.T) {
		sequence(t, r, in, reached)
		sequences++
	})
	wasReached(t, reached, sequences)
}

// fewer sets a flag that was not given, for this test; it is not for parallel ones.
func fewer(t *testing.T, name, value string) {
	f := flag.Lookup(name)
	if was := f.Value.String(); was == f.DefValue {
		f.Value.Set(value)
		t.Cleanup(func() { f.Value.Set(was) })
	}
}
