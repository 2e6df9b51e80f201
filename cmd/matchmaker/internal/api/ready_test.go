package api

import (
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

// ready asks for /readyz and holds it to a status and a code.
func (s *served) ready(status string, code int) answered {
	s.t.Helper()
	got := s.ask("GET", "/readyz", "")
	if got.code != code || !strings.Contains(got.body, `"status":"`+status+`"`) {
		s.t.Errorf("%d %s, want %d %s", got.code, got.body, code, status)
	}
	return got
}

func (s *served) beat() { s.MatchMaker.SendHeartbeats(s.t.Context()) }

func TestReadyIsWhoWasAcceptedOnceWhateverBecomesOfRedis(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.ready("ready", 200)
	s.registry.Break(errDown)
	began := time.Now()
	s.ask("PUT", y, "")
	if got := s.ready("starting", 503); !strings.Contains(got.body, "x.y was not accepted yet") {
		t.Error(got.body)
	}
	s.registry.Unbreak()
	s.beat()
	s.becomes("/readyz", 200, `"status":"ready"`)
	s.registry.Break(errDown)
	s.beat()
	got := s.becomes("/readyz", 200, `"status":"degraded"`)
	_, since, _ := strings.Cut(got.body, `"since":"`)
	since, _, _ = strings.Cut(since, `"`)
	if at, err := time.Parse(time.RFC3339Nano, since); err != nil || at.Before(began) || at.After(time.Now()) || !strings.Contains(got.body, "connection refused") {
		t.Errorf("%s, %v", got.body, err)
	}
	s.ask("PUT", y, `{"zone":"b"}`) // registered anew, and accepted once before
	s.ready("degraded", 200)
	s.registry.Unbreak()
	s.beat()
	s.becomes("/readyz", 200, `"status":"ready"`)
}

func TestWhoIsRegisteredAnewInAnOutageStaysReady(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.ask("PUT", y, "")
	s.registry.Break(errDown)
	if got := s.ask("PUT", y, `{"zone":"b"}`); got.code != 202 {
		t.Errorf("%d %s", got.code, got.body)
	}
	s.beat()
	s.becomes("/readyz", 200, `"status":"degraded"`)
}

func TestNotReadyIsWhoDrainsOrLostItsPlace(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.ask("PUT", y, "")
	s.ready("ready", 200)
	s.ask("PUT", y+"/drain", "")
	s.ready("draining", 503)
	s.ask("DELETE", y+"/drain", "")
	s.ready("ready", 200)

	s.put("x", "y")
	s.beat()
	if got := s.ready("superseded", 503); !strings.Contains(got.body, "x.y stands by") {
		t.Error(got.body)
	}
	s.ask("PUT", y, "") // takes it back
	s.ready("ready", 200)
	if _, err := s.registry.BackendUnregister(t.Context(), time.Minute, []*core.Claim{{Registration: core.Registration{Topic: "x", Host: "y"}}}); err != nil {
		t.Fatal(err)
	}
	s.beat()
	if got := s.ready("unregistered", 503); !strings.Contains(got.body, "removed by name") {
		t.Error(got.body)
	}
	s.ask("DELETE", y, "")
	s.ready("ready", 200)

	s.ask("PUT", y, "")
	if err := s.MatchMaker.Drain(t.Context(), "x", "y"); err != nil {
		t.Fatal(err)
	}
	s.ready("draining", 503)
	s.ask("PUT", "/v1/topics/x/hosts/z", "")
	s.ready("draining", 503)
}

func TestNotReadyIsWhoIsStillToBeRegistered(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Awaited = []core.Registration{{Topic: "x", Host: "y"}} })
	if got := s.ready("starting", 503); !strings.Contains(got.body, "x.y is not registered yet") {
		t.Error(got.body)
	}
	if got := s.ask("DELETE", y, ""); got.code != 404 {
		t.Errorf("%d %s", got.code, got.body)
	}
	s.ready("starting", 503) // it is still to come
	if err := s.MatchMaker.Register(t.Context(), core.Registration{Topic: "x", Host: "y"}); err != nil {
		t.Fatal(err)
	}
	s.ready("ready", 200)
	s.ask("DELETE", y, "")
	s.ready("ready", 200)
}

func TestAFailingHostIsReady(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.ask("PUT", y, "")
	if err := s.MatchMaker.Fail(t.Context(), "x", "y"); err != nil {
		t.Fatal(err)
	}
	s.ready("ready", 200)
}

func TestWhoKeepsNothingIsDegradedWhileAViewIsStale(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("x", "y")
	s.ask("GET", "/v1/topics/x", "")
	s.registry.Break(errDown)
	s.becomes("/readyz", 200, `"status":"degraded"`)
	s.registry.Unbreak()
	s.becomes("/readyz", 200, `"status":"ready"`)
}

func TestATopicThatWasNeverReadIsNotStaleSinceTheBeginningOfTime(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.registry.Break(errDown)
	s.ask("GET", "/v1/topics/x", "")
	if got := s.becomes("/readyz", 200, `"status":"degraded"`); strings.Contains(got.body, `"since":"0001`) {
		t.Error(got.body)
	}
}

func TestNotReadyIsWhoseDrainAnotherProcessAnnounced(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.ask("PUT", y, "")
	s.put("x", "z")
	s.ready("ready", 200) // and follows x from now on
	own := s.MatchMaker.Registrations()[0].Member
	announced := &core.Claim{Registration: own.Registration, Instance: own.Instance, State: core.Draining} // as an overlay beside the record is shown
	if _, err := s.registry.AckAlive(t.Context(), time.Minute, []*core.Claim{announced}); err != nil {
		t.Fatal(err)
	}
	if got := s.becomes("/readyz", 503, `"status":"draining"`); !strings.Contains(got.body, "x.y drains") {
		t.Error(got.body)
	}
	s.beat()
	s.becomes("/readyz", 200, `"status":"ready"`)
}

func TestADrainThatAnotherProcessEndedIsOver(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.ask("PUT", y, "")
	s.ask("PUT", y+"/drain", `{"for":"1h"}`)
	s.ready("draining", 503)
	s.becomes("/readyz", 200, `"status":"ready"`) // in the registry it is up
}
