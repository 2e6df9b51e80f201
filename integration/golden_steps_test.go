package integration_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redismm/matchmaker/core"
)

// do does a step, and returns its answer if it has one.
func (s *stage) do(at string, x *step) (answer any, answers bool) {
	s.t.Helper()
	if s.onOslo() {
		if answer, answers, done := s.doOnOslo(x); done {
			return answer, answers
		}
	}
	switch x.Op {
	case "raises":
		return s.raises(at, x), true
	case "queues":
		return s.lookup(x), true
	case "is_alive":
		return s.alive(x), true
	case "dump":
		return s.dump(), true
	case "local":
		return s.local(x), true
	case "ttl":
		return s.registry.do(s.t, "TTL", liveness(s.places(x.Key)[0])), true
	}
	if err := s.act(x); err != nil {
		s.t.Errorf("%s %s: %v", at, describe(x), err)
	}
	return nil, false
}

// raises does a call that raised. Its answer is that of the call, or a word for what became of it.
func (s *stage) raises(at string, x *step) any {
	switch x.Call.Op {
	case "construct":
		return constructed(s.construct())
	case "queues":
		return s.lookup(x.Call)
	}
	if err := s.act(x.Call); err != nil {
		return s.word(at, err)
	}
	return "ok"
}

func (s *stage) word(at string, err error) string {
	switch {
	case errors.Is(err, core.ErrInvalid):
		return "invalid"
	case errors.Is(err, core.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, core.ErrNotRegistered):
		return "not registered"
	}
	s.t.Errorf("%s: unexpected error: %v", at, err)
	return err.Error()
}

func (s *stage) lookup(x *step) any {
	routes, err := s.process(x.Peer).lookup(s.t.Context(), x.Key)
	if err != nil && !errors.Is(err, core.ErrNoMatch) {
		return s.word("lookup of "+x.Key, err)
	}
	if (err == nil) != (len(routes) > 0) {
		s.t.Errorf("lookup of %q: %d routes with error %v", x.Key, len(routes), err)
	}
	pairs := make([]pair, len(routes))
	for i, r := range routes {
		pairs[i] = pair{r.Key, r.Host}
		if m := r.Member; m != nil && m.Host != r.Host {
			s.t.Errorf("lookup of %q: member %q at host %q", x.Key, m.Host, r.Host)
		}
	}
	return pairs
}

// alive is nil where there are no heartbeats to tell.
func (s *stage) alive(x *step) any {
	alive, err := s.process(x.Peer).IsAlive(s.t.Context(), x.Topic, x.Host)
	switch {
	case errors.Is(err, core.ErrUnsupported):
		return nil
	case err != nil:
		return s.word("is_alive", err)
	}
	return alive
}

// dump is what the registry shows of the places seen.
func (s *stage) dump() any {
	d := dump{Sets: make(map[string][]string), Live: make(map[string]bool)}
	for _, p := range s.seen {
		alive, err := s.process(0).IsAlive(s.t.Context(), p.topic, p.host)
		if err != nil {
			s.t.Errorf("dump: is %s alive: %v", p, err)
		}
		if alive {
			d.Live[p.String()] = true
		}
		members, err := s.process(0).heartbeat.Backend().Members(s.t.Context(), p.topic)
		if errors.Is(err, core.ErrUnavailable) && s.cut[p.topic] {
			continue
		}
		if err != nil {
			s.t.Errorf("dump: members of %s: %v", p.topic, err)
			continue
		}
		listed := slices.ContainsFunc(members.Members, func(m *core.Member) bool { return m.Host == p.host })
		if listed != alive {
			s.t.Errorf("dump: %s is alive: %v, and a member: %v", p, alive, listed)
		}
		if listed {
			d.Sets[p.topic] = append(d.Sets[p.topic], p.String())
		}
	}
	for _, set := range d.Sets {
		slices.Sort(set)
	}
	return d
}

func (s *stage) local(x *step) any {
	l := local{Hosts: []string{}, Registrations: [][2]string{}}
	for _, status := range s.process(x.Peer).heartbeat.Registrations() {
		if status.Standing == "removed" || status.Standing == "leaving" {
			continue
		}
		l.Registrations = append(l.Registrations, [2]string{status.Member.Topic, status.Member.Host})
		l.Hosts = append(l.Hosts, status.Member.Host)
	}
	slices.Sort(l.Hosts)
	l.Hosts = slices.Compact(l.Hosts)
	return l
}

// act does a step that changes something.
func (s *stage) act(x *step) error {
	s.t.Helper()
	ctx := s.t.Context()
	switch x.Op {
	case "register":
		return s.register(ctx, x)
	case "unregister":
		return s.byName(x, s.process(x.Peer).Unregister)
	case "ack_alive":
		return s.byName(x, s.process(x.Peer).AckAlive)
	case "expire":
		return s.byName(x, s.process(x.Peer).Expire)
	case "send_heartbeats":
		s.beatRefused(x.Peer)
		return s.process(x.Peer).SendHeartbeats(ctx)
	case "start_heartbeat":
		s.start(s.process(x.Peer))
	case "stop_heartbeat":
		s.process(x.Peer).StopHeartbeat()
		s.process(x.Peer).running = false
	case "restart":
		s.process(x.Peer).close()
		delete(s.processes, x.Peer)
	case "sleep_ms":
		time.Sleep(time.Duration(x.MS) * time.Millisecond)
		s.patience = s.late
	case "redis_down":
		s.registry.down(s.t)
	case "redis_up":
		s.registry.up(s.t)
	case "flushall":
		s.registry.do(s.t, "FLUSHALL")
	case "kill_key":
		s.kill(x.Key)
	case "persist_key":
		s.onEach(x.Key, "PERSIST")
	case "expire_key":
		s.onEach(x.Key, "EXPIRE", x.TTL)
	default:
		s.t.Fatalf("unknown op %q", x.Op)
	}
	return nil
}

func (s *stage) register(ctx context.Context, x *step) error {
	err := s.process(x.Peer).Register(ctx, core.Registration{Topic: x.Topic, Host: x.Host})
	p := place{x.Topic, x.Host}
	if !refusable(x.Topic, x.Host) {
		s.see(p)
		return err
	}
	if !errors.Is(err, core.ErrInvalid) {
		return fmt.Errorf("got error %v, want it refused", err)
	}
	s.refused = append(s.refused, p)
	s.asRefused(x)
	return nil
}

func (s *stage) see(p place) {
	if !slices.Contains(s.seen, p) {
		s.seen = append(s.seen, p)
	}
}

// byName calls a verb on a place. That nobody is there, or somebody newer, is said here; the original is silent.
func (s *stage) byName(x *step, verb func(ctx context.Context, topic, host string) error) error {
	err := verb(s.t.Context(), x.Topic, x.Host)
	if s.registry == nil {
		return err
	}
	if refusable(x.Topic, x.Host) {
		if !errors.Is(err, core.ErrInvalid) {
			return fmt.Errorf("got error %v, want the names refused", err)
		}
		s.asRefused(x)
		return nil
	}
	s.see(place{x.Topic, x.Host})
	if errors.Is(err, core.ErrNotRegistered) || errors.Is(err, core.ErrSuperseded) {
		return nil
	}
	return err
}

// start begins the loop and waits for the end of its first round. A loop that runs has no first round.
func (s *stage) start(p *process) {
	began, running := time.Now(), p.running
	p.StartHeartbeat()
	p.running = true
	if p.heartbeat == nil || running {
		return
	}
	s.registry.await(s.t, func() bool {
		return !slices.ContainsFunc(p.heartbeat.Registrations(), func(r core.Status) bool {
			return r.Standing == "pending" || r.Standing == "valid" && r.ValidUntil.Before(began.Add(p.ttl))
		})
	})
}

// places are the places seen that the original kept under a key.
func (s *stage) places(key string) []place {
	return slices.DeleteFunc(slices.Clone(s.seen), func(p place) bool { return p.String() != key })
}

// kill removes a liveness key of the original, as a lapse does, or else the set of a topic.
func (s *stage) kill(key string) {
	s.t.Helper()
	if len(s.places(key)) > 0 {
		s.onEach(key, "DEL")
	} else if slices.ContainsFunc(s.seen, func(p place) bool { return p.topic == key }) {
		s.registry.do(s.t, "DEL", index(key))
		s.cut[key] = true
	}
}

// onEach sends a command for each liveness key here that stands for a key of the original.
func (s *stage) onEach(key, command string, args ...any) {
	s.t.Helper()
	for _, p := range s.places(key) {
		s.registry.do(s.t, append([]any{command, liveness(p)}, args...)...)
	}
}

// The spelling of keys is part of the protocol: other programs may rely on it.
func index(topic string) string { return "mm:{" + topic + "}" }
func liveness(p place) string   { return index(p.topic) + "@" + p.host }
