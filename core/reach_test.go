package core_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/redismm/matchmaker/core"
)

func TestReachIsThePickableWithAnAddressThatAreWanted(t *testing.T) {
	at := func(host, addr, zone string, state core.State) *core.Member {
		return &core.Member{Registration: core.Registration{Topic: "compute", Host: host, Addr: addr, Zone: zone}, State: state}
	}
	up, dumb, far, draining := at("node1", "a:1", "a", core.Up), at("node2", "", "a", core.Up), at("node3", "b:1", "b", core.Up),
		at("node4", "a:4", "a", core.Draining)
	near := func(m *core.Member) bool { return m.Zone == "a" }
	for name, c := range map[string]struct {
		members []*core.Member
		want    string
	}{
		"up, wanted and with an address": {[]*core.Member{up, dumb, far, draining}, "node1"},
		"draining before none":           {[]*core.Member{dumb, far, draining}, "node4"},
		"none with an address":           {[]*core.Member{dumb, far}, `no live hosts with an address for topic "compute": node2 registered without`},
		"none wanted":                    {[]*core.Member{far}, `no live hosts of those wanted for topic "compute"`},
		"nobody":                         {nil, `no live hosts for topic "compute"`},
		"many without an address": {[]*core.Member{dumb, dumb, dumb, dumb, dumb, dumb, dumb},
			`no live hosts with an address for topic "compute": node2, node2, node2, node2, node2 and 2 more registered without`},
	} {
		v := &core.View{Topic: "compute", Members: c.members, Version: core.Version{Seq: 1}}
		members, err := v.Reach(near)
		var got []string
		for _, m := range members {
			got = append(got, m.Host)
		}
		if err != nil {
			got = append(got, err.Error())
			if !errors.Is(err, core.ErrNoHosts) {
				t.Errorf("%s: %v is no ErrNoHosts", name, err)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	v := &core.View{Topic: "compute", Stale: errDown}
	if _, err := v.Reach(nil); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("of a view that cannot tell: %v", err)
	}
}
