package core_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/redismm/matchmaker/core"
)

func TestEveryKeyBelongsToFanoutDirectOrTopic(t *testing.T) {
	for _, c := range []struct{ key, binding, topic, host string }{
		{"compute", "topic", "compute", ""},
		{"", "topic", "", ""},
		{"fanout", "topic", "fanout", ""},
		{"compute.node1", "direct", "compute", "node1"},
		{"compute.node1.example.org", "direct", "compute", "node1.example.org"},
		{"compute.", "direct", "compute", ""},
		{".node1", "direct", "", "node1"},
		{".", "direct", "", ""},
		{"fanouts.node1", "direct", "fanouts", "node1"},
		{"xfanout~a", "topic", "xfanout~a", ""},
		{"fanout~compute", "fanout", "compute", ""},
		{"fanout.compute", "fanout", "compute", ""},
		{"fanout~", "fanout", "", ""},
		{"fanout.", "fanout", "", ""},
		{"fanout~compute.node1", "fanout", "compute.node1", ""},
		{"fanout.compute.node1", "fanout", "compute.node1", ""},
		{"fanout~fanout~a", "fanout", "fanout~a", ""}, // stripped once
		{"fanout.fanout.a", "fanout", "fanout.a", ""},
		{"FANOUT~a", "topic", "FANOUT~a", ""},
	} {
		got := "topic"
		switch { // in the order they are bound
		case core.FanoutBinding(c.key):
			got = "fanout"
		case core.DirectBinding(c.key):
			got = "direct"
		case !core.TopicBinding(c.key):
			got = "none"
		}
		if got != c.binding {
			t.Errorf("%q belongs to %s, want %s", c.key, got, c.binding)
		}
		if topic, ok := core.FanoutTopic(c.key); ok != (c.binding == "fanout") || ok && topic != c.topic {
			t.Errorf("FanoutTopic(%q) = %q, %v", c.key, topic, ok)
		}
		topic, host, ok := core.SplitDirect(c.key)
		if c.binding == "direct" && (topic != c.topic || host != c.host || !ok || core.DirectKey(topic, host) != c.key) {
			t.Errorf("SplitDirect(%q) = %q, %q, %v", c.key, topic, host, ok)
		}
		if c.binding == "topic" && ok {
			t.Errorf("SplitDirect(%q) splits it", c.key)
		}
	}
}

// A fanout key in its dotted spelling is one in every binding, as the canonical one is.
func TestBothSpellingsOfAFanoutKeyAreOne(t *testing.T) {
	for _, rest := range []string{"compute", "compute.node1", "", "a.b.c"} {
		tilde, dot := "fanout~"+rest, "fanout."+rest
		if core.DirectBinding(tilde) != core.DirectBinding(dot) || core.TopicBinding(tilde) != core.TopicBinding(dot) {
			t.Errorf("%q and %q belong to different bindings", tilde, dot)
		}
		at, ah, aok := core.SplitDirect(tilde)
		bt, bh, bok := core.SplitDirect(dot)
		if at != bt || ah != bh || aok != bok {
			t.Errorf("%q and %q split differently", tilde, dot)
		}
	}
}

func TestNamesThatCannotBeKeptAreRefused(t *testing.T) {
	long := strings.Repeat("é", core.MaxName/2)
	for _, c := range []struct {
		name        string
		topic, host bool // accepted
	}{
		{"compute", true, true},
		{"a b|c:d*e@f.g~h", true, true},
		{" ", true, true},
		{".", true, true},
		{"名前🦊", true, true},
		{"fanouts", true, true},
		{"Fanout", true, true},
		{long, true, true},
		{long + "x", true, true},
		{long + "xx", false, false},
		{"", false, false},
		{"a\x00", false, false},
		{"a\x7f", false, false},
		{"a\u0085", false, false},
		{"a\r\n", false, false},
		{"\xff", false, false},
		{"\xed\xa0\x80", false, false}, // half a surrogate
		{"{", false, true},
		{"a}", false, true},
		{"fanout", false, true},
		{"fanout.a", false, true},
		{"fanout~a", false, true},
	} {
		for what, err := range map[string]error{"topic": core.CheckTopic(c.name), "host": core.CheckHost(c.name)} {
			accepted := c.topic
			if what == "host" {
				accepted = c.host
			}
			if (err == nil) != accepted || err != nil && !errors.Is(err, core.ErrInvalid) {
				t.Errorf("%s %q: %v, want accepted %v", what, c.name, err, accepted)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "invalid "+what+" ") {
				t.Errorf("%q does not name the field", err)
			}
		}
	}
}
