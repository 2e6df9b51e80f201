package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/redismm/matchmaker/core"
)

// quick beats every 100 ms.
var quick = []string{"--heartbeat-freq=100ms", "--heartbeat-ttl=1s"}

func sidecar(args ...string) call {
	return matchmaker(append(append([]string{"sidecar"}, quick...), args...)...)
}

// logged returns the fields of the log's lines about an event.
func logged(t *testing.T, log, event string) []map[string]any {
	t.Helper()
	var found []map[string]any
	lines := bufio.NewScanner(strings.NewReader(log))
	for lines.Scan() {
		var fields map[string]any
		if err := json.Unmarshal(lines.Bytes(), &fields); err != nil {
			t.Fatalf("log line %q: %v", lines.Text(), err)
		}
		if fields["event"] == event {
			found = append(found, fields)
		}
	}
	return found
}

func TestASidecarKeepsItsRegistrationsAndLeavesThem(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	s := storeOf(t, m)
	b := sidecar("--register", "a=x,addr=:80,zone=east,weight=7,label.rack=r").at(m).with("MATCHMAKER_REGISTER=b=y;c=z").start(t)
	b.err.says(t, `"event":"registered"`)
	m.FlushAll()
	eventually(t, "the registration is back", func() bool { return stateOf(t, s, "a", "x") == "up" })
	view, err := s.Members(t.Context(), "a")
	if err != nil || len(view.Members) != 1 {
		t.Fatalf("%+v, %v", view, err)
	}
	got := view.Members[0].Registration
	if got.Addr != "127.0.0.1:80" || got.Zone != "east" || got.Weight != 7 || got.Labels["rack"] != "r" {
		t.Errorf("%+v", got)
	}
	if code := b.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if state := stateOf(t, s, "a", "x"); state != "" {
		t.Errorf("after the end it is %s", state)
	}
	if stateOf(t, s, "b", "y") != "" || strings.Contains(b.err.String(), `"host":"y"`) {
		t.Error("the flag did not beat the variable")
	}
	b.err.says(t, `"event":"departed","topic":"a","host":"x","addr":"127.0.0.1:80"`)
	if b.out.String() != "" {
		t.Errorf("stdout %s", &b.out)
	}
}

func TestASidecarReportsWhatHappensToItsRegistration(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	b := sidecar().at(m).with("MATCHMAKER_REGISTER=a=x,addr=10.0.0.1:80").start(t)
	b.err.says(t, `"event":"registered"`)
	// A beat whose answer came too late has mended what it found, and the next finds nothing to report: hence again.
	after := func(event string, args ...string) {
		t.Helper()
		eventually(t, event, func() bool {
			if r := matchmaker(args...).at(m).run(t); r.code != 0 && r.code != exitNoMatch {
				t.Fatalf("%q: %+v", args, r)
			}
			for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				if strings.Contains(b.err.String(), `"event":"`+event+`"`) {
					return true
				}
			}
			return false
		})
	}
	after("lost", "expire", "a", "x")
	b.err.says(t, `"event":"recovered"`)
	after("superseded", "register", "a", "x", "--addr=10.0.0.2:80", "--heartbeat-freq=100ms", "--heartbeat-ttl=300ms")
	b.err.says(t, `"event":"returned"`)
	after("removed", "unregister", "a", "x")
	if code := b.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	over := logged(t, b.err.String(), "superseded")[0]
	if over["topic"] != "a" || over["host"] != "x" || over["addr"] != "10.0.0.1:80" || over["holder_addr"] != "10.0.0.2:80" ||
		over["holder_instance"] == over["instance"] || over["level"] != "warn" {
		t.Errorf("superseded: %v", over)
	}
}

func TestEveryEventHasWordsAndALevel(t *testing.T) {
	t.Parallel()
	for kind := core.Registered; kind <= core.Polling; kind++ {
		if happenings[kind].text == "" {
			t.Errorf("%s has no words", kind)
		}
	}
}

func TestASidecarStartsWithRedisDown(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	at := m.Addr()
	c := sidecar("--register", "a=x", "--timeout=100ms").at(m)
	m.Close()
	b := c.start(t)
	b.err.says(t, "not registered yet", `"event":"degraded"`, at)
	again := miniredis.NewMiniRedis()
	if err := again.StartAddr(at); err != nil {
		t.Fatal("somebody took the port meanwhile: ", err)
	}
	defer again.Close()
	b.err.says(t, `"event":"registered"`, `"event":"restored"`)
	if code := b.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestASidecarWithAnEmbeddedRedisSaysWhereItIs(t *testing.T) {
	t.Parallel()
	b := sidecar("--register", "a=x", "--redis-url=embedded:", "--log-level=error").start(t)
	b.err.says(t, `"redis_url":"redis://127.0.0.1:`)
	_, rest, _ := strings.Cut(b.err.String(), `"redis_url":"`)
	url, _, _ := strings.Cut(rest, `"`)
	eventually(t, "the host is resolved", func() bool {
		return matchmaker("resolve", "a", "--redis-url", url).run(t).out == "x\n"
	})
	if code := b.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestSigtermIsAGoodbye(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	heard := make(chan os.Signal, 1) // so that no process of ours begins with SIGHUP ignored, as under nohup
	signal.Notify(heard, syscall.SIGHUP)
	defer signal.Stop(heard)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		p := sidecar("--register", "a=x").at(m).process(t)
		p.err.says(t, `"event":"registered"`)
		p.signal(t, sig)
		if code := p.wait(t); code != 0 || !strings.Contains(p.err.String(), `"event":"departed"`) {
			t.Errorf("%s: exit code %d\n%s", sig, code, &p.err)
		}
		if r := matchmaker("alive", "a", "x").at(m).run(t); r.code != exitNoMatch {
			t.Errorf("after %s: %+v", sig, r)
		}
	}
}

// The first SIGINT asks a sidecar to leave a Redis that is gone, which would take 5 s.
func TestASecondSigintForces(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	p := sidecar("--register", "a=x").at(m).process(t)
	p.err.says(t, `"event":"registered"`)
	m.Close()
	began := time.Now()
	p.signal(t, syscall.SIGINT)
	p.err.says(t, "leaving")
	p.signal(t, syscall.SIGINT)
	if code, took := p.wait(t), time.Since(began); code != exitInterrupted || took > 4*time.Second {
		t.Errorf("exit code %d after %s, want %d at once", code, took, exitInterrupted)
	}
}

func TestAKilledSidecarsHostLapses(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	p := sidecar("--register", "a=x").at(m).process(t)
	p.err.says(t, `"event":"registered"`)
	p.signal(t, syscall.SIGKILL)
	p.wait(t)
	eventually(t, "exit code 3", func() bool { return matchmaker("resolve", "a").at(m).run(t).code == exitNoMatch })
}
