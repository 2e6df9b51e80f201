package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/redismm/matchmaker/core"
)

// answers is an exchange that answers keys with themselves under hosts, or err.
func answers(err error, hosts ...string) core.Exchange {
	return func(_ context.Context, key string) ([]core.Route, error) {
		if err != nil {
			return nil, err
		}
		var routes []core.Route
		for _, h := range hosts {
			routes = append(routes, core.Route{Key: core.DirectKey(key, h), Host: h})
		}
		return slices.Grow(routes, 10), nil // too much capacity, which nobody may write into
	}
}

func never(t *testing.T) core.Exchange {
	return func(context.Context, string) ([]core.Route, error) {
		t.Helper()
		t.Error("an exchange was asked that should not have been")
		return nil, core.ErrNoMatch
	}
}

func TestExchangesAnswerAsTheOriginals(t *testing.T) {
	localhost := core.LocalhostExchange("localhost")
	for _, c := range []struct {
		name       string
		x          core.Exchange
		key, route string
	}{
		{"stub", core.StubExchange, "compute", "compute@"},
		{"stub", core.StubExchange, "compute.node1", "compute.node1@"},
		{"stub", core.StubExchange, "fanout.compute", "fanout.compute@"},
		{"stub", core.StubExchange, "", "@"},
		{"direct", core.DirectExchange, "compute.node1", "compute.node1@node1"},
		{"direct", core.DirectExchange, "compute.node1.example.org", "compute.node1.example.org@node1.example.org"},
		{"direct", core.DirectExchange, "compute.", "compute.@"},
		{"direct", core.DirectExchange, "fanout.compute.node1", "fanout~compute.node1@node1"},
		{"localhost", localhost, "compute", "compute.localhost@localhost"},
		{"localhost", localhost, "compute.node1", "compute.localhost@localhost"},
		{"localhost", localhost, "fanout~compute", "fanout~compute.localhost@localhost"},
		{"localhost", localhost, "fanout~compute.node1", "fanout~compute.localhost@localhost"},
		{"localhost", localhost, "fanout.compute", "fanout~compute.localhost@localhost"},
	} {
		routes, err := c.x(t.Context(), c.key)
		if err != nil || len(routes) != 1 || routes[0].Key+"@"+routes[0].Host != c.route || routes[0].Member != nil {
			t.Errorf("%s of %q: %+v, %v, want %s", c.name, c.key, routes, err, c.route)
		}
	}
	if _, err := core.DirectExchange(t.Context(), "compute"); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("direct of a bare key: %v, want ErrInvalid", err)
	}
}

func TestFallbackAsksTheNextOnlyWhenThereIsNoMatch(t *testing.T) {
	none := answers(fmt.Errorf("here: %w", core.ErrNoHosts))
	for _, c := range []struct {
		says string
		x    core.Exchange
		want string
		err  error
	}{
		{"the first that answers", core.Fallback(answers(nil, "a"), never(t)), "[a]", nil},
		{"the next on no match", core.Fallback(none, answers(core.ErrUnknownTopic), answers(nil, "b"), never(t)), "[b]", nil},
		{"the last reason", core.Fallback(answers(core.ErrUnknownTopic), none), "[]", core.ErrNoHosts},
		{"who cannot tell has not said no", core.Fallback(none, answers(core.ErrUnavailable), never(t)), "[]", core.ErrUnavailable},
		{"any other error ends it", core.Fallback(answers(errDown), never(t)), "[]", errDown},
		{"nobody to ask", core.Fallback(), "[]", core.ErrNoMatch},
	} {
		routes, err := c.x(t.Context(), "compute")
		if hosts(routes) != c.want || !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%s: %v, %v, want %s, %v", c.says, routes, err, c.want, c.err)
		}
	}
}

func TestResolveMeetsBindingsInOrder(t *testing.T) {
	yes := func(string) bool { return true }
	no := func(string) bool { return false }
	none := answers(core.ErrUnknownTopic)
	bind := func() *core.MatchMaker { return new(core.MatchMaker) }
	for _, c := range []struct {
		says string
		m    *core.MatchMaker
		want string
		err  error
	}{
		{"no binding at all", bind(), "[]", core.ErrNoBinding},
		{"no binding that accepts", bind().Bind(no, never(t)), "[]", core.ErrNoBinding},
		{"the first that accepts ends it", bind().Bind(no, never(t)).Bind(yes, answers(nil, "a")).Bind(yes, never(t)), "[a]", nil},
		{"even without a match", bind().Bind(yes, none).Bind(yes, never(t)), "[]", core.ErrUnknownTopic},
		{"a later one adds", bind().BindThrough(yes, answers(nil, "a", "b")).Bind(yes, answers(nil, "c")).Bind(yes, never(t)), "[a b c]", nil},
		{"and another", bind().BindThrough(yes, answers(nil, "a")).BindThrough(yes, answers(nil, "b")).BindThrough(yes, answers(nil, "c")), "[a b c]", nil},
		{"a later one adds nothing", bind().BindThrough(yes, answers(nil, "a")).Bind(yes, none), "[a]", nil},
		{"an earlier one has none", bind().BindThrough(yes, none).Bind(yes, answers(nil, "b")), "[b]", nil},
		{"nobody has", bind().BindThrough(yes, none).BindThrough(yes, answers(core.ErrNoHosts)), "[]", core.ErrNoHosts},
		{"who cannot tell ends it", bind().BindThrough(yes, answers(nil, "a")).BindThrough(yes, answers(core.ErrUnavailable)).Bind(yes, never(t)), "[]", core.ErrUnavailable},
		{"a matchmaker is an exchange", bind().BindThrough(yes, bind().Bind(yes, answers(nil, "a")).Resolve).Bind(yes, bind().Resolve), "[a]", nil},
	} {
		routes, err := c.m.Resolve(t.Context(), "compute")
		if hosts(routes) != c.want || !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%s: %v, %v, want %s, %v", c.says, routes, err, c.want, c.err)
		}
		var lookup *core.LookupError
		if err != nil && (!errors.As(err, &lookup) || lookup.Key != "compute" || routes != nil) {
			t.Errorf("%s: %#v is no LookupError of the key", c.says, err)
		}
	}
}

func TestResolveNeverWritesIntoWhatAnExchangeAnswered(t *testing.T) {
	shared := make([]core.Route, 1, 10)
	shared[0].Host = "a"
	m := new(core.MatchMaker).
		BindThrough(core.TopicBinding, func(context.Context, string) ([]core.Route, error) { return shared, nil }).
		Bind(core.TopicBinding, answers(nil, "b"))
	if routes, err := m.Resolve(t.Context(), "compute"); err != nil || hosts(routes) != "[a b]" {
		t.Fatal(routes, err)
	}
	if beyond := shared[:2][1]; beyond != (core.Route{}) {
		t.Errorf("%+v was written into an exchange's answer", beyond)
	}
}

func TestTheMatchmakersOfTheOriginalResolve(t *testing.T) {
	for _, c := range []struct {
		name      string
		m         *core.MatchMaker
		key, want string
	}{
		{"stub", core.NewStub(), "compute", "compute@"},
		{"stub", core.NewStub(), "fanout~compute", "fanout~compute@"},
		{"stub", core.NewStub(), "compute.node1", "compute.node1@"},
		{"localhost", core.NewLocalhost("localhost"), "compute", "compute.localhost@localhost"},
		{"localhost", core.NewLocalhost("localhost"), "fanout~compute", "fanout~compute.localhost@localhost"},
		{"localhost", core.NewLocalhost("localhost"), "compute.node1", "compute.node1@node1"},
		{"localhost", core.NewLocalhost("127.0.0.1"), "compute", "compute.127.0.0.1@127.0.0.1"},
	} {
		routes, err := c.m.Resolve(t.Context(), c.key)
		if err != nil || len(routes) != 1 || routes[0].Key+"@"+routes[0].Host != c.want {
			t.Errorf("%s of %q: %+v, %v, want %s", c.name, c.key, routes, err, c.want)
		}
	}
}

func TestWithoutAHeartbeatTheVerbsAreAcceptedAndDoNothing(t *testing.T) {
	ctx := t.Context()
	for _, m := range []*core.MatchMaker{core.NewStub(), core.NewLocalhost("localhost"), new(core.MatchMaker)} {
		m.StartHeartbeat()
		m.StartHeartbeat()
		for verb, err := range map[string]error{
			"register":   m.Register(ctx, core.Registration{Topic: "compute", Host: "node1"}),
			"unregister": m.Unregister(ctx, "compute", "node1"),
			"ack":        m.AckAlive(ctx, "compute", "node1"),
			"expire":     m.Expire(ctx, "compute", "node1"),
			"beat":       m.SendHeartbeats(ctx),
		} {
			if err != nil {
				t.Errorf("%s: %v", verb, err)
			}
		}
		m.StopHeartbeat()
		m.StopHeartbeat()
		if alive, err := m.IsAlive(ctx, "compute", "node1"); alive || !errors.Is(err, core.ErrUnsupported) {
			t.Errorf("alive: %v, %v, want ErrUnsupported", alive, err)
		}
		if err := m.Register(ctx, core.Registration{Topic: "fanout", Host: "node1"}); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("register under a reserved topic: %v, want ErrInvalid", err)
		}
	}
}
