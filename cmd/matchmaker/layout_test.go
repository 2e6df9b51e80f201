package main

import (
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

func TestTheVerbsInTheOriginalsLayout(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	m.SAdd("a", "a.theirs") // as the original registers
	m.SAdd("a.theirs", "")
	m.SetTTL("a.theirs", time.Minute)
	const no = "not possible on this backend: layout oslo (from MATCHMAKER_LAYOUT) "
	for i, c := range []struct {
		args, out, err string
		code           int
	}{
		{"resolve a", "theirs\n", "", 0},
		{"register a b", "registered a.b for 15s\n", "", 0},
		{"register a b --heartbeat-ttl 60s", "registered a.b for 1m0s\n", "", 0},
		{"resolve fanout~a", "b\ntheirs\n", "", 0},
		{"ls", "TOPIC  HOSTS  UP  DRAINING  FAILING\na      2      2   0         0\n", "", 0},
		{"ack a theirs", "renewed a.theirs for 15s\n", "", 0},
		{"expire a theirs", "expired a.theirs\n", "", 0},
		{"alive a theirs", "a.theirs is not registered\n", "", 3},
		{"ack a theirs", "", "matchmaker: ack a.theirs: not registered\n", 3},
		{"unregister a b", "unregistered a.b\n", "", 0},
		{"unregister a b", "", "matchmaker: unregister a.b: not registered\n", 3},
		{"ls a", "", "matchmaker: ls: topic was never heard of: \"a\"\n", 3},
		{"register a b --zone z", "", "matchmaker: addr, zone, weight and labels: " + no + "holds names alone\n", 2},
		{"sidecar --register a=b,addr=:80", "", "matchmaker: --register: addr, zone, weight and labels: " + no + "holds names alone\n", 2},
		{"drain a b", "", "matchmaker: drain: " + no + "holds names alone: a drain has no place in it that the original would read\n", 2},
		{"why a b", "", "matchmaker: why: " + no + "holds nothing but names and their TTL, which \"ls\" shows\n", 2},
		{"doctor", "", "matchmaker: doctor: " + no + "has other keys and other needs than it knows\n", 2},
		{"watch", "", "matchmaker: watch without topics: " + no + "keeps no list of them to follow; name some\n", 2},
	} {
		r := matchmaker(strings.Fields(c.args)...).at(m).with("MATCHMAKER_LAYOUT=oslo").run(t)
		if r != (result{c.out, c.err, c.code}) {
			t.Errorf("step %d, %s: %+v, want %+v", i, c.args, r, c)
		}
	}
	if keys := m.Keys(); len(keys) > 0 {
		t.Errorf("keys %q are left", keys)
	}
	for args, want := range map[string]string{
		"ls --layout oslo --prefix mm":                     `matchmaker: --prefix: invalid prefix "mm": want none`,
		"ls --layout oslo --redis-url redis+cluster://a:1": `matchmaker: --redis-url: invalid layout "oslo": want one server or Sentinels`,
	} {
		if r := matchmaker(strings.Fields(args)...).run(t); r.code != exitUsage || !strings.HasPrefix(r.err, want) {
			t.Errorf("%s: exit code %d, %s", args, r.code, r.err)
		}
	}
}

func TestASidecarInTheOriginalsLayoutKeepsItsHost(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	quick := []string{"--layout", "oslo", "--heartbeat-freq", "100ms"}
	b := matchmaker(append(quick, "sidecar", "--register", "a=b")...).at(m).start(t)
	whole := func() bool {
		listed, _ := m.SIsMember("a", core.DirectKey("a", "b"))
		marked, _ := m.SIsMember("a.b", "")
		return listed && marked && m.TTL("a.b") > 0
	}
	eventually(t, "registered", whole)
	m.FlushAll()
	eventually(t, "back after a loss", whole)
	if code := b.end(t); code != 0 || len(m.Keys()) > 0 {
		t.Errorf("exit code %d, keys %q are left", code, m.Keys())
	}
	w := matchmaker(append(quick, "watch", "a")...).at(m).start(t)
	w.out.says(t, "empty", "a")
	m.SAdd("a", "a.b")
	m.SAdd("a.b", "")
	m.SetTTL("a.b", time.Minute)
	w.out.says(t, "joined", "a", "b")
	w.end(t)
}
