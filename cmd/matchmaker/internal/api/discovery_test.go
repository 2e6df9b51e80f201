package api

import (
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

func (s *served) registers(rs ...core.Registration) {
	s.t.Helper()
	claims := make([]*core.Claim, len(rs))
	for i, r := range rs {
		claims[i] = &core.Claim{Registration: r}
	}
	if _, err := s.registry.BackendRegister(s.t.Context(), time.Hour, claims); err != nil {
		s.t.Fatal(err)
	}
}

// Prometheus refuses keys that it does not know, null, and another type or status.
func TestTargetsAreWhatPrometheusReads(t *testing.T) {
	t.Parallel()
	s := serve(t)
	if got := s.ask("GET", "/sd", ""); got.code != 200 || got.body != "[]\n" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v", got)
	}
	s.registers(core.Registration{Topic: "a", Host: "y", Addr: "[::1]:9100"},
		core.Registration{Topic: "a", Host: "x", Addr: "10.0.0.1:9100", Zone: "east", Weight: 2, Labels: map[string]string{"rack": "7", "a-b": "1", "a.b": "2", "ü": "3"}},
		core.Registration{Topic: "a", Host: "silent"}, core.Registration{Topic: "b/c", Host: "z", Addr: "db.example.org:80"})
	const x = `{"targets":["10.0.0.1:9100"],"labels":{"__meta_matchmaker_held":"false","__meta_matchmaker_host":"x","__meta_matchmaker_label__":"3",` +
		`"__meta_matchmaker_label_a_b":"1","__meta_matchmaker_label_rack":"7","__meta_matchmaker_state":"up","__meta_matchmaker_topic":"a","__meta_matchmaker_zone":"east"}}`
	const y = `{"targets":["[::1]:9100"],"labels":{"__meta_matchmaker_held":"false","__meta_matchmaker_host":"y","__meta_matchmaker_state":"up","__meta_matchmaker_topic":"a","__meta_matchmaker_zone":""}}`
	const z = `{"targets":["db.example.org:80"],"labels":{"__meta_matchmaker_held":"false","__meta_matchmaker_host":"z","__meta_matchmaker_state":"up","__meta_matchmaker_topic":"b/c","__meta_matchmaker_zone":""}}`
	for path, want := range map[string]string{"/sd/a": "[" + x + "," + y + "]", "/sd": "[" + x + "," + y + "," + z + "]", "/sd/b%2Fc": "[" + z + "]", "/sd/nosuch": "[]"} {
		for range 3 { // in the same order each time
			if got := s.ask("GET", path, ""); got.code != 200 || strings.TrimSpace(got.body) != want {
				t.Errorf("%s: %d\n%s, want\n%s", path, got.code, got.body, want)
			}
		}
	}
	if got := s.ask("GET", "/sd/a%7B", ""); got.code != 400 {
		t.Errorf("%+v", got)
	}
}

func TestTargetsAreTheLastKnownInAnOutageAndNeverNone(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.registers(core.Registration{Topic: "a", Host: "x", Addr: "10.0.0.1:9100"}, core.Registration{Topic: "b", Host: "x", Addr: "10.0.0.2:9100"})
	s.registry.Break(errDown)
	for _, path := range []string{"/sd", "/sd/a"} {
		if got := s.ask("GET", path, ""); got.code != 503 || !strings.Contains(got.body, "cannot-tell") {
			t.Errorf("%s, of which nothing is known: %+v", path, got)
		}
	}
	s.registry.Break(nil)
	s.becomes("/sd/a", 200, "10.0.0.1:9100")
	s.becomes("/sd", 200, "10.0.0.2:9100")
	s.registry.Break(errDown)
	s.becomes("/v1/topics/a", 200, `"stale"`)
	for path, n := range map[string]int{"/sd": 2, "/sd/a": 1} {
		if got := s.ask("GET", path, ""); got.code != 200 || strings.Count(got.body, ":9100") != n {
			t.Errorf("%s in an outage: %+v", path, got)
		}
	}
	if got := s.ask("GET", "/sd/c", ""); got.code != 503 {
		t.Errorf("a topic that was never asked for: %+v", got)
	}
	s.registry.Lose()
	s.registry.Break(nil)
	s.becomes("/v1/topics", 200, `["a","b"]`) // whom the registry lost
	if got := s.ask("GET", "/sd", ""); got.code != 200 || strings.Count(got.body, ":9100") != 2 {
		t.Errorf("after the registry lost all: %+v", got)
	}
}

// Who was never asked for all knows those that others were asked for.
func TestTopicsThatTheRegistryLostAreListed(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.registers(core.Registration{Topic: "a", Host: "x", Addr: "10.0.0.1:9100"})
	s.becomes("/v1/topics/a/hosts/x", 200, "10.0.0.1:9100")
	s.registry.Lose()
	s.becomes("/v1/topics", 200, `["a"]`)
	for _, down := range []error{nil, errDown} {
		s.registry.Break(down)
		if got := s.ask("GET", "/sd", ""); got.code != 200 || strings.Count(got.body, ":9100") != 1 {
			t.Errorf("registry: %v: %+v", down, got)
		}
	}
}
