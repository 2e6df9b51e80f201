package integration_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// slack is what a loaded machine may add to a bound that is promised: the start of a process, a timer that
// fires late, a retry that has just missed.
const slack = 500 * time.Millisecond

// soon bounds what is waited for where no bound is promised.
const soon = 10 * time.Second

// beating is the heartbeat of most tests here: fast enough to be waited for.
var beating = core.HeartbeatConfig{Freq: 200 * time.Millisecond, TTL: 600 * time.Millisecond}

// prompt is the heartbeat where an interval is a bound: a round may take half of it, also on a busy machine.
var prompt = core.HeartbeatConfig{Freq: time.Second, TTL: 3 * time.Second}

// calm is the heartbeat of tests that send it themselves: a call may take 10 s, and nothing lapses meanwhile.
var calm = core.HeartbeatConfig{Freq: 20 * time.Second, TTL: time.Minute}

func store(t *testing.T, url string) *redismm.Store {
	t.Helper()
	s, err := redismm.OpenStore(url, redismm.Config{HeartbeatConfig: beating})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func open(t *testing.T, url string, c core.HeartbeatConfig) *core.HeartbeatMatchMaker {
	t.Helper()
	h, err := redismm.Open(t.Context(), url, redismm.Config{HeartbeatConfig: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// keep registers hosts of a topic and keeps them until the test ends.
func keep(t *testing.T, url, topic string, hosts ...string) *core.HeartbeatMatchMaker {
	t.Helper()
	h := open(t, url, beating)
	for _, host := range hosts {
		register(t, h, topic, host)
	}
	h.StartHeartbeat()
	return h
}

// register registers a host. With a fast heartbeat a busy machine may need more than the one try.
func register(t *testing.T, h *core.HeartbeatMatchMaker, topic, host string) {
	t.Helper()
	err := h.Register(t.Context(), core.Registration{Topic: topic, Host: host})
	for end := time.Now().Add(soon); errors.Is(err, core.ErrUnavailable) && time.Now().Before(end); {
		err = h.SendHeartbeats(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The answers of listed when no host is.
const (
	nobody        = "(nobody)"
	neverHeardOf  = "(never heard of)"
	cannotTell    = "(cannot tell)"
	contradiction = "(an empty list and no error, or a list and an error)"
)

type resolver interface {
	Resolve(ctx context.Context, key string) ([]core.Route, error)
}

// listed returns a question: which hosts of a topic are listed, in order, or why none is.
func listed(m resolver, topic string) func(ctx context.Context) string {
	return func(ctx context.Context) string {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		routes, err := m.Resolve(ctx, core.FanoutPrefix+topic)
		switch {
		case (len(routes) == 0) != (err != nil):
			return contradiction
		case errors.Is(err, core.ErrNoHosts):
			return nobody
		case errors.Is(err, core.ErrUnknownTopic):
			return neverHeardOf
		case err != nil:
			return cannotTell
		}
		var hosts []string
		for _, r := range routes {
			hosts = append(hosts, r.Host)
		}
		slices.Sort(hosts)
		return strings.Join(hosts, " ")
	}
}

func hostsOf(v *core.View) []string {
	var hosts []string
	for _, m := range v.Members {
		hosts = append(hosts, m.Host)
	}
	return hosts
}

// becomes waits until a question is answered as wanted, and returns how long that took.
func becomes(t *testing.T, d time.Duration, ask func(context.Context) string, want string) time.Duration {
	t.Helper()
	began, got := time.Now(), ""
	for time.Since(began) < d {
		if got = ask(t.Context()); got == want {
			return time.Since(began)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the answer is %q, and was not %q within %s", got, want, d)
	return 0
}

// stays asks for d, and fails if an answer is not as wanted.
func stays(t *testing.T, d time.Duration, ask func(context.Context) string, want string) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got := ask(t.Context()); got != want {
			t.Fatalf("the answer is %q, want %q as before", got, want)
		}
	}
}

// sidecar starts one with a fast heartbeat and waits until it has registered.
func sidecar(t *testing.T, r *integration.Redis, registration string, more ...string) *integration.Process {
	t.Helper()
	p := beatingSidecar(r, beating, registration, more...).Start(t)
	p.Says(soon, event(core.Registered))
	return p
}

func beatingSidecar(r *integration.Redis, c core.HeartbeatConfig, registration string, more ...string) integration.Command {
	return integration.Matchmaker(append([]string{"sidecar", "--register", registration,
		"--heartbeat-freq", c.Freq.String(), "--heartbeat-ttl", c.TTL.String()}, more...)...).
		With("MATCHMAKER_REDIS_URL=" + r.URL)
}

// event is how an event shows in a sidecar's log.
func event(k core.EventKind) string { return `"event":"` + k.String() + `"` }

// ask runs a command against a Redis that is given by its URL.
func ask(t *testing.T, url string, args ...string) integration.Result {
	t.Helper()
	return integration.Matchmaker(args...).With("MATCHMAKER_REDIS_URL=" + url).Run(t)
}
