package redismm

import (
	"context"
	"fmt"
	"net"
	"reflect"
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
	"github.com/redismm/matchmaker/integration"
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
		inBubble(t, func() { sequence(t, r, inMemory, reached) })
		sequences++
	})
	wasReached(t, reached, sequences)
}

// sequence is one of calls, mishaps and time.
func sequence(t *testing.T, r *rapid.T, in func(m *machine) keeping, reached map[string]int) {
	m := newMachine(t, r, in)
	defer m.close()
	m.begin()
	r.Repeat(rapid.StateMachineActions(m))
	for what, n := range m.reached {
		reached[what] += n
	}
}

func wasReached(t *testing.T, reached map[string]int, sequences int) {
	for _, what := range []string{"ok", "joined", "replaced", "updated", "superseded", "left", "error", "late", "touched", "step",
		"new epoch", "up", "left by", "expired", "suspect", "drain", "drained", "contradiction", "doubted", "rollback"} {
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
	kept    keeping
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

// aloneInMemory is a Redis of the bubble's, and a client of it.
func aloneInMemory() (*miniredis.Miniredis, *redis.Client) {
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	return m, redis.NewClient(&redis.Options{ContextTimeoutEnabled: true, Addr: "127.0.0.1:6379",
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Dialer:                   func(context.Context, string, string) (net.Conn, error) { return integration.Buffer(m.Dial()) }})
}

func newMachine(t *testing.T, r *rapid.T, in func(m *machine) keeping) *machine {
	m := &machine{T: r, topics: map[string]*plain{}, nonces: map[string]bool{}, named: map[string]bool{},
		reached: map[string]int{}, heard: map[string][]string{}}
	m.kept = in(m)
	s, err := NewStore(m.client, Config{HeartbeatConfig: core.HeartbeatConfig{Freq: modelFreq, TTL: modelTTL}})
	if err != nil {
		t.Fatal(err)
	}
	s.sweeps.stop() // the test sweeps
	m.store = s
	m.store.names.every = 0
	for _, topic := range []string{"t", "u"} {
		m.topics[topic] = newPlain(modelTTL, nil)
		m.topics[topic].late = m.kept.late()
		m.topics[topic].pass(m.now())
		m.kept.hear(s.keys.channel(topic))
	}
	return m
}

// hears notes what was told.
func (m *machine) hears(channel, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard[channel] = append(m.heard[channel], text)
}

func (m *machine) close() {
	m.store.Close()
	m.kept.close()
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
	m.kept.settle()
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
