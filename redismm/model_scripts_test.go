package redismm

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"pgregory.net/rapid"

	"github.com/redismm/matchmaker/core"
)

const (
	modelTTL  = 3 * time.Second
	modelFreq = time.Second

	foreign = "no value of ours, and longer than one would be: it goes on"
)

// TestScriptsKeepToTheModel makes random sequences of calls through the store, and of the scripts that only
// sweepers and late messages bring, among losses of every kind, and compares all that Redis holds, tells and
// answers with the plain model after each. The flags -rapid.checks and -rapid.steps make it longer.
func TestScriptsKeepToTheModel(t *testing.T) {
	reached, sequences := map[string]int{}, 0
	rapid.Check(t, func(r *rapid.T) {
		inBubble(t, func() {
			m := newMachine(t, r)
			defer m.close()
			m.begin()
			r.Repeat(rapid.StateMachineActions(m))
			for what, n := range m.reached {
				reached[what] += n
			}
			sequences++
		})
	})
	for _, what := range []string{"ok", "joined", "replaced", "updated", "superseded", "left", "error", "late", "touched", "step",
		"new epoch", "up", "left by", "expired", "suspect", "drain", "drained", "contradiction", "rollback"} {
		t.Logf("%-14s %d", what, reached[what])
		if reached[what] == 0 && sequences >= 100 {
			t.Errorf("no sequence reached %q", what)
		}
	}
}

// inBubble runs f on a clock of its own. A panic of f, as rapid ends a failed check, comes out of it.
func inBubble(t *testing.T, f func()) {
	var ended any
	synctest.Test(t, func(*testing.T) {
		defer func() { ended = recover() }()
		f()
	})
	switch {
	case ended == nil:
	case fmt.Sprintf("%T", ended) == "rapid.invalidData":
		panic(ended) // on a line of its own: rapid tells failures apart by where they are thrown
	default:
		panic(ended)
	}
}

// machine is a registry and its model side by side.
type machine struct {
	*rapid.T
	redis   *miniredis.Miniredis
	sub     *miniredis.Subscriber
	client  *redis.Client
	store   *Store
	topics  map[string]*plain
	claims  []*owner
	letters []*letter
	copies  map[string]*plain
	stamps  int
	nonces  map[string]bool
	named   map[string]bool // the topics in the list of names
	until   int64           // when that lapses
	reached map[string]int
	checks  int

	mu    sync.Mutex
	heard map[string][]string // by channel
}

// owner is a claim, and what the model knows of it.
type owner struct {
	*core.Claim
	rev     uint64
	told    core.State
	standby bool
}

// letter is an upsert under way, to be executed once or more, or never.
type letter struct {
	topic    string
	call     *call
	tells    []tell
	notAfter int64
}

func newMachine(t *testing.T, r *rapid.T) *machine {
	m := &machine{T: r, topics: map[string]*plain{}, nonces: map[string]bool{}, named: map[string]bool{},
		reached: map[string]int{}, heard: map[string][]string{}}
	m.redis = miniredis.NewMiniRedis()
	m.redis.ClockTTL(true)
	m.client = redis.NewClient(&redis.Options{ContextTimeoutEnabled: true, Addr: "127.0.0.1:6379",
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Dialer:                   func(context.Context, string, string) (net.Conn, error) { return m.redis.Dial() }})
	s, err := NewStore(m.client, Config{HeartbeatConfig: core.HeartbeatConfig{Freq: modelFreq, TTL: modelTTL}})
	if err != nil {
		t.Fatal(err)
	}
	s.sweeps.stop() // the test sweeps
	m.store = s
	sub := m.redis.NewSubscriber()
	m.sub = sub
	for _, topic := range []string{"t", "u"} {
		m.topics[topic] = newPlain(nil)
		m.topics[topic].pass(time.Now().UnixMicro())
		sub.Subscribe(s.keys.channel(topic))
	}
	go func() {
		for got := range sub.Messages() {
			m.mu.Lock()
			m.heard[got.Channel] = append(m.heard[got.Channel], got.Message)
			m.mu.Unlock()
		}
	}()
	return m
}

func (m *machine) close() {
	m.store.Close()
	m.client.Close()
	m.redis.Close()
	m.sub.Close()
}

func (m *machine) ctx() context.Context { return context.Background() }

func (m *machine) topic() string { return rapid.SampledFrom([]string{"t", "u"}).Draw(m.T, "topic") }
func (m *machine) host() string  { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(m.T, "host") }
func (m *machine) hosts() []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 3, rapid.ID[string]).Draw(m.T, "hosts")
}

// some draws owners, one for a place.
func (m *machine) some(which func(*owner) bool) []*owner {
	var of []*owner
	for _, o := range m.claims {
		if which(o) {
			of = append(of, o)
		}
	}
	if len(of) == 0 {
		m.Skip("nobody")
	}
	place := func(i int) string { return of[i].Topic + "@" + of[i].Host }
	var picked []*owner
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(of)-1), 1, 6, place).Draw(m.T, "owners") {
		picked = append(picked, of[i])
	}
	return picked
}

func drawn(o *owner) bool { return o.Instance != "" }

func claims(os []*owner) []*core.Claim {
	cs := make([]*core.Claim, len(os))
	for i, o := range os {
		cs[i] = o.Claim
	}
	return cs
}

// begin registers three hosts, and a second instance of one of them.
func (m *machine) begin() {
	m.tickets("t", []string{"a", "b", "c"})
	m.beat(m.store.BackendRegister, m.claims)
	m.tickets("t", []string{"a"})
	m.beat(m.store.BackendRegister, m.claims[3:])
	m.copy()
}

// Ticket makes claims and draws their stamps.
func (m *machine) Ticket(*rapid.T) { m.tickets(m.topic(), m.hosts()) }

func (m *machine) tickets(topic string, hosts []string) {
	var cs []*core.Claim
	for _, h := range hosts {
		cs = append(cs, &core.Claim{Registration: core.Registration{Topic: topic, Host: h, Weight: 1 + len(m.claims)}})
		m.claims = append(m.claims, &owner{Claim: cs[len(cs)-1]})
	}
	if err := m.store.ticket(m.ctx(), cs); err != nil {
		m.Fatal(err)
	}
	for _, c := range cs {
		if want := fmt.Sprintf("%016d:", m.topics[topic].ticket(c.Host)); !strings.HasPrefix(c.Instance, want) || len(c.Instance) != stampSize {
			m.Fatalf("stamp %q, want %q and 128 bits", c.Instance, want)
		}
		m.stamps++ // so that a sequence repeats
		c.Instance = c.Instance[:17] + fmt.Sprintf("%032x", uint64(m.stamps)*0x9e3779b97f4a7c15)
	}
}

// Register and the following are the verbs of owners.
func (m *machine) Register(*rapid.T) { m.beat(m.store.BackendRegister, m.some(drawn)) }

func (m *machine) Beat(*rapid.T) { m.beat(m.store.AckAlive, m.some(drawn)) }

func (m *machine) BeatOnceMore(*rapid.T) { m.beat(m.store.AckAlive, m.some(drawn)) }

func (m *machine) beat(call func(context.Context, time.Duration, []*core.Claim) ([]core.Outcome, error), os []*owner) {
	for _, o := range os {
		o.says()
	}
	was := make([]*version, len(os))
	for i, o := range os {
		was[i] = memoOf(o.Claim).acked
	}
	got, err := call(m.ctx(), modelTTL, claims(os))
	words := m.upserted(os)
	failed := false
	for i, o := range os {
		if acked := memoOf(o.Claim).acked; acked != nil && acked == was[i] {
			m.reached["touched"]++
		} else {
			m.named[o.Topic], m.until = true, m.now()+life.Microseconds()
		}
		failed = m.outcome(o, words[o], got[i]) || failed
	}
	if failed != (err != nil) {
		m.Fatalf("outcomes %v with error %v", got, err)
	}
}

// says notes what the owner says now of itself.
func (o *owner) says() tell {
	if o.rev == 0 || o.told != o.State {
		o.told = o.State
		o.rev++
	}
	return tell{o.Host, o.Instance, o.rev, encodeRecord(&o.Registration, o.State)}
}

// upserted makes the model's upserts: whatever was touched must be what an upsert would have left. Batches
// of one topic, of those that stand by and of the others, are in either order.
func (m *machine) upserted(os []*owner) map[*owner]string {
	words := make(map[*owner]string)
	for topic := range m.topics {
		var batches [][]*owner
		for _, standby := range []bool{false, true} {
			b := slices.DeleteFunc(slices.Clone(os), func(o *owner) bool { return o.Topic != topic || o.standby != standby })
			if len(b) > 0 {
				batches = append(batches, b)
			}
		}
		m.either(topic, func(p *plain, second bool) {
			if second {
				slices.Reverse(batches)
			}
			for _, b := range batches {
				tells := make([]tell, len(b))
				for i, o := range b {
					tells[i] = o.says()
				}
				said, _ := p.upsert(modelTTL, p.now, tells)
				for i, o := range b {
					words[o] = said[i]
				}
			}
		})
	}
	return words
}

// outcome compares what the store answered with the model's word, and says whether that is an error.
func (m *machine) outcome(o *owner, word string, got core.Outcome) bool {
	word, holder, _ := strings.Cut(word, " ")
	m.reached[word]++
	want := map[string]core.Outcome{"ok": core.Kept, "joined": core.Joined, "replaced": core.Replaced, "updated": core.Changed,
		"left": core.Left, "superseded": core.Superseded, "error": core.Unknown}[word]
	if got != want {
		m.Fatalf("%s@%s %s: %s, want %s", o.Topic, o.Host, o.Instance, got, want)
	}
	o.standby = want == core.Superseded
	if v, _ := parseValue(holder); o.standby && v.kind == live && (o.Holder == nil || o.Holder.Instance != v.stamp) {
		m.Fatalf("%s@%s: superseded by %v, want %q", o.Topic, o.Host, o.Holder, holder)
	}
	return word == "error"
}

// State changes what an owner says of itself with its next beat.
func (m *machine) Turn(*rapid.T) {
	m.some(drawn)[0].State = rapid.SampledFrom([]core.State{core.Up, core.Draining, core.Failing}).Draw(m.T, "state")
}

// Post sends an upsert that is executed later, or more than once.
func (m *machine) Post(*rapid.T) {
	os := m.some(drawn)
	topic := os[0].Topic
	os = slices.DeleteFunc(os, func(o *owner) bool { return o.Topic != topic })
	l := &letter{topic: topic, notAfter: m.now() + rapid.Int64Range(0, 4).Draw(m.T, "seconds")*1e6}
	args := []any{modelTTL.Milliseconds(), m.store.life(), l.notAfter, newNonce(), m.store.keys.channel(topic)}
	b := &batch{topic: topic, claims: claims(os)}
	for _, o := range os {
		says := o.says()
		l.tells = append(l.tells, says)
		memoOf(o.Claim) // as the store would when it sends
		args = append(args, says.host, says.stamp, says.rev, says.record)
	}
	l.call = &call{script: upsertScript, keys: m.store.topicKeys(topic, b.hosts()...), args: args}
	m.letters = append(m.letters, l)
}

// Deliver executes one that was sent.
func (m *machine) Deliver(*rapid.T) {
	if len(m.letters) == 0 {
		m.Skip("none")
	}
	l := rapid.SampledFrom(m.letters).Draw(m.T, "letter")
	l.call.args[3] = newNonce() // a sending of its own
	words := m.reply(l.call)
	m.model(l.topic, func(p *plain) {
		want, inTime := p.upsert(modelTTL, l.notAfter, l.tells)
		if !inTime {
			m.reached["late"]++
			m.same("late upsert", words[1:], []string{"late"})
			return
		}
		m.same("version", version{words[1], words[2], words[3], words[4]}, p.version)
		m.same("words", words[5:], want)
	})
}

// reply runs a call by itself.
func (m *machine) reply(c *call) []string {
	run(m.ctx(), m.store.write, []*call{c})
	words, err := texts(c.reply)
	if c.err != nil || err != nil {
		m.Fatal(c.err, err)
	}
	return words
}

func (m *machine) number(c *call) int {
	run(m.ctx(), m.store.write, []*call{c})
	if c.err != nil {
		m.Fatal(c.err)
	}
	return int(c.reply.(int64))
}

// Touch sends the script by itself, for any places, with a version that may be right.
func (m *machine) Touch(*rapid.T) {
	topic, hosts := m.topic(), m.hosts()
	v, late := m.topics[topic].version, int64(0)
	switch rapid.IntRange(0, 9).Draw(m.T, "wrong") {
	case 1:
		v.epoch += "x"
	case 2:
		v.seq += "0"
	case 3:
		v.change += "x"
	case 4:
		v.n += "0"
	case 5:
		late = 1
	}
	keys := slices.Insert(m.store.topicKeys(topic, hosts...), 2, m.store.keys.sweeper(topic))
	got := m.number(&call{script: touchScript, keys: keys,
		args: []any{modelTTL.Milliseconds(), m.store.life(), m.now() - late, v.epoch, v.seq, v.change, v.n}})
	m.model(topic, func(p *plain) { m.same("touch", got > 0, p.touch(modelTTL, p.now-late, v, hosts)) })
}

func (m *machine) Leave(*rapid.T) {
	os := m.some(drawn)
	got, err := m.store.BackendUnregister(m.ctx(), modelTTL, claims(os))
	failed := false
	for topic := range m.topics {
		of := slices.DeleteFunc(slices.Clone(os), func(o *owner) bool { return o.Topic != topic })
		if len(of) == 0 {
			continue
		}
		tells := make([]tell, len(of))
		for i, o := range of {
			tells[i] = tell{host: o.Host, stamp: o.Instance}
		}
		m.model(topic, func(p *plain) {
			for i, word := range p.leave(modelTTL, tells) {
				standby := of[i].standby
				failed = m.outcome(of[i], word, got[slices.Index(os, of[i])]) || failed
				of[i].standby = standby // what the store remembers of beats
			}
		})
	}
	if failed != (err != nil) {
		m.Fatalf("outcomes %v with error %v", got, err)
	}
}

// Remove and the following are the verbs from outside.
func (m *machine) Remove(*rapid.T) {
	topic, host := m.topic(), m.host()
	got, err := m.store.BackendUnregister(m.ctx(), modelTTL, []*core.Claim{{Registration: core.Registration{Topic: topic, Host: host}}})
	m.model(topic, func(p *plain) { m.found(p.remove(modelTTL, host), core.Left, got[0], err) })
}

func (m *machine) Expire(*rapid.T) {
	topic, host := m.topic(), m.host()
	got, err := m.store.Expire(m.ctx(), topic, host)
	m.model(topic, func(p *plain) { m.found(p.expire(host), core.Left, got, err) })
}

func (m *machine) Ack(*rapid.T) {
	topic, host := m.topic(), m.host()
	got, err := m.store.AckAlive(m.ctx(), modelTTL, []*core.Claim{{Registration: core.Registration{Topic: topic, Host: host}}})
	m.model(topic, func(p *plain) { m.found(p.ack(modelTTL, host), core.Kept, got[0], err) })
}

func (m *machine) found(was bool, as, got core.Outcome, err error) {
	if !was {
		as = core.Absent
	}
	if got != as || err != nil {
		m.Fatalf("%s, %v, want %s", got, err, as)
	}
}

func (m *machine) Drain(*rapid.T) {
	topic, host, long := m.topic(), m.host(), rapid.IntRange(0, 4).Draw(m.T, "seconds")
	if err := m.store.DrainFor(m.ctx(), topic, host, time.Duration(long)*time.Second, "for a reason"); err != nil {
		m.Fatal(err)
	}
	m.model(topic, func(p *plain) {
		if long == 0 {
			p.drain(host, 0, "for a reason")
		} else {
			p.drain(host, p.after(time.Duration(long)*time.Second), "for a reason")
		}
	})
}

// Suspect and Prune are the sweeper's.
func (m *machine) Suspect(*rapid.T) {
	topic := m.topic()
	if rapid.Bool().Draw(m.T, "after a TTL") {
		m.pass(modelTTL)
	}
	hosts := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID[string]).Draw(m.T, "hosts")
	got := m.number(m.store.suspectCall(topic, hosts))
	m.model(topic, func(p *plain) { m.same("suspects", got, p.suspect(hosts)) })
}

func (m *machine) Prune(*rapid.T) {
	topic, hosts := m.topic(), m.hosts()
	if rapid.Bool().Draw(m.T, "after a TTL") {
		m.pass(modelTTL)
	}
	stamps := map[string]string{}
	for _, o := range m.claims {
		if o.Topic == topic && rapid.Bool().Draw(m.T, "seen") {
			stamps[o.Host] = o.Instance
		}
	}
	notAfter := m.now() - rapid.SampledFrom([]int64{0, 0, 0, 1}).Draw(m.T, "late")
	got := m.number(m.store.pruneCall(topic, hosts, stamps, notAfter))
	m.model(topic, func(p *plain) { m.same("pruned", got, p.prune(notAfter, hosts, stamps)) })
}

// Pass lets time pass, seldom a day.
func (m *machine) Pass(*rapid.T) {
	d := rapid.SampledFrom([]time.Duration{time.Microsecond, time.Second, modelTTL - time.Millisecond, modelTTL, time.Minute}).Draw(m.T, "time")
	if rapid.IntRange(0, 19).Draw(m.T, "day") == 19 {
		d = life - time.Second
	}
	m.pass(d)
}

func (m *machine) pass(d time.Duration) {
	time.Sleep(d)
	for _, p := range m.topics {
		p.pass(m.now())
	}
	if m.until <= m.now() {
		clear(m.named)
	}
}

func (m *machine) now() int64 { return time.Now().UnixMicro() }

// Mishap is what happens to Redis.
func (m *machine) Mishap(*rapid.T) {
	switch rapid.IntRange(0, 6).Draw(m.T, "mishap") {
	case 0:
		m.plant()
	case 1, 2, 3:
		m.copy()
	default:
		m.rollback()
	}
}

// Lose takes something from Redis.
func (m *machine) Lose(*rapid.T) {
	topic, host := m.topic(), m.host()
	p, k := m.topics[topic], m.store.keys
	key := k.liveness(topic, host)
	switch rapid.SampledFrom([]string{"place", "set", "place", "set", "version", "drains", "all"}).Draw(m.T, "what") {
	case "place":
		delete(p.places, host)
	case "set":
		key = k.set(topic)
		clear(p.listed)
	case "version":
		key = k.version(topic)
		p.version = version{}
	case "drains":
		key = k.drains(topic)
		clear(p.drains)
	case "all":
		m.redis.FlushAll()
		for _, p := range m.topics {
			clear(p.places)
			clear(p.listed)
			clear(p.drains)
			p.version = version{}
		}
		clear(m.named)
	}
	m.redis.Del(key)
}

// plant writes a key that is not ours. A touch does not look at it; it is noticed by the next whole upsert,
// a minute later at most.
func (m *machine) plant() {
	topic, host := m.topic(), m.host()
	key := m.store.keys.liveness(topic, host)
	m.redis.Del(key)
	v := place{value: value{kind: foreignType}}
	if rapid.Bool().Draw(m.T, "text") {
		v.kind = foreignText
		m.redis.Set(key, foreign)
	} else {
		m.redis.Lpush(key, "x")
	}
	m.topics[topic].places[host] = v
	for _, o := range m.claims {
		if o.Topic == topic && o.Host == host && o.Memo != nil {
			memoOf(o.Claim).acked = nil
		}
	}
}

// copy takes a copy of the registry, as a replica has it that falls behind.
func (m *machine) copy() {
	m.copies = map[string]*plain{}
	for topic, p := range m.topics {
		m.copies[topic] = p.clone()
	}
}

// rollback makes the copy the registry: a failover that loses what came after.
func (m *machine) rollback() {
	m.reached["rollback"]++
	for topic, p := range m.copies {
		m.topics[topic] = p.clone()
		m.topics[topic].pass(m.now())
		m.restore(topic, m.topics[topic])
	}
}

// restore makes Redis hold what the model does.
func (m *machine) restore(topic string, p *plain) {
	k := m.store.keys
	pipe := m.client.Pipeline()
	lapse := map[string]int64{}
	put := func(key string, until int64) { lapse[key] = until }
	for _, h := range []string{"a", "b", "c"} {
		key := k.liveness(topic, h)
		pipe.Del(m.ctx(), key)
		switch v := p.places[h]; v.kind {
		case absent:
		case foreignType:
			pipe.LPush(m.ctx(), key, "x")
			put(key, v.until)
		case foreignText:
			pipe.Set(m.ctx(), key, foreign, 0)
			put(key, v.until)
		default:
			pipe.Set(m.ctx(), key, v.text(), 0)
			put(key, v.until)
		}
	}
	pipe.Del(m.ctx(), k.set(topic), k.version(topic), k.drains(topic))
	for h := range p.listed {
		pipe.SAdd(m.ctx(), k.set(topic), h)
	}
	put(k.set(topic), p.listedUntil)
	if p.epoch != "" {
		pipe.HSet(m.ctx(), k.version(topic), "l", "1", "e", p.epoch, "s", p.seq, "c", p.change, "n", p.n)
		put(k.version(topic), p.versionUntil)
	}
	for h, d := range p.drains {
		pipe.HSet(m.ctx(), k.drains(topic), h, fmt.Sprintf("%d %s", d.until, d.reason))
	}
	put(k.drains(topic), p.drainsUntil)
	if _, err := pipe.Exec(m.ctx()); err != nil {
		m.Fatal(err)
	}
	for key, until := range lapse {
		if until != 0 && m.redis.Exists(key) {
			m.redis.SetTTL(key, time.Duration(until-p.now)*time.Microsecond)
		}
	}
}

// model makes the model's part of a call, and compares what was told.
func (m *machine) model(topic string, f func(p *plain)) {
	m.either(topic, func(p *plain, second bool) {
		if !second {
			f(p)
		}
	})
}

// either does it in one of two ways: what was told says in which.
func (m *machine) either(topic string, f func(p *plain, second bool)) {
	synctest.Wait()
	m.mu.Lock()
	texts := m.heard[m.store.keys.channel(topic)]
	delete(m.heard, m.store.keys.channel(topic))
	m.mu.Unlock()
	var heard []*message
	for _, text := range texts {
		got, err := parseMessage(text)
		if err != nil {
			m.Fatal(err)
		}
		if m.nonces[got.Change] {
			m.Fatalf("change %s twice", got.Change)
		}
		m.nonces[got.Change] = true
		heard = append(heard, got)
		m.count(got)
	}
	was := m.topics[topic]
	for _, second := range []bool{false, true} {
		p := was.clone()
		p.told = nil
		p.nonce = func() string {
			if len(p.told) < len(heard) {
				return heard[len(p.told)].Change
			}
			return "never told"
		}
		f(p, second)
		m.topics[topic] = p
		if reflect.DeepEqual(p.told, heard) {
			return
		}
	}
	m.same("told of "+topic, heard, m.topics[topic].told)
}

func (m *machine) count(got *message) {
	m.reached["step"]++
	if got.Previous == "" {
		m.reached["new epoch"]++
	}
	for _, c := range got.Changes {
		m.reached[map[bool]string{true: "left by", false: c[0]}[c[0] == "left"]]++
	}
}

func (m *machine) same(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		m.Fatalf("%s:\n got %s\nwant %s", what, showTold(got), showTold(want))
	}
}

func showTold(x any) string {
	if ms, ok := x.([]*message); ok {
		var all []string
		for _, m := range ms {
			all = append(all, fmt.Sprintf("%+v", *m))
		}
		return strings.Join(all, "\n     ")
	}
	return fmt.Sprintf("%+v", x)
}
