package integration_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// oddNames are legal, and easily taken for one another.
var oddNames = []string{
	"a", "a b", " a", "a ", "a|b", "a:b", "a*b", "a@b", "a@b@c", "@", ":", "a.b", "a..b", ".", "ä", "a\u0308", "ナ", "🖥",
	"A", "-a", "--help", "%41", "a,b", `a"b`, `a\b`, "a'b", "(nil)", strings.Repeat("x", 255), strings.Repeat("é", 127),
}

// Regression 19.
func TestOddNamesAreExact(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	h := open(t, r.URL, calm)
	s := store(t, r.URL)
	for _, topic := range oddNames {
		for _, host := range []string{topic, "h" + topic[1:], "{" + topic[1:] + "}"} {
			if core.CheckHost(host) == nil {
				register(t, h, topic, host)
			}
		}
	}
	for _, kept := range h.Registrations() {
		v, err := s.Members(t.Context(), kept.Member.Topic)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(v.Members, func(m *core.Member) bool { return m.Host == kept.Member.Host }) {
			t.Errorf("topic %q does not list %q", kept.Member.Topic, kept.Member.Host)
		}
		if len(v.Members) > 3 {
			t.Errorf("topic %q lists %d hosts, at most 3 were registered", kept.Member.Topic, len(v.Members))
		}
		if left, err := s.Remaining(t.Context(), kept.Member.Topic, kept.Member.Host); err != nil || left <= 0 {
			t.Errorf("%q %q: %s left, %v", kept.Member.Topic, kept.Member.Host, left, err)
		}
	}
	for _, host := range oddNames {
		if err := h.Register(t.Context(), core.Registration{Topic: "all", Host: host, Zone: "of " + host}); err != nil {
			t.Fatal(err)
		}
	}
	v, err := s.Members(t.Context(), "all")
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(slices.Values(oddNames))
	if got := hostsOf(v); !slices.Equal(got, want) {
		t.Errorf("hosts are %q, want %q", got, want)
	}
	for _, m := range v.Members {
		if m.Zone != "of "+m.Host {
			t.Errorf("host %q has the record %q, which is another's", m.Host, m.Zone)
		}
	}
	topics, err := s.Topics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want = slices.Sorted(slices.Values(append(want, "all")))
	if !slices.Equal(topics, want) {
		t.Errorf("topics are %q, want %q", topics, want)
	}
}

// Regression 19, on the command line and over the environment.
func TestOddNamesAreExactOnTheCommandLine(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	for _, host := range []string{"a b", "a:b", "a@b", "ナ", "x.y"} {
		if got := ask(t, r.URL, "register", "t|*:@ ü", host, "--heartbeat-ttl", "1m"); got.Code != 0 {
			t.Fatalf("register %q: %v", host, got)
		}
		if got := ask(t, r.URL, "alive", "t|*:@ ü", host); got.Code != 0 {
			t.Errorf("alive %q: %v", host, got)
		}
	}
	if got := ask(t, r.URL, "resolve", "fanout~t|*:@ ü"); got.Out != "a b\na:b\na@b\nx.y\nナ\n" {
		t.Errorf("resolve: %v", got)
	}
	for _, refused := range [][2]string{{"", "h"}, {"t", ""}, {"fanout", "h"}, {"fanout~t", "h"}, {"fanout.t", "h"},
		{"a{b}", "h"}, {"a\nb", "h"}, {"t", "a\tb"}, {"\xff", "h"}, {strings.Repeat("x", 256), "h"}} {
		for _, verb := range []string{"register", "alive"} {
			if got := ask(t, r.URL, verb, refused[0], refused[1]); got.Code != 2 {
				t.Errorf("%s %q %q: %v, want exit code 2", verb, refused[0], refused[1], got)
			}
		}
	}
}
