package redismm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/redismm/matchmaker/core"
)

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
		want := m.topics[topic].ticket(c.Host)
		if c.Instance < stampOf(want, 0) || c.Instance >= stampOf(want+1, 0) || len(c.Instance) != stampSize {
			m.Fatalf("stamp %q, want %d and 13 digits", c.Instance, want)
		}
		m.stamps++ // so that a sequence repeats
		c.Instance = stampOf(want, uint64(m.stamps)*0x9e3779b97f4a7c15)
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
	touched := make(map[*owner]bool)
	for i, o := range os {
		acked := memoOf(o.Claim).acked
		touched[o] = acked != nil && acked == was[i]
	}
	words := m.upserted(os, touched)
	failed := false
	for i, o := range os {
		if touched[o] {
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

// upserted makes the model's upserts: whatever was touched must be what an upsert would have left, but that the index
// has no new life. Batches of one topic, of those that stand by and of the others, are in either order.
func (m *machine) upserted(os []*owner, touched map[*owner]bool) map[*owner]string {
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
				listed, version := p.listedUntil, p.versionUntil
				said, _ := p.upsert(modelTTL, p.now, tells)
				if touched[b[0]] { // and with it all of the batch
					p.listedUntil, p.versionUntil = listed, version
				}
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
		args = append(args, fmt.Sprintf("L %s %d %s", says.stamp, says.rev, says.record))
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
	switch rapid.IntRange(0, 7).Draw(m.T, "wrong") {
	case 1:
		v.change += "x"
	case 2:
		v.n += "1"
	case 3:
		late = 1
	}
	keys := slices.Insert(m.store.topicKeys(topic, hosts...), 2, m.store.keys.sweeper(topic))
	c := &call{script: touchScript, keys: keys, args: []any{modelTTL.Milliseconds(), 1, m.now() - late, v.change, v.n, len(hosts)}}
	run(m.ctx(), m.store.write, []*call{c})
	told, _ := c.reply.([]any)
	if c.err != nil || len(told) != 1-int(late) {
		m.Fatalf("touch: %v, %v", c.reply, c.err)
	}
	got := len(told) == 1 && told[0] != int64(0)
	m.model(topic, func(p *plain) { m.same("touch", got, p.touch(modelTTL, p.now-late, v, hosts)) })
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
