package redismm

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/redismm/matchmaker/core"
)

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
	m.kept.pass(d)
	for _, p := range m.topics {
		p.pass(m.now())
	}
	if m.until+m.kept.late() <= m.now() {
		clear(m.named)
	}
}

func (m *machine) now() int64 { return m.kept.now() }

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
		m.client.FlushAll(m.ctx())
		for _, p := range m.topics {
			clear(p.places)
			clear(p.listed)
			clear(p.drains)
			p.version = version{}
		}
		clear(m.named)
	}
	m.client.Del(m.ctx(), key)
}

// plant writes a key that is not ours. A touch does not look at it; it is noticed by the next whole upsert,
// a minute later at most.
func (m *machine) plant() {
	topic, host := m.topic(), m.host()
	key := m.store.keys.liveness(topic, host)
	m.client.Del(m.ctx(), key)
	v := place{value: value{kind: foreignType}}
	if rapid.Bool().Draw(m.T, "text") {
		v.kind = foreignText
		m.client.Set(m.ctx(), key, foreign, 0)
	} else {
		m.client.LPush(m.ctx(), key, "x")
	}
	m.topics[topic].places[host] = v
	for _, o := range m.claims {
		if o.Topic == topic && o.Host == host && o.Memo != nil {
			noteOf(o.Claim).acked = nil
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
		m.topics[topic].lapse(m.now()) // no TTL can be given to what has none left
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
		pipe.HSet(m.ctx(), k.version(topic), "l", "1", "e", p.epoch, "s", p.seq, "c", p.change, "n", p.n, "d", p.doubted)
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
		if until != 0 {
			m.kept.expire(key, time.Duration(until-p.now)*time.Microsecond)
		}
	}
}
