package ringmm

import (
	"cmp"
	"encoding/json"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/redismm/matchmaker/core"
)

// table is the ring at one time. It is never changed.
type table struct {
	topics map[string]*hosts
	loads  uint64 // how many rings were loaded, with this one
	stale  error  // why the file could not be loaded since
	// replaced is closed when there is a newer table.
	replaced chan struct{}
}

// hosts is a topic's list with everything a lookup needs laid out beforehand.
type hosts struct {
	members []*core.Member // each host once, in their order
	version core.Version
	next    []core.Route // in the list's order
	all     []core.Route // the same with the direct keys of a fanout
	byHost  map[string]int
	turn    *atomic.Uint64 // goes on in later tables while the list has the same hosts
}

// lay lays checked lists out for lookups, as the successor of before, which may be nil.
func lay(ls lists, before *table) *table {
	t := &table{topics: make(map[string]*hosts, len(ls)), loads: 1, replaced: make(chan struct{})}
	if before != nil {
		t.loads += before.loads
	}
	for topic, list := range ls {
		h := layHosts(topic, list)
		h.version.Seq = t.loads
		if before != nil && before.topics[topic] != nil {
			h.succeed(before.topics[topic])
		}
		t.topics[topic] = h
	}
	return t
}

func layHosts(topic string, list []core.Registration) *hosts {
	h := &hosts{
		members: make([]*core.Member, len(list)),
		version: core.Version{Epoch: "ring", Change: digest(list)},
		next:    make([]core.Route, len(list)),
		all:     make([]core.Route, len(list)),
		byHost:  make(map[string]int, len(list)),
		turn:    new(atomic.Uint64),
	}
	for i, r := range list {
		r.Topic, r.Labels = topic, maps.Clone(r.Labels)
		h.members[i] = &core.Member{Registration: r}
	}
	slices.SortFunc(h.members, func(a, b *core.Member) int { return cmp.Compare(a.Host, b.Host) })
	h.members = slices.CompactFunc(h.members, func(a, b *core.Member) bool { return a.Host == b.Host })
	for i, r := range list {
		at, _ := slices.BinarySearchFunc(h.members, r.Host, func(m *core.Member, host string) int {
			return cmp.Compare(m.Host, host)
		})
		m, key := h.members[at], core.DirectKey(topic, r.Host)
		h.next[i] = core.Route{Key: key, Host: m.Host, Member: m}
		h.all[i] = core.Route{Key: core.FanoutPrefix + key, Host: m.Host, Member: m}
		h.byHost[r.Host] = i
	}
	return h
}

// succeed takes over from the same topic's list before: its version if nothing changed, its place in the
// round robin if the hosts did not.
func (h *hosts) succeed(before *hosts) {
	if h.version.Change == before.version.Change {
		h.version = before.version
	}
	if slices.EqualFunc(h.next, before.next, func(a, b core.Route) bool { return a.Host == b.Host }) {
		h.turn = before.turn
	}
}

// digest is the same for equal lists, in every process.
func digest(list []core.Registration) string {
	sum := fnv.New64a()
	_ = json.NewEncoder(sum).Encode(list) // strings, numbers and maps of strings, into memory
	return strconv.FormatUint(sum.Sum64(), 16)
}

// view is what the table shows of a topic.
func (t *table) view(topic string) *core.View {
	v := &core.View{Topic: topic, Stale: t.stale}
	if h := t.topics[topic]; h != nil {
		v.Members, v.Version = h.members, h.version
	}
	return v
}

// with returns the table as it goes on answering with stale, or, nil, without.
func (t *table) with(stale error) *table {
	return &table{topics: t.topics, loads: t.loads, stale: stale, replaced: make(chan struct{})}
}
