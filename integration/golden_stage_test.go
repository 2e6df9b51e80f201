package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
	"github.com/redismm/matchmaker/ringmm"
)

// registry is a Redis on which scenarios are played.
type registry interface {
	// open returns a new process's store.
	open(t *testing.T, c redismm.Config) asked
	// do sends a command as somebody else would.
	do(t *testing.T, args ...any) any
	// down makes the server unreachable, up reachable again.
	down(t *testing.T)
	up(t *testing.T)
	// await waits until done, which is sure to come.
	await(t *testing.T, done func() bool)
}

// asked is a backend that is asked each time.
type asked interface {
	core.Backend
	core.Exchanges
}

// verbs are what core's matchmakers have in common.
type verbs interface {
	Resolve(ctx context.Context, key string) ([]core.Route, error)
	Register(ctx context.Context, rs ...core.Registration) error
	Unregister(ctx context.Context, topic, host string) error
	AckAlive(ctx context.Context, topic, host string) error
	Expire(ctx context.Context, topic, host string) error
	IsAlive(ctx context.Context, topic, host string) (bool, error)
	SendHeartbeats(ctx context.Context) error
	StartHeartbeat()
	StopHeartbeat()
}

// process is one matchmaker of a scenario.
type process struct {
	verbs
	lookup    core.Exchange             // asks each time
	heartbeat *core.HeartbeatMatchMaker // nil without a registry
	ttl       time.Duration
	running   bool // its loop
	close     func()
}

type place struct{ topic, host string }

func (p place) String() string { return core.DirectKey(p.topic, p.host) }

// stage is where a scenario is played.
type stage struct {
	t         *testing.T
	sc        *scenario
	registry  registry
	layout    string // "" or oslo, where the keys of the original are the registry's own
	processes map[int]*process
	seen      []place         // that somebody registered or acknowledged
	refused   []place         // that cannot be registered here
	cut       map[string]bool // topics whose index somebody removed
	tally     *tally
	differed  bool // some answer was not the original's
	// patience is how long an answer may take to become right; late is that after a step in which time passed,
	// where it passes by the wall clock.
	patience, late time.Duration
}

// play does the steps and compares the answers.
func (s *stage) play() {
	s.processes, s.cut = make(map[int]*process), make(map[string]bool)
	defer func() {
		for _, p := range s.processes {
			p.close()
		}
	}()
	if s.sc.Ours != nil {
		s.compare("construct", &step{Op: "raises", Ours: s.sc.Ours}, constructed(s.construct()))
		return
	}
	for i, x := range s.sc.Steps {
		at := fmt.Sprintf("step %d, %s", i, x.Op)
		if reason := s.leftOut(x); reason != "" {
			s.tally.leftOut[reason]++
			continue
		}
		if ours := s.decided(x); ours != nil && !x.differs(ours) {
			s.t.Errorf("%s: ours is the original's answer: %s", at, ours)
		}
		if answer, answers := s.do(at, x); answers {
			s.compare(at, x, answer)
		}
	}
}

// decided is the answer that is decided here for the layout, or nil if it is the original's.
func (s *stage) decided(x *step) json.RawMessage {
	if s.onOslo() {
		return x.Oslo
	}
	return x.Ours
}

// expected is the answer that is right here. A call that raised is to fail, in whatever way.
func (s *stage) expected(x *step) json.RawMessage {
	switch ours := s.decided(x); {
	case ours != nil:
		return ours
	case x.Op == "raises":
		return json.RawMessage(`"raises"`)
	case x.Op == "ttl":
		return fmt.Appendf(nil, `{"want_min": %d, "want_max": %d}`, *x.WantMin, *x.WantMax)
	}
	return x.Want
}

func (s *stage) compare(at string, x *step, answer any) {
	s.tally.answers++
	for end := time.Now().Add(s.patience); time.Now().Before(end) && !s.agrees(x, answer); {
		time.Sleep(10 * time.Millisecond)
		answer, _ = s.do(at, x)
	}
	if s.agrees(x, answer) {
		return
	}
	if s.sc.kind() == "invert" && s.sc.foreign && !s.sc.decidedFor(s.layout) { // it is only known what is wrong
		s.differed = true
		return
	}
	s.t.Errorf("%s %s: got %v, want %s %s", at, describe(x), answer, x.Order, s.expected(x))
}

func describe(x *step) string {
	if x.Call != nil {
		x = x.Call
	}
	return strings.Join(slices.DeleteFunc([]string{x.Key, x.Topic, x.Host}, func(w string) bool { return w == "" }), " ")
}

// leftOut returns why a step has no counterpart here, or "".
func (s *stage) leftOut(x *step) string {
	switch {
	case s.onOslo():
		return s.leftOutOnOslo(x)
	case x.LeftOut != "":
		return x.LeftOut
	case x.Op == "heart_count" || x.Op == "heart_alive":
		return "looks at threads of the original"
	case x.Op == "dump" && s.registry == nil:
		return "there is no registry to dump"
	case x.Op == "ttl" && len(s.places(x.Key)) == 0:
		return "looks at the TTL of a topic's set, which is another here"
	case x.Ours == nil && s.needsRefused(x):
		return "depends on a registration that is refused here"
	}
	return ""
}

// needsRefused says whether the original's answer shows a place that cannot be registered here.
func (s *stage) needsRefused(x *step) bool {
	switch x.Op {
	case "queues":
		if core.DirectBinding(x.Key) && !core.FanoutBinding(x.Key) {
			return false
		}
		var want []pair
		_ = json.Unmarshal(x.Want, &want)
		return slices.ContainsFunc(want, func(p pair) bool { return s.isRefused(p[0]) })
	case "dump":
		var want dump
		_ = json.Unmarshal(x.Want, &want)
		for member := range want.Live {
			if s.isRefused(member) {
				return true
			}
		}
	case "is_alive", "local":
		return len(s.refused) > 0 && (x.Op == "local" || slices.Contains(s.refused, place{x.Topic, x.Host}))
	}
	return false
}

func (s *stage) isRefused(member string) bool {
	return slices.ContainsFunc(s.refused, func(p place) bool { return p.String() == member })
}

// refusable says whether names cannot be registered here.
func refusable(topic, host string) bool {
	return topic == "" || host == "" || topic == "fanout" ||
		strings.HasPrefix(topic, "fanout~") || strings.HasPrefix(topic, "fanout.")
}

// process returns the process with a number, made when it is asked for first.
func (s *stage) process(n int) *process {
	s.t.Helper()
	p := s.processes[n]
	if p == nil {
		var err error
		if p, err = s.construct(); err != nil {
			s.t.Fatal(err)
		}
		s.processes[n] = p
	}
	return p
}

func constructed(_ *process, err error) string {
	switch {
	case errors.Is(err, core.ErrInvalid):
		return "invalid"
	case err != nil:
		return err.Error()
	}
	return "ok"
}

func (s *stage) construct() (*process, error) {
	var m *core.MatchMaker
	switch s.sc.Matchmaker {
	case "redis":
		return s.onRedis(), nil
	case "stub":
		m = core.NewStub()
	case "localhost":
		host := s.sc.Host
		if host == "" {
			host = "localhost"
		}
		m = core.NewLocalhost(host)
	case "ring":
		r, err := s.ring()
		if err != nil {
			return nil, err
		}
		m = core.New(r)
	case "custom":
		m = s.custom()
	}
	return &process{verbs: m, lookup: m.Resolve, close: func() {}}, nil
}

// ring makes the scenario's ring: of a map if it can be one, else of a file.
func (s *stage) ring() (*ringmm.Ring, error) {
	var topics map[string][]string
	text := s.sc.Ring
	if s.sc.RingfileText != nil {
		text = []byte(*s.sc.RingfileText)
	} else if json.Unmarshal(text, &topics) == nil {
		return ringmm.New(topics)
	}
	path := filepath.Join(s.t.TempDir(), "ring.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	r, err := ringmm.Open(path)
	if err == nil {
		s.t.Cleanup(func() { _ = r.Close() })
	}
	return r, err
}

func (s *stage) custom() *core.MatchMaker {
	bindings := map[string]core.Binding{
		"FanoutBinding": core.FanoutBinding, "DirectBinding": core.DirectBinding, "TopicBinding": core.TopicBinding,
	}
	m := new(core.MatchMaker)
	for _, b := range s.sc.Bindings {
		r, err := ringmm.New(b.Ring)
		if err != nil {
			s.t.Fatal(err)
		}
		host := b.Host
		if host == "" {
			host = "localhost"
		}
		exchange := map[string]core.Exchange{
			"StubExchange": core.StubExchange, "DirectExchange": core.DirectExchange,
			"LocalhostExchange":      core.LocalhostExchange(host),
			"RoundRobinRingExchange": r.TopicExchange, "FanoutRingExchange": r.FanoutExchange,
		}[b.Exchange]
		if bindings[b.Binding] == nil || exchange == nil {
			s.t.Fatalf("unknown binding %s or exchange %s", b.Binding, b.Exchange)
		}
		if b.Last == nil || *b.Last {
			m.Bind(bindings[b.Binding], exchange)
		} else {
			m.BindThrough(bindings[b.Binding], exchange)
		}
	}
	return m
}

// onRedis makes a process of its own connections, whose lookups ask Redis.
func (s *stage) onRedis() *process {
	s.t.Helper()
	c := redismm.Config{Layout: s.layout}
	c.TTL = time.Duration(s.sc.TTL) * time.Second
	if c.Freq = time.Duration(s.sc.Freq) * time.Second; c.Freq == 0 {
		c.Freq = min(c.TTL/3, 300*time.Second)
	}
	store := s.registry.open(s.t, c)
	h, err := core.NewHeartbeat(store, c.HeartbeatConfig)
	if err != nil {
		s.t.Fatal(err)
	}
	return &process{
		verbs: h, lookup: core.New(store).Resolve, heartbeat: h, ttl: c.TTL,
		close: func() {
			if err := h.Close(); err != nil {
				s.t.Errorf("close: %v", err)
			}
		},
	}
}
