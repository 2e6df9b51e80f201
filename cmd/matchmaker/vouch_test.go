package main

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// patient is a program that can be asked for its health.
type patient struct {
	sick atomic.Bool
	addr string
}

func startPatient(t *testing.T) *patient {
	t.Helper()
	p := new(patient)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if p.sick.Load() {
			http.Error(w, "the database is gone", http.StatusServiceUnavailable)
		}
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return p
}

func (p *patient) url() string { return "http://" + p.addr + "/healthz" }

// oftenChecked asks every 50 ms.
var oftenChecked = []string{"--check-interval=50ms", "--check-timeout=5s", "--check-rise=2", "--check-fall=2"}

func TestAHostIsListedAsItsCheckSays(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]func(m *miniredis.Miniredis, check string) call{
		"sidecar": func(m *miniredis.Miniredis, check string) call {
			return sidecar(append(oftenChecked, "--register=a=x,check="+check, "--register=a=y")...).at(m)
		},
		"run": func(m *miniredis.Miniredis, check string) call {
			return supervisedAt("100ms", "exec sleep 60", append(oftenChecked, "--check="+check)...).at(m)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startRedis(t)
			s := storeOf(t, m)
			becomes := func(want string) {
				t.Helper()
				eventually(t, "the host is "+want, func() bool { return stateOf(t, s, "a", "x") == want })
			}
			app := startPatient(t)
			app.sick.Store(true)
			p := command(m, app.url()).process(t)
			p.err.says(t, `"error":"`+app.url()+`: status 503 Service Unavailable"`, "the check fails; not registered before it passes")
			if name == "sidecar" { // which vouches for the other at once
				eventually(t, "the host without a check is up", func() bool { return stateOf(t, s, "a", "y") == "up" })
			}
			if got := stateOf(t, s, "a", "x"); got != "" && !strings.Contains(got, "never heard of") {
				t.Errorf("before its check passed the host is %q", got)
			}
			app.sick.Store(false)
			becomes("up")
			app.sick.Store(true)
			becomes("failing")
			p.err.says(t, "the check fails; the host is announced as failing")
			m.FlushAll()
			becomes("failing") // as heartbeats tell
			app.sick.Store(false)
			becomes("up")
			p.err.says(t, "the check passes again; the host is announced as up")
			if r := matchmaker("unregister", "a", "x").at(m).run(t); r.code != 0 {
				t.Fatalf("%+v", r)
			}
			p.err.says(t, `"event":"removed"`)
			app.sick.Store(true)
			<-time.After(300 * time.Millisecond) // checks of what is not kept any more change nothing
			if got := stateOf(t, s, "a", "x"); got != "" {
				t.Errorf("removed by name, the host is %q", got)
			}
		})
	}
}

func TestAHostIsAsItsCheckSaysWhoeverRegistersIt(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	s := storeOf(t, m)
	app := startPatient(t)
	app.sick.Store(true)
	b := sidecar(append(oftenChecked, "--listen=127.0.0.1:0", "--register=a=x,check="+app.url())...).at(m).start(t)
	at := listens(t, &b.err, "listen")
	b.err.says(t, "not registered before it passes")
	awaited := func(n string) func() bool {
		return func() bool {
			_, page := httpAsk(t, at, "GET", "/metrics", "")
			return strings.Contains(page, `matchmaker_registrations{standing="awaited"} `+n+"\n")
		}
	}
	eventually(t, "it is awaited", awaited("1"))
	app.sick.Store(false)
	eventually(t, "it is awaited no more", awaited("0"))
	app.sick.Store(true)
	eventually(t, "it fails", func() bool { return stateOf(t, s, "a", "x") == "failing" })
	for _, method := range []string{"DELETE", "PUT"} {
		if code, body := httpAsk(t, at, method, "/v1/topics/a/hosts/x", ""); code/100 != 2 {
			t.Fatalf("%s: %d %s", method, code, body)
		}
	}
	if got := stateOf(t, s, "a", "x"); got != "failing" {
		t.Errorf("registered anew while its check fails the host is %s", got)
	}
	app.sick.Store(false)
	eventually(t, "it is up", func() bool { return stateOf(t, s, "a", "x") == "up" })
}

func TestAHostThatFailsBeforeItsCheckFirstPassesIsUpThen(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	s := storeOf(t, m)
	app := startPatient(t)
	app.sick.Store(true)
	b := sidecar(append(oftenChecked, "--listen=127.0.0.1:0", "--register=a=x,check="+app.url())...).at(m).start(t)
	at := listens(t, &b.err, "listen")
	b.err.says(t, "not registered before it passes")
	if code, body := httpAsk(t, at, "PUT", "/v1/topics/a/hosts/x", ""); code/100 != 2 {
		t.Fatalf("%d %s", code, body)
	}
	eventually(t, "it fails", func() bool { return stateOf(t, s, "a", "x") == "failing" })
	app.sick.Store(false)
	eventually(t, "it is up", func() bool { return stateOf(t, s, "a", "x") == "up" })
}

func TestAHostThatDrainsIsNotAnnouncedAsFailing(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	s := storeOf(t, m)
	app := startPatient(t)
	p := supervisedAt("100ms", deaf, append(oftenChecked, "--check="+app.url(), "--drain-timeout=1s")...).at(m).process(t)
	eventually(t, "the host is up", func() bool { return stateOf(t, s, "a", "x") == "up" })
	p.signal(t, 15)
	eventually(t, "the host drains", func() bool { return stateOf(t, s, "a", "x") == "draining" })
	app.sick.Store(true) // as a program does that is told to stop
	eventually(t, "the host leaves", func() bool {
		state := stateOf(t, s, "a", "x")
		if state == "failing" {
			t.Fatal("it is announced as failing")
		}
		return state == ""
	})
	p.wait(t)
}

func TestWrongChecksAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  string
		args []string
		says string
	}{
		{"", []string{"run", "--topic=a", "--check=8080", "true"}, `--check: invalid check "8080": want http://HOST:PORT/PATH`},
		{"", []string{"run", "--topic=a", "--check-fall=0", "true"}, `--check-fall: invalid number "0": want at least 1`},
		{"", []string{"run", "--topic=a", "--drain-timeout=0", "true"}, `invalid --drain-timeout "0s": want more than 0, such as 25s`},
		{"MATCHMAKER_CHECK_INTERVAL=1ms", []string{"sidecar", "--register=a=x"}, `MATCHMAKER_CHECK_INTERVAL: invalid interval "1ms": want at least 10ms`},
		{"MATCHMAKER_CHECK_RISE=two", []string{"sidecar", "--register=a=x"}, `MATCHMAKER_CHECK_RISE is "two": want a whole number`},
	} {
		r := matchmaker(c.args...).with(c.env).run(t)
		if r.code != exitUsage || !strings.Contains(r.err, c.says) {
			t.Errorf("%q: %+v, want %s", c.args, r, c.says)
		}
	}
}
