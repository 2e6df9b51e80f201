package api

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

const y = "/v1/topics/x/hosts/y"

// instance is that of a registration in a body.
func instance(body string) string {
	_, rest, _ := strings.Cut(body, `"instance":"`)
	found, _, _ := strings.Cut(rest, `"`)
	return found
}

func TestRegisterKeepsTheHostAndAgainIsTheSame(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) {
		c.Complete = func(_ context.Context, r core.Registration) (core.Registration, error) {
			r.Addr = strings.Replace(r.Addr, ":", "10.0.0.1:", 1)
			return r, nil
		}
	})
	const record = `{"addr":":80","zone":"east","labels":{"rack":"7"}}`
	const want = `{"topic":"x","host":"y","addr":"10.0.0.1:80","zone":"east","labels":{"rack":"7"},"state":"up","instance":"?","standing":"valid","valid_until":"?"}`
	first := s.ask("PUT", y, record)
	if first.code != 201 || steady(first.body) != want {
		t.Errorf("%d %s, want %s", first.code, steady(first.body), want)
	}
	again := s.ask("PUT", y, record)
	if again.code != 200 || instance(again.body) != instance(first.body) {
		t.Errorf("again: %d %s, want the instance of %s", again.code, again.body, first.body)
	}
	other := s.ask("PUT", y, `{"weight":2}`)
	if other.code != 200 || instance(other.body) <= instance(first.body) || !strings.Contains(other.body, `"weight":2`) {
		t.Errorf("with another record: %d %s", other.code, other.body)
	}
	if got := s.ask("GET", "/v1/registrations", ""); steady(got.body) != `{"registrations":[`+steady(other.body)+`]}` {
		t.Errorf("%s, want %s", got.body, other.body)
	}
	s.registry.Lose()
	if err := s.MatchMaker.SendHeartbeats(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, _ := s.registry.Remaining(t.Context(), "x", "y"); left == 0 {
		t.Error("it is not kept")
	}
	if got := s.ask("DELETE", y, ""); got.code != 200 || got.body != `{"topic":"x","host":"y","outcome":"left"}`+"\n" {
		t.Errorf("%d %s", got.code, got.body)
	}
	if err := s.MatchMaker.SendHeartbeats(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, _ := s.registry.Remaining(t.Context(), "x", "y"); left > 0 {
		t.Error("it is back")
	}
}

func TestWhatCannotBeRegisteredNowIsKeptAndSaysWhy(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.registry.Break(errDown)
	got := s.ask("PUT", y, "")
	if got.code != 202 || !strings.Contains(got.body, `"standing":"pending"`) || !strings.Contains(got.body, "connection refused") {
		t.Errorf("%d %s", got.code, got.body)
	}
	s.registry.Unbreak()
	if err := s.MatchMaker.SendHeartbeats(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.ask("PUT", y, ""); got.code != 200 || !strings.Contains(got.body, `"standing":"valid"`) {
		t.Errorf("%d %s", got.code, got.body)
	}
}

func TestAHostThatIsKeptElsewhereIsAckedDrainedAndRemovedByName(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("x", "y")
	for _, c := range []struct{ method, path, body, outcome string }{
		{"POST", y + "/ack", "", "kept"},
		{"PUT", y + "/drain", `{"for":"90s","reason":"kernel"}`, "draining"},
		{"DELETE", y + "/drain", "", "up"},
		{"PUT", y + "/drain", "", "draining"},
		{"DELETE", y, "", "left"},
	} {
		if got := s.ask(c.method, c.path, c.body); got.code != 200 || got.body != `{"topic":"x","host":"y","outcome":"`+c.outcome+`"}`+"\n" {
			t.Errorf("%s %s: %d %s", c.method, c.path, got.code, got.body)
		}
		if want := map[string]time.Duration{`{"for":"90s","reason":"kernel"}`: 90 * time.Second}[c.body]; want > 0 && s.drains["x.y"] != want {
			t.Errorf("it drains for %s, want %s", s.drains["x.y"], want)
		}
	}
	if s.drains["x.y"] != defaultDrain {
		t.Errorf("it drains for %s, want %s", s.drains["x.y"], defaultDrain)
	}
	if all := s.MatchMaker.Registrations(); len(all) > 0 {
		t.Errorf("%+v was adopted", all)
	}
}

func TestNoMoreAreKeptThanMayBe(t *testing.T) {
	t.Parallel()
	s := serve(t)
	many := make([]core.Registration, mostKept)
	for i := range many {
		many[i] = core.Registration{Topic: "x", Host: strings.Repeat("h", 1+i%200) + string(rune('a'+i/200%26)) + string(rune('a'+i/5200))}
	}
	if err := s.MatchMaker.Register(t.Context(), many...); err != nil {
		t.Fatal(err)
	}
	if got := s.ask("PUT", y, ""); got.code != 507 || !strings.Contains(got.body, "10000 registrations are kept here already") {
		t.Errorf("%d %s", got.code, got.body)
	}
}

func TestAProcessThatLeavesTakesNothingOnAndEndsWhatItBegan(t *testing.T) {
	t.Parallel()
	entered, goOn := make(chan struct{}), make(chan struct{})
	s := serve(t, func(c *Config) {
		c.Complete = func(_ context.Context, r core.Registration) (core.Registration, error) {
			close(entered)
			<-goOn
			return r, nil
		}
	})
	registered := make(chan answered)
	go func() { registered <- s.ask("PUT", y, "") }()
	<-entered
	left := make(chan struct{})
	go func() {
		defer close(left)
		s.Leaving(t.Context())
	}()
	s.becomes("/readyz", 503, `"status":"draining"`)
	for refused := false; !refused; { // the gate shuts a moment later
		got := s.ask("POST", y+"/ack", "")
		refused = got.code == 503 && strings.Contains(got.body, ":leaving")
	}
	select {
	case <-left:
		t.Error("it left before a verb had ended")
	default:
	}
	close(goOn)
	if got := <-registered; got.code != 201 {
		t.Errorf("%d %s", got.code, got.body)
	}
	<-left
	if got := s.ask("GET", "/v1/registrations", ""); got.code != 200 || !strings.Contains(got.body, `"host":"y"`) {
		t.Errorf("reads end too: %d %s", got.code, got.body)
	}
}
