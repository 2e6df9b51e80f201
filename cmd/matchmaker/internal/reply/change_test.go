package reply

import (
	"fmt"
	"testing"

	"github.com/redismm/matchmaker/core"
)

func TestEachDifferenceBetweenViewsIsAChange(t *testing.T) {
	t.Parallel()
	view := func(ms ...*core.Member) *core.View { return &core.View{Topic: "a", Members: ms} }
	host := func(name string, change func(*core.Member)) *core.Member {
		m := &core.Member{Registration: core.Registration{Topic: "a", Host: name}, Instance: "1"}
		change(m)
		return m
	}
	as := func(*core.Member) {}
	held := func(m *core.Member) { m.Held = true }
	for _, c := range []struct {
		old, new *core.View
		want     string
	}{
		{view(), view(host("x", as), host("y", as)), "[joined x joined y]"},
		{view(host("x", as), host("y", as)), view(host("y", as)), "[left x]"},
		{view(host("x", as)), view(host("x", held)), "[held x]"},
		{view(host("x", held)), view(host("x", held)), "[]"},
		{view(host("x", held)), view(host("x", as)), "[back x]"},
		{view(host("x", held)), view(), "[left x]"},
		{view(host("x", as)), view(host("x", func(m *core.Member) { m.State = core.Failing })), "[changed x]"},
		{view(host("x", as)), view(host("x", func(m *core.Member) { m.Instance = "2" })), "[changed x]"},
		{view(host("x", as)), view(host("x", as)), "[]"},
	} {
		var got []string
		for _, d := range Changes(c.old, c.new) {
			got = append(got, d.Change+" "+d.Member.Host)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("from %+v to %+v: %s, want %s", c.old.Members, c.new.Members, got, c.want)
		}
	}
}
