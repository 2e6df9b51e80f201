package main

import (
	"encoding/json"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func TestTheVerbsDoWhatTheySay(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	for i, c := range []struct {
		args string
		out  string
		err  string
		code int
	}{
		{"ls", "", "no topics\n", 0},
		{"alive a b", "a.b is not registered\n", "", 3},
		{"ack a b", "", "matchmaker: ack a.b: not registered\n", 3},
		{"expire a b", "", "matchmaker: expire a.b: not registered\n", 3},
		{"unregister a b", "", "matchmaker: unregister a.b: not registered\n", 3},
		{"register a b --addr 10.0.0.1:80", "registered a.b at 10.0.0.1:80 for 15s\n", "", 0},
		{"register a b --heartbeat-ttl 60s", "registered a.b for 1m0s; it took the place from an older registration\n", "", 0},
		{"ack a b --heartbeat-ttl 80s", "renewed a.b for 1m20s\n", "", 0},
		{"expire a b", "expired a.b\n", "", 0},
		{"alive a b", "a.b is not registered\n", "", 3},
		{"register a b", "registered a.b for 15s\n", "", 0},
		{"resolve a", "b\n", "", 0},
		{"unregister a b", "unregistered a.b\n", "", 0},
		{"resolve a", "", "matchmaker: resolve \"a\": no live hosts for topic \"a\"\n", 3},
		{"ls a", "", "matchmaker: ls: no live hosts for topic \"a\"\n", 3},
		{"ls nosuch", "", "matchmaker: ls: topic was never heard of: \"nosuch\"\n", 3},
	} {
		if r := matchmaker(strings.Fields(c.args)...).at(m).run(t); r != (result{c.out, c.err, c.code}) {
			t.Errorf("step %d, %s: %+v, want %+v", i, c.args, r, c)
		}
	}
}

func TestTheJSONOfTheVerbsIsStable(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	for i, c := range []struct {
		args string
		out  string
		code int
	}{
		{"alive a b", `{"topic":"a","host":"b","alive":false}`, 3},
		{"ack a b", `{"topic":"a","host":"b","outcome":"absent","error":"ack a.b: not registered"}`, 3},
		{"register a b --addr 10.0.0.1:80", `{"topic":"a","host":"b","addr":"10.0.0.1:80","outcome":"joined","instance":?,"ttl_seconds":?}`, 0},
		{"register a b", `{"topic":"a","host":"b","outcome":"replaced","instance":?,"ttl_seconds":?}`, 0},
		{"alive a b", `{"topic":"a","host":"b","alive":true,"ttl_seconds":?}`, 0},
		{"ack a b", `{"topic":"a","host":"b","outcome":"kept","ttl_seconds":?}`, 0},
		{"expire a b", `{"topic":"a","host":"b","outcome":"left"}`, 0},
		{"expire a b", `{"topic":"a","host":"b","outcome":"absent","error":"expire a.b: not registered"}`, 3},
		{"register a b", `{"topic":"a","host":"b","outcome":"joined","instance":?,"ttl_seconds":?}`, 0},
		{"unregister a b", `{"topic":"a","host":"b","outcome":"left"}`, 0},
		{"unregister a b", `{"topic":"a","host":"b","outcome":"absent","error":"unregister a.b: not registered"}`, 3},
	} {
		r := matchmaker(append(strings.Fields(c.args), "--json")...).at(m).run(t)
		if steady(r.out) != c.out+"\n" || r.err != "" || r.code != c.code {
			t.Errorf("step %d, %s: exit code %d\n%s%swant %d and\n%s", i, c.args, r.code, steady(r.out), r.err, c.code, c.out)
		}
	}
}

func TestARegistrationLapsesAfterItsTTL(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	matchmaker("register", "a", "b", "--heartbeat-freq=100ms", "--heartbeat-ttl=300ms").at(m).run(t)
	began := time.Now()
	eventually(t, "exit code 3", func() bool { return matchmaker("resolve", "a").at(m).run(t).code == exitNoMatch })
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("after %s", d)
	}
}

func TestTheHostIsThisMachineIfNoneIsNamed(t *testing.T) {
	t.Parallel()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	m := startRedis(t)
	if r := matchmaker("register", "a").at(m).run(t); r.out != "registered a."+name+" for 15s\n" {
		t.Errorf("%+v", r)
	}
	if r := matchmaker("alive", "a").at(m).run(t); r.code != 0 {
		t.Errorf("%+v", r)
	}
}

func TestBackendsWithoutHeartbeatRefuseTheVerbsAndSayWhy(t *testing.T) {
	t.Parallel()
	ring := ringFile(t)
	for backend, why := range instead {
		for _, verb := range []string{"register a b", "unregister a b", "ack a b", "alive a b", "expire a b", "sidecar --register a=b", "run --topic a true", "ls"} {
			if backend == "ring" && verb == "ls" {
				continue
			}
			r := matchmaker(append([]string{"--backend", backend, "--ringfile", ring}, strings.Fields(verb)...)...).run(t)
			name, _, _ := strings.Cut(verb, " ")
			want := "matchmaker: " + name + ": not possible on this backend: " + backend + " (from --backend) keeps no registrations; " + why + "\n"
			if r != (result{"", want, exitUsage}) {
				t.Errorf("%s on %s: %+v, want %s", verb, backend, r, want)
			}
		}
	}
}

// everyVerb asks Redis once.
var everyVerb = []string{"ls", "ls a", "resolve a", "resolve a fanout~a", "alive a b", "ack a b", "expire a b", "unregister a b", "register a b"}

func TestWhenRedisIsDownNobodyCanTell(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	at, url := m.Addr(), urlOf(m)
	m.Close()
	for _, verb := range everyVerb {
		r := matchmaker(append(strings.Fields(verb), "--timeout=50ms")...).with("MATCHMAKER_REDIS_URL=" + url).run(t)
		if r.code != exitCannotTell || r.out != "" || !strings.Contains(r.err, "cannot tell") ||
			!strings.Contains(r.err, at) || !strings.Contains(r.err, "the address is from MATCHMAKER_REDIS_URL") {
			t.Errorf("%s: %+v", verb, r)
		}
		r = matchmaker(append(strings.Fields(verb), "--json", "--timeout=50ms", "--redis-url", url)...).run(t)
		if said := r.out + r.err; r.code != exitCannotTell || !strings.Contains(said, at) || !strings.Contains(said, "the address is from --redis-url") {
			t.Errorf("%s --json: %+v", verb, r)
		}
	}
}

func TestLsAndWhySayWhatFailedInJSON(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	at, url := m.Addr(), urlOf(m)
	asks := func(args string) result {
		t.Helper()
		return matchmaker(append(strings.Fields(args), "--json")...).with("MATCHMAKER_REDIS_URL=" + url).run(t)
	}
	if r := asks("ls nosuch"); r != (result{`{"error":"ls: topic was never heard of: \"nosuch\""}` + "\n", "", exitNoMatch}) {
		t.Errorf("ls of an unknown topic: %+v", r)
	}
	const about = `{"topic":"nosuch","host":"x","listed":false,"key":"absent"`
	if r := asks("why nosuch x"); !strings.HasPrefix(r.out, about) || strings.Contains(r.out, `"error"`) || r.err != "" || r.code != exitNoMatch {
		t.Errorf("why of an unknown host: %+v, want %s", r, about)
	}
	m.Close()
	for _, args := range []string{"ls", "ls a", "why a x"} {
		r := asks(args + " --timeout=50ms")
		var said map[string]string
		err := json.Unmarshal([]byte(r.out), &said)
		verb, _, _ := strings.Cut(args, " ")
		if err != nil || len(said) != 1 || r.err != "" || r.code != exitCannotTell || !strings.HasSuffix(r.out, "}\n") {
			t.Errorf("%s: %+v, want an error object alone", args, r)
		}
		for _, part := range []string{verb + ": cannot tell", at, "the address is from MATCHMAKER_REDIS_URL"} {
			if !strings.Contains(said["error"], part) {
				t.Errorf("%s: %q does not say %q", args, said["error"], part)
			}
		}
	}
}

// silence accepts connections and answers nothing.
func silence(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestNoCommandThatAsksOnceOutlivesItsTimeout(t *testing.T) {
	t.Parallel()
	at := silence(t)
	for _, verb := range everyVerb {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			r := matchmaker(append(strings.Fields(verb), "--timeout=200ms", "--redis-url=redis://"+at)...).run(t)
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %s", took)
			}
			if want := "no answer within 200ms (--timeout); the address is from --redis-url\n"; r.code != exitCannotTell || !strings.HasSuffix(r.err, want) {
				t.Errorf("%+v", r)
			}
		})
	}
}
