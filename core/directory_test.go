package core_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redismm/matchmaker/core"
)

func TestRegistrationsThatCannotBeKeptAreRefused(t *testing.T) {
	type registration = core.Registration
	big := strings.Repeat("x", core.MaxRecord)
	for _, c := range []struct {
		change  func(r *registration)
		refused string // how the error begins, after "invalid "
	}{
		{func(r *registration) {}, ""},
		{func(r *registration) { r.Topic = "" }, `topic ""`},
		{func(r *registration) { r.Topic = "fanout" }, `topic "fanout"`},
		{func(r *registration) { r.Host = "" }, `host ""`},
		{func(r *registration) { r.Host = "a\n" }, `host "a\n"`},
		{func(r *registration) { r.Addr = "10.0.0.1:8774" }, ""},
		{func(r *registration) { r.Addr = "[fd00::1]:8774" }, ""},
		{func(r *registration) { r.Addr = "node1.example.org:1" }, ""},
		{func(r *registration) { r.Addr = "node1:65535" }, ""},
		{func(r *registration) { r.Addr = "node1" }, `addr "node1"`},
		{func(r *registration) { r.Addr = "node1:" }, `addr "node1:"`},
		{func(r *registration) { r.Addr = ":80" }, `addr ":80"`},
		{func(r *registration) { r.Addr = "node1:0" }, `addr "node1:0"`},
		{func(r *registration) { r.Addr = "node1:65536" }, `addr "node1:65536"`},
		{func(r *registration) { r.Addr = "node1:-1" }, `addr "node1:-1"`},
		{func(r *registration) { r.Addr = "node1:http" }, `addr "node1:http"`},
		{func(r *registration) { r.Addr = "fd00::1:80" }, `addr "fd00::1:80"`},
		{func(r *registration) { r.Addr = "node1\n:80" }, `addr "node1\n:80"`},
		{func(r *registration) { r.Weight = 1 }, ""},
		{func(r *registration) { r.Weight = core.MaxWeight }, ""},
		{func(r *registration) { r.Weight = core.MaxWeight + 1 }, `weight "65536"`},
		{func(r *registration) { r.Weight = -1 }, `weight "-1"`},
		{func(r *registration) { r.Zone = "räum 1" }, ""},
		{func(r *registration) { r.Zone = "\xff" }, `zone "\xff"`},
		{func(r *registration) { r.Labels = map[string]string{"a": "", "b.c/d": "x=y"} }, ""},
		{func(r *registration) { r.Labels = map[string]string{"": "x"} }, `label "=x"`},
		{func(r *registration) { r.Labels = map[string]string{"a\t": "x"} }, `label "a\t=x"`},
		{func(r *registration) { r.Labels = map[string]string{"a": "\x00"} }, `label "a=\x00"`},
		{func(r *registration) { r.Zone = big }, ""},
		{func(r *registration) { r.Zone = big + "x" }, `record "4097 bytes"`},
		{func(r *registration) { r.Zone, r.Labels = big[2:], map[string]string{"a": "b"} }, ""},
		{func(r *registration) { r.Zone, r.Labels = big[1:], map[string]string{"a": "b"} }, `record "4097 bytes"`},
		{func(r *registration) { r.Zone, r.Addr = big[4:], "a:80" }, ""},
		{func(r *registration) { r.Zone, r.Addr = big[3:], "a:80" }, `record "4097 bytes"`},
	} {
		r := registration{Topic: "compute", Host: "node1"}
		c.change(&r)
		err := r.Check()
		if c.refused == "" {
			if err != nil {
				t.Errorf("%+.60v: %v", r, err)
			}
			continue
		}
		if !errors.Is(err, core.ErrInvalid) || !strings.HasPrefix(err.Error(), "invalid "+c.refused+": ") {
			t.Errorf("%+.60v: %v, want invalid %s", r, err, c.refused)
		}
	}
}

func TestAViewSaysWhyItShowsNobody(t *testing.T) {
	one := []*core.Member{{}}
	known := core.Version{Epoch: "e", Seq: 1}
	for _, c := range []struct {
		view core.View
		want error
	}{
		{core.View{Members: one}, nil},
		{core.View{Members: one, Version: known}, nil},
		{core.View{Members: one, Stale: errDown}, nil}, // the last known go on answering
		{core.View{}, core.ErrUnknownTopic},
		{core.View{Version: known}, core.ErrNoHosts},
		{core.View{Stale: errDown}, core.ErrUnavailable},
		{core.View{Version: known, Stale: errDown}, core.ErrUnavailable}, // it may have been joined since
	} {
		c.view.Topic = "compute"
		err := c.view.Err()
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%+v: %v, want %v", c.view, err, c.want)
		}
		if errors.Is(err, core.ErrNoMatch) != (c.want == core.ErrUnknownTopic || c.want == core.ErrNoHosts) {
			t.Errorf("%v is an ErrNoMatch: %v", err, errors.Is(err, core.ErrNoMatch))
		}
		if err != nil && !strings.Contains(err.Error(), `"compute"`) {
			t.Errorf("%q does not name the topic", err)
		}
		if c.view.Stale != nil && err != nil && !errors.Is(err, errDown) {
			t.Errorf("%q does not say why", err)
		}
	}
}

func TestEveryErrorOfALookupIsOfItsKind(t *testing.T) {
	for _, err := range []error{core.ErrNoBinding, core.ErrNoHosts, core.ErrUnknownTopic} {
		wrapped := &core.LookupError{Key: "compute", Err: fmt.Errorf("why: %w", err)}
		if !errors.Is(wrapped, core.ErrNoMatch) || !errors.Is(wrapped, err) {
			t.Errorf("%v is not what it is", wrapped)
		}
		for _, other := range []error{core.ErrNoBinding, core.ErrNoHosts, core.ErrUnknownTopic, core.ErrUnavailable} {
			if other != err && errors.Is(err, other) {
				t.Errorf("%v is a %v", err, other)
			}
		}
		if func(broad, narrow error) bool { return errors.Is(broad, narrow) }(core.ErrNoMatch, err) {
			t.Errorf("ErrNoMatch is a %v", err)
		}
	}
	if errors.Is(core.ErrUnavailable, core.ErrNoMatch) {
		t.Error("who cannot tell has said no")
	}
}

func TestTheBestMembersArePicked(t *testing.T) {
	// U up, u up and held, D draining, d draining and held, F failing, f failing and held
	for members, want := range map[string]string{
		"":       "",
		"U":      "0",
		"UuDdFf": "0",
		"uUDFUd": "14",
		"uuDF":   "01",
		"uDdFf":  "0",
		"DdFf":   "01", // held or not
		"dF":     "0",
		"FfF":    "012",
		"f":      "0",
	} {
		var ms []*core.Member
		for _, c := range members {
			m := &core.Member{Held: c >= 'a'}
			switch c {
			case 'D', 'd':
				m.State = core.Draining
			case 'F', 'f':
				m.State = core.Failing
			}
			ms = append(ms, m)
		}
		got := ""
		for _, m := range core.Pickable(ms) {
			for i := range ms {
				if m == ms[i] {
					got += fmt.Sprint(i)
				}
			}
		}
		if got != want {
			t.Errorf("of %s are pickable %s, want %s", members, got, want)
		}
	}
}

func TestAStateOfALaterReleaseIsTheLastToBePicked(t *testing.T) {
	for text, want := range map[string]core.State{
		`"up"`: core.Up, `"draining"`: core.Draining, `"failing"`: core.Failing, `"hibernating"`: core.Failing, `""`: core.Failing,
	} {
		s := core.Up
		if err := json.Unmarshal([]byte(text), &s); err != nil || s != want {
			t.Errorf("%s is %s, %v, want %s", text, s, err, want)
		}
	}
	for _, s := range []core.State{core.Up, core.Draining, core.Failing} {
		text, err := json.Marshal(s)
		var back core.State
		if err != nil || json.Unmarshal(text, &back) != nil || back != s {
			t.Errorf("%s does not survive its text %s, %v", s, text, err)
		}
	}
}

func TestEveryWordHasAName(t *testing.T) {
	for o := core.Unknown; o <= core.Absent; o++ {
		if o.String() == "" || o.String() == "outcome" {
			t.Errorf("outcome %d has no name", o)
		}
		holds := o == core.Kept || o == core.Joined || o == core.Changed || o == core.Replaced
		if o.Holds() != holds {
			t.Errorf("%s holds its place: %v", o, o.Holds())
		}
	}
	for k := core.Registered; k <= core.Polling; k++ {
		if k.String() == "" || k.String() == "event" {
			t.Errorf("event %d has no name", k)
		}
	}
	if s := fmt.Sprint(core.Absent+1, core.Polling+1, core.Failing+1); s != "outcome event state 3" {
		t.Errorf("words of a later release are %s", s)
	}
}
