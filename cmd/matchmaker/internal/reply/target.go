package reply

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redismm/matchmaker/core"
)

// Target is one host as Prometheus discovers targets by HTTP. It refuses any other key.
type Target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// TargetsOf are the members of a view that have an address, in the order of their hosts; never nil.
func TargetsOf(v *core.View) []Target {
	ts := []Target{}
	for _, m := range v.Members {
		if m.Addr != "" {
			ts = append(ts, targetOf(m))
		}
	}
	return ts
}

const metaLabel = "__meta_matchmaker_"

// targetOf is a member that has an address.
func targetOf(m *core.Member) Target {
	t := Target{[]string{m.Addr}, map[string]string{
		metaLabel + "topic": m.Topic,
		metaLabel + "host":  m.Host,
		metaLabel + "zone":  m.Zone,
		metaLabel + "state": m.State.String(),
		metaLabel + "held":  strconv.FormatBool(m.Held),
	}}
	for _, name := range slices.Sorted(maps.Keys(m.Labels)) {
		label := metaLabel + "label_" + strings.Map(inLabel, name)
		if _, taken := t.Labels[label]; !taken { // the first of names that are written alike
			t.Labels[label] = m.Labels[name]
		}
	}
	return t
}

// inLabel writes what cannot be in the name of one of Prometheus's labels as an underscore.
func inLabel(c rune) rune {
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
		return c
	}
	return '_'
}
