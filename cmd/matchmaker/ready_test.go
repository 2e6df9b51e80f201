package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReadyIsTheExitCode(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	socket := filepath.Join(t.TempDir(), "listen")
	ask := func(args ...string) result {
		return matchmaker(append([]string{"ready", "--listen", socket}, args...)...).run(t)
	}
	if r := ask(); r.code != exitFailed || r.out != "" || !strings.HasPrefix(r.err, "matchmaker: ready: no sidecar answers at "+socket+" (--listen): ") {
		t.Errorf("before there is a sidecar: %+v", r)
	}
	app := startPatient(t)
	app.sick.Store(true)
	b := sidecar(append(oftenChecked, "--listen", socket, "--register=a=x", "--register=b=x,check="+app.url())...).at(m).start(t)
	b.err.says(t, "not registered before it passes")
	eventually(t, "only the host whose check fails is awaited", func() bool {
		r := ask()
		return r.code == exitFailed && r.out == "starting: b.x is not registered yet\n"
	})
	app.sick.Store(false)
	eventually(t, "it is ready", func() bool { r := ask(); return r.code == 0 && r.out == "ready\n" })
	if r := ask("--json"); r.code != 0 || r.out != `{"status":"ready"}`+"\n" {
		t.Errorf("%+v", r)
	}
	m.Close()
	eventually(t, "it is degraded", func() bool {
		r := ask()
		return r.code == 0 && strings.HasPrefix(r.out, "degraded since 20") && strings.Contains(r.out, "connection refused")
	})
}

func TestARunIsReadyUntilItDrains(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	socket := filepath.Join(t.TempDir(), "listen")
	p := supervisedAt("2s", deaf, "--listen", socket, "--drain-timeout=500ms").at(m).process(t)
	ask := func() result { return matchmaker("ready", "--listen", socket).run(t) }
	eventually(t, "it is ready", func() bool { return ask().code == 0 })
	p.signal(t, 15)
	eventually(t, "it is not ready while it drains", func() bool {
		r := ask()
		return r.code == exitFailed && strings.HasPrefix(r.out, "draining: ")
	})
	p.wait(t)
}

func TestReadyTakesNoLongerThanItMay(t *testing.T) {
	t.Parallel()
	began := time.Now()
	r := matchmaker("ready", "--timeout=300ms", "--listen", silence(t)).run(t)
	if r.code != exitFailed || !strings.Contains(r.err, "no answer in time") || time.Since(began) > 3*time.Second {
		t.Errorf("%+v after %s", r, time.Since(began))
	}
	if r := matchmaker("ready", "--listen=off").run(t); r.code != exitUsage {
		t.Errorf("%+v", r)
	}
}

func TestReadyIsNotWhoeverAnswers(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }))
	defer s.Close()
	if r := matchmaker("ready", "--listen", s.Listener.Addr().String()).run(t); r.code != exitFailed || !strings.Contains(r.err, "no sidecar answers") {
		t.Errorf("%+v", r)
	}
}

func TestARunListensOnlyWhereItIsTold(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	script := "echo works"
	if r := supervised(script).at(m).run(t); r.out != "works\n" || strings.Contains(r.err, "listen") {
		t.Errorf("%+v, want it to listen nowhere", r)
	}
	socket := filepath.Join(t.TempDir(), "listen")
	if r := supervised(script).at(m).with("MATCHMAKER_LISTEN=" + socket).run(t); !strings.Contains(r.err, `"address":"`+socket) {
		t.Errorf("%+v, want it to listen at %s", r, socket)
	}
}
