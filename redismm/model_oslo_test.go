package redismm

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// TestOsloKeepsToItsModel makes random sequences of calls by two processes and of the commands of the original's,
// among losses and strangers, and compares all that Redis holds and each answer with the plain model after each. Of
// the names some share a key: t.a is a topic, and a host of t.
func TestOsloKeepsToItsModel(t *testing.T) {
	reached, sequences := map[string]int{}, 0
	rapid.Check(t, func(r *rapid.T) {
		inBubble(t, func() {
			mini, client := aloneInMemory()
			defer mini.Close()
			defer client.Close()
			m := newOsloMachine(t, r, client, time.Second, reached)
			defer m.close()
			r.Repeat(rapid.StateMachineActions(m))
			sequences++
		})
	})
	for _, what := range []string{"joined", "kept", "left", "absent", "unknown", "late", "no set", "pruned by chance",
		"held", "stale", "nobody", "mark given a TTL", "one key for two"} {
		t.Logf("%-16s %d", what, reached[what])
		if reached[what] == 0 && sequences >= 1000 {
			t.Errorf("no sequence reached %q", what)
		}
	}
}

// Without time, which does not pass at once there: TTLs are of half an hour and more.
func TestOsloKeepsToItsModelOnAServer(t *testing.T) {
	t.Parallel()
	client := integration.StartRedis(t).Client()
	rapid.Check(t, func(r *rapid.T) {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		m := newOsloMachine(t, r, client, 1000*time.Second, map[string]int{})
		defer m.close()
		actions := rapid.StateMachineActions(m)
		delete(actions, "Pass")
		r.Repeat(actions)
	})
}

// osloMachine is a Redis and its model side by side. Times are drawn in its unit; less than that passes unseen, but
// in a bubble.
type osloMachine struct {
	*rapid.T
	client    *redis.Client
	unit      time.Duration
	model     *plainOslo
	processes []*osloProcess
	versions  map[string]core.Version // by the hosts listed
	reached   map[string]int
}

// osloProcess is one of the processes, with its claims and its views by place and topic.
type osloProcess struct {
	*Oslo
	ttl    int64
	claims map[[2]string]*core.Claim
	views  map[string]*core.View
	lists  map[string][]string // what the model has of a view: hosts, those that are held with a star
}

func newOsloMachine(t *testing.T, r *rapid.T, client *redis.Client, unit time.Duration, reached map[string]int) *osloMachine {
	m := &osloMachine{T: r, client: client, unit: unit, reached: reached, versions: map[string]core.Version{},
		model: &plainOslo{keys: map[string]*plainKey{}}}
	for _, ttl := range []time.Duration{5 * unit, 6 * unit} {
		o, err := NewOslo(client, Config{HeartbeatConfig: core.HeartbeatConfig{Freq: unit, TTL: ttl}})
		if err != nil {
			t.Fatal(err)
		}
		m.processes = append(m.processes, &osloProcess{o, ttl.Milliseconds(), map[[2]string]*core.Claim{},
			map[string]*core.View{}, map[string][]string{}})
	}
	m.begin()
	return m
}

// begin has hosts of either kind listed.
func (m *osloMachine) begin() {
	p, ttl := m.processes[0], 3*m.unit.Milliseconds()
	for _, h := range []string{"a", "b"} {
		c := &core.Claim{Registration: core.Registration{Topic: "t", Host: h}}
		p.claims[[2]string{"t", h}] = c
		got, err := p.BackendRegister(context.Background(), 3*m.unit, []*core.Claim{c})
		want, failed := m.model.beat("t", []string{h}, ttl)
		m.told("register", got, err, want, failed)
	}
	m.oldRegister("t", "a.b")
	m.oldRegister("t.a", "b")
}

func (m *osloMachine) close() {
	for _, p := range m.processes {
		p.Close()
	}
}

// Check compares all that Redis holds with the model.
func (m *osloMachine) Check(*rapid.T) {
	ctx := context.Background()
	names := m.client.Keys(ctx, "*").Val()
	texts, sets, left := make([]*redis.StringCmd, len(names)), make([]*redis.StringSliceCmd, len(names)), make([]*redis.DurationCmd, len(names))
	m.client.Pipelined(ctx, func(p redis.Pipeliner) error { // which fails of each key's text or set
		for i, name := range names {
			texts[i], sets[i], left[i] = p.Get(ctx, name), p.SMembers(ctx, name), p.PTTL(ctx, name)
		}
		return nil
	})
	got := make(map[string]string, len(names))
	for i, name := range names {
		ms := int64(-1)
		if left[i].Val() >= 0 {
			ms = m.round(left[i].Val())
		}
		got[name] = shownKey(texts[i].Val(), sets[i].Val(), ms)
	}
	m.same("keys", got, m.model.show())
	for name, k := range m.model.keys {
		if k.members[""] && len(m.model.listed(name)) > 0 {
			m.reached["one key for two"]++
		}
	}
}

// round is in milliseconds what is left of a time, where no time passed that is seen.
func (m *osloMachine) round(d time.Duration) int64 {
	if m.unit > time.Minute {
		d = (d + m.unit - 1).Truncate(m.unit)
	}
	return d.Milliseconds()
}

func (m *osloMachine) same(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		m.Fatalf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// fails compares whether there is an error.
func (m *osloMachine) fails(what string, got, want error) {
	if (got != nil) != (want != nil) || errors.Is(got, core.ErrNoMatch) != errors.Is(want, core.ErrNoMatch) {
		m.Fatalf("%s: %v, want %v", what, got, want)
	}
	if errors.Is(want, errOsloType) {
		m.reached["no set"]++
	}
}

func (m *osloMachine) topic() string {
	return rapid.SampledFrom([]string{"t", "t", "t.a"}).Draw(m.T, "topic")
}
func (m *osloMachine) host() string {
	return rapid.SampledFrom([]string{"a", "b", "b", "a.b"}).Draw(m.T, "host")
}
func (m *osloMachine) process() *osloProcess {
	return m.processes[rapid.IntRange(0, len(m.processes)-1).Draw(m.T, "process")]
}
func (m *osloMachine) units(from, to int) int64 {
	return int64(rapid.IntRange(from, to).Draw(m.T, "units")) * m.unit.Milliseconds()
}

// key draws a liveness key mostly, or a set of members.
func (m *osloMachine) key() string {
	if rapid.IntRange(0, 3).Draw(m.T, "kind") == 0 {
		return m.topic()
	}
	return m.topic() + "." + m.host()
}

// some draws claims of a process, one for a place.
func (m *osloMachine) some(p *osloProcess) []*core.Claim {
	var claims []*core.Claim
	for range rapid.IntRange(1, 4).Draw(m.T, "claims") {
		at := [2]string{m.topic(), m.host()}
		if p.claims[at] == nil {
			p.claims[at] = &core.Claim{Registration: core.Registration{Topic: at[0], Host: at[1]}}
		}
		c := p.claims[at]
		c.State, c.Zone = core.Up, ""
		switch rapid.IntRange(0, 11).Draw(m.T, "what is odd") {
		case 10:
			c.State = core.Draining
		case 11:
			c.Zone = "z"
		}
		if !slices.Contains(claims, c) {
			claims = append(claims, c)
		}
	}
	return claims
}

// expected does a verb of the model for the claims that are meant, topic by topic in the order in which these come.
func expected(claims []*core.Claim, meant func(*core.Claim) bool, out []core.Outcome, failed *error,
	verb func(topic string, hosts []string) ([]core.Outcome, error)) {
	var topics []string
	hosts, at := map[string][]string{}, map[string][]int{}
	for i, c := range claims {
		if !meant(c) {
			continue
		}
		if !slices.Contains(topics, c.Topic) {
			topics = append(topics, c.Topic)
		}
		hosts[c.Topic], at[c.Topic] = append(hosts[c.Topic], c.Host), append(at[c.Topic], i)
	}
	for _, topic := range topics {
		outcomes, err := verb(topic, hosts[topic])
		if err != nil {
			*failed = err
		}
		for j, i := range at[topic] {
			out[i] = outcomes[j]
		}
	}
}

// beaten is what becomes of claims that are beaten.
func (m *osloMachine) beaten(claims []*core.Claim, ttl int64, out []core.Outcome, failed *error) {
	plain := func(c *core.Claim) bool { return c.Instance != "" && c.Zone == "" }
	expected(claims, plain, out, failed, func(topic string, hosts []string) ([]core.Outcome, error) {
		return m.model.beat(topic, hosts, ttl)
	})
	for i, c := range claims {
		if c.Instance != "" && (c.Zone != "" || c.State != core.Up) { // there is no word for it there
			out[i], *failed = core.Unknown, errors.Join(*failed, core.ErrUnsupported)
		}
	}
}

func (m *osloMachine) told(verb string, got []core.Outcome, err error, want []core.Outcome, failed error) {
	m.fails(verb, err, failed)
	m.same(verb, got, want)
	for _, o := range want {
		m.reached[fmt.Sprint(o)]++
	}
}

func (m *osloMachine) Register(*rapid.T) {
	p, ttl := m.process(), m.units(2, 4)
	claims := m.some(p)
	got, err := p.BackendRegister(context.Background(), time.Duration(ttl)*time.Millisecond, claims)
	want, failed := make([]core.Outcome, len(claims)), error(nil)
	m.beaten(claims, ttl, want, &failed)
	m.told("register", got, err, want, failed)
}

// Beat renews from outside what the process never registered.
func (m *osloMachine) Beat(*rapid.T) {
	p, ttl := m.process(), m.units(2, 4)
	claims := m.some(p)
	got, err := p.AckAlive(context.Background(), time.Duration(ttl)*time.Millisecond, claims)
	want, failed := make([]core.Outcome, len(claims)), error(nil)
	m.beaten(claims, ttl, want, &failed)
	expected(claims, func(c *core.Claim) bool { return c.Instance == "" }, want, &failed,
		func(topic string, hosts []string) ([]core.Outcome, error) { return m.model.ack(topic, hosts, ttl), nil })
	m.told("beat", got, err, want, failed)
}

// Leave removes by name what the process never registered.
func (m *osloMachine) Leave(*rapid.T) {
	p, ttl := m.process(), m.units(2, 4)
	claims := m.some(p)
	got, err := p.BackendUnregister(context.Background(), time.Duration(ttl)*time.Millisecond, claims)
	want, failed := make([]core.Outcome, len(claims)), error(nil)
	expected(claims, func(*core.Claim) bool { return true }, want, &failed,
		func(topic string, hosts []string) ([]core.Outcome, error) { return m.model.leave(topic, hosts, ttl) })
	for i, c := range claims {
		if want[i] == core.Absent && c.Instance != "" {
			want[i] = core.Left // its own
		}
	}
	m.told("leave", got, err, want, failed)
}

func (m *osloMachine) Expire(*rapid.T) {
	p, topic, host := m.process(), m.topic(), m.host()
	got, err := p.Oslo.Expire(context.Background(), topic, host)
	want, failed := m.model.leave(topic, []string{host}, p.ttl)
	m.told("expire", []core.Outcome{got}, err, want, failed)
}

// ComeLate has a call executed after its caller gave up.
func (m *osloMachine) ComeLate(*rapid.T) {
	topic, host := m.topic(), m.host()
	for _, s := range []*script{osloBeatScript, osloLeaveScript} {
		reply, err := one(context.Background(), m.client, s, osloKeys(topic, host), 1000, 1)
		if words, _ := texts(reply); err != nil || len(words) != 2 || words[1] != "late" {
			m.Fatalf("late: %v, %v", words, err)
		}
		m.reached["late"]++
	}
}
