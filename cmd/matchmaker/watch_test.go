package main

import (
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

func TestWatchPrintsEachChange(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	short := []string{"--heartbeat-freq=100ms", "--heartbeat-ttl=300ms"}
	text := matchmaker(append(short, "watch", "a")...).at(m).start(t)
	all := matchmaker(append(short, "watch", "--json")...).at(m).start(t)
	text.out.says(t, "empty    a  topic was never heard of")
	kept := sidecar("--register", "a=x,addr=10.0.0.1:80", "--register", "b=y").at(m).start(t)
	text.out.says(t, "joined   a  x  up  10.0.0.1:80\n")
	all.out.says(t, `"topic":"a","change":"joined","member":{"topic":"a","host":"x"`, `"topic":"b","change":"joined"`)
	matchmaker("drain", "a", "x").at(m).run(t)
	text.out.says(t, "changed  a  x  draining  10.0.0.1:80\n")
	matchmaker("drain", "a", "x", "--off").at(m).run(t)
	text.out.says(t, "changed  a  x  up  10.0.0.1:80\n")
	matchmaker(append(short, "register", "a", "z")...).at(m).run(t)
	text.out.says(t, "joined   a  z", "held     a  z", "left     a  z")
	kept.end(t)
	all.out.says(t, `"topic":"a","change":"left","member":{"topic":"a","host":"x"`)
	m.SetError("LOADING for a test")
	text.out.says(t, "stale    a  cannot tell")
	m.SetError("")
	text.out.says(t, "fresh    a\n")
	if strings.Contains(text.out.String(), "  b  ") {
		t.Errorf("a watch of one topic prints another:\n%s", text.out.String())
	}
	if code := text.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestWatchIsRefusedWhereNothingChanges(t *testing.T) {
	t.Parallel()
	if r := matchmaker("watch", "--backend=stub").run(t); r.code != exitUsage || !strings.Contains(r.err, "stub") {
		t.Errorf("%+v", r)
	}
	if r := matchmaker("watch", "a{b").run(t); r.code != exitUsage || !strings.Contains(r.err, `"a{b"`) {
		t.Errorf("%+v", r)
	}
}

func TestDrainIsFromOutsideAndForATime(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	s := storeOf(t, m)
	for i, c := range []struct {
		args string
		out  string
		err  string
		code int
	}{
		{"drain a x", "", "matchmaker: drain a.x: not registered\n", 3},
		{"register a x --heartbeat-ttl 60s", "registered a.x for 1m0s\n", "", 0},
		{"drain a x --for 5m", "a.x drains for 5m0s\n", "", 0},
	} {
		if r := matchmaker(strings.Fields(c.args)...).at(m).run(t); r != (result{c.out, c.err, c.code}) {
			t.Errorf("step %d, %s: %+v, want %+v", i, c.args, r, c)
		}
	}
	if got := stateOf(t, s, "a", "x"); got != "draining" {
		t.Errorf("drained, it is %q", got)
	}
	matchmaker("register", "a", "x", "--heartbeat-ttl=60s").at(m).run(t)
	if got := stateOf(t, s, "a", "x"); got != "draining" {
		t.Errorf("registered anew, it is %q", got)
	}
	if r := matchmaker("drain", "a", "x", "--off").at(m).run(t); r.out != "a.x is not drained from outside any more\n" || r.code != 0 {
		t.Errorf("%+v", r)
	}
	if got := stateOf(t, s, "a", "x"); got != "up" {
		t.Errorf("its drain ended, it is %q", got)
	}
	matchmaker("drain", "a", "x", "--for=1s").at(m).run(t)
	eventually(t, "the drain ends by itself", func() bool { return stateOf(t, s, "a", "x") == "up" })
	if r := matchmaker("drain", "a", "x", "--for=0s").at(m).run(t); r.code != exitUsage || !strings.Contains(r.err, `--for "0s"`) {
		t.Errorf("%+v", r)
	}
}

func TestDrainWaitsUntilReadersHaveHeard(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	matchmaker("register", "a", "x", "--heartbeat-ttl=60s").at(m).run(t)
	began := time.Now()
	if r := matchmaker("drain", "a", "x", "--wait", "--json").at(m).run(t); r.code != 0 || r.out != `{"topic":"a","host":"x","outcome":"draining"}`+"\n" {
		t.Errorf("%+v", r)
	}
	if took := time.Since(began); took < core.DefaultPropagation {
		t.Errorf("returned after %s", took)
	}
}

func TestWhySaysWhatFollows(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	why := func(want string, code int) {
		t.Helper()
		r := matchmaker("why", "a", "x").at(m).run(t)
		if !strings.Contains(r.out, want) || r.code != code || r.err != "" {
			t.Errorf("exit code %d, %s%s\nwant %d, %s", r.code, r.out, r.err, code, want)
		}
	}
	do := func(args string) { matchmaker(strings.Fields(args)...).at(m).run(t) }
	why("was never heard of", 3)
	do("register a x --heartbeat-ttl 60s --addr 10.0.0.1:80")
	why("can be picked; without another heartbeat it lapses in 1m0s", 0)
	why("10.0.0.1:80", 0)
	do("drain a x --reason kernel")
	why("kernel", 0)
	why("is drained from outside for another 10m0s", 0)
	do("drain a x --off")
	m.SRem("mm:{a}", "x")
	why("Redis has lost it from the topic's set", 0)
	m.SAdd("mm:{a}", "x")
	m.Del("mm:{a}@x")
	why("Its TTL has lapsed, or Redis lost its key", 3)
	do("register a x --heartbeat-ttl 60s")
	do("unregister a x")
	why("Somebody removed it by name", 3)
	m.Set("mm:{a}@x", "what is this")
	why("delete that key", 3)
	m.Del("mm:{a}@x")
	why("gone for longer than a TTL", 3)
	if r := matchmaker("why", "a", "x", "--json").at(m).run(t); !strings.HasPrefix(r.out, `{"topic":"a","host":"x","listed":false,"key":"absent"`) {
		t.Errorf("%+v", r)
	}
}
