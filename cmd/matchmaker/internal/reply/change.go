package reply

import (
	"time"

	"github.com/redismm/matchmaker/core"
)

// Change is one thing that became of a topic: empty (at first), joined, left, held, back, changed, stale or
// fresh.
type Change struct {
	Time   time.Time    `json:"time"`
	Topic  string       `json:"topic"`
	Change string       `json:"change"`
	Member *core.Member `json:"member,omitempty"`
	Error  string       `json:"error,omitempty"`
}

// Changes tells what is new in a view since an older one of its topic, nil for the first.
func Changes(old, v *core.View) []Change {
	var cs []Change
	add := func(what string, m *core.Member, err error) {
		c := Change{Time: time.Now(), Topic: v.Topic, Change: what, Member: m}
		if err != nil {
			c.Error = err.Error()
		}
		cs = append(cs, c)
	}
	if old == nil {
		old = &core.View{}
		if len(v.Members) == 0 && v.Stale == nil {
			add("empty", nil, v.Err())
		}
	}
	if v.Stale != nil && old.Stale == nil {
		add("stale", nil, v.Stale)
	}
	if v.Stale == nil && old.Stale != nil {
		add("fresh", nil, nil)
	}
	was := make(map[string]*core.Member, len(old.Members))
	for i := range old.Members {
		was[old.Members[i].Host] = old.Members[i]
	}
	for i := range v.Members {
		m := v.Members[i]
		before := was[m.Host]
		delete(was, m.Host)
		switch {
		case before == nil:
			add("joined", m, nil)
		case m.Held && !before.Held:
			add("held", m, nil)
		case before.Held && !m.Held:
			add("back", m, nil)
		case m.Instance != before.Instance || m.State != before.State:
			add("changed", m, nil)
		}
	}
	for i := range old.Members {
		if m := old.Members[i]; was[m.Host] != nil {
			add("left", m, nil)
		}
	}
	return cs
}
