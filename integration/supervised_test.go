package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// curl asks a sidecar that listens at a socket, as a program does that is not written in Go. "" is no answer.
func curl(t *testing.T, socket, path string) string {
	t.Helper()
	c := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
	answer, err := c.Get("http://localhost" + path)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return string(text)
}

// sight returns a question: what a sidecar answers about the members of a topic, and whether it is sure.
func sight(t *testing.T, socket, topic string) func(context.Context) string {
	return func(context.Context) string {
		var of struct {
			Stale   string
			Members []core.Member
		}
		if err := json.Unmarshal([]byte(curl(t, socket, "/v1/topics/"+topic)), &of); err != nil {
			return ""
		}
		var words []string
		for _, m := range of.Members {
			word := m.Host + " " + m.State.String()
			if m.Held {
				word += " held"
			}
			words = append(words, word)
		}
		if of.Stale != "" {
			words = append(words, "(stale)")
		}
		return strings.Join(words, " ")
	}
}

// watched is the heartbeat and the checks of what is killed here: a check fails after 3 x 100 ms.
var watched = []string{"--heartbeat-freq=500ms", "--heartbeat-ttl=1500ms", "--check-interval=100ms", "--check-timeout=2s"}

const (
	watchedTTL   = 1500 * time.Millisecond
	watchedCheck = 3 * 100 * time.Millisecond
	// watchedSlack is a second for a sweep, which looks once an interval, and what a busy machine adds.
	watchedSlack = time.Second + 2*slack
)

// startReader starts a sidecar that registers nothing and is asked for what it sees.
func startReader(t *testing.T, r *integration.Redis) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "listen")
	integration.Matchmaker(append([]string{"sidecar", "--listen", socket}, watched...)...).With("MATCHMAKER_REDIS_URL=" + r.URL).Start(t)
	return socket
}

func TestAPlainProgramIsSupervisedFoundDrainedAndGone(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	reader, at := startReader(t, r), port(t)
	p := integration.Matchmaker(append([]string{"run", "--topic=web", "--host=web1", "--addr=127.0.0.1:" + at, "--check=http://:" + at + "/"},
		append(watched, "--", python(t), "-m", "http.server", at)...)...).With("MATCHMAKER_REDIS_URL=" + r.URL).Start(t)
	becomes(t, soon, sight(t, reader, "web"), "web1 up")
	if got := curl(t, reader, "/v1/resolve/web"); !strings.Contains(got, `"addr":"127.0.0.1:`+at+`"`) {
		t.Errorf("resolved as %s, want the program's address", got)
	}
	p.Signal(syscall.SIGTERM)
	becomes(t, soon, sight(t, reader, "web"), "web1 draining")
	becomes(t, soon, sight(t, reader, "web"), "")
	if code := p.Wait(soon); code != 128+int(syscall.SIGTERM) {
		t.Errorf("exit code %d, want the program's, that of SIGTERM", code)
	}
}

func TestKillOfAProgramIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	reader, at, beside := startReader(t, r), port(t), port(t)
	p := integration.Matchmaker(append([]string{"run", "--topic=web", "--host=web1", "--check=http://:" + at + "/"},
		append(watched, "--", "sh", "-c", `"$0" -m http.server `+at+` & echo pid $!; wait $!`, python(t))...)...).With("MATCHMAKER_REDIS_URL=" + r.URL).Start(t)
	app := application(t, []string{python(t), "-m", "http.server", beside})
	integration.Matchmaker(append([]string{"sidecar", "--listen=off", "--register=web=web2,check=http://:" + beside + "/"}, watched...)...).
		With("MATCHMAKER_REDIS_URL=" + r.URL).Start(t)
	becomes(t, soon, sight(t, reader, "web"), "web1 up web2 up")

	app.Process.Kill() // beside its sidecar
	becomes(t, watchedCheck+2*slack, sight(t, reader, "web"), "web1 up web2 failing")

	var pid int
	if _, err := fmt.Sscanf(p.Out(), "pid %d\n", &pid); err != nil {
		t.Fatalf("%q: %v", p.Out(), err)
	}
	syscall.Kill(pid, syscall.SIGKILL) // under run
	becomes(t, 2*slack, sight(t, reader, "web"), "web2 failing")
	if code := p.Wait(soon); code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit code %d, want the program's, that of SIGKILL", code)
	}
}

func TestKillOfASidecarIsOutOfUseByTTLAndSweep(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	reader := startReader(t, r)
	sidecarOf := func(registration string) *integration.Process {
		return integration.Matchmaker(append([]string{"sidecar", "--listen=off", "--register", registration}, watched...)...).
			With("MATCHMAKER_REDIS_URL=" + r.URL).Start(t)
	}
	dying := sidecarOf("web=web1")
	sidecarOf("web=web2")
	becomes(t, soon, sight(t, reader, "web"), "web1 up web2 up")
	dying.Kill()
	becomes(t, watchedTTL+watchedSlack, sight(t, reader, "web"), "web1 up held web2 up")
	for range 20 {
		if got := curl(t, reader, "/v1/resolve/web"); !strings.Contains(got, `"host":"web2"`) {
			t.Errorf("resolved as %s, want web2: the other is held", got)
		}
	}
	becomes(t, watchedTTL+watchedSlack, sight(t, reader, "web"), "web2 up")
}

func TestKillOfRedisEmptiesNoListAndHeals(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	reader, at := startReader(t, r), port(t)
	app := application(t, []string{python(t), "-m", "http.server", at})
	integration.Matchmaker(append([]string{"sidecar", "--listen=off", "--register=web=web1,check=http://:" + at + "/"}, watched...)...).
		With("MATCHMAKER_REDIS_URL=" + r.URL).Start(t)
	becomes(t, soon, sight(t, reader, "web"), "web1 up")
	r.Kill()
	becomes(t, soon, sight(t, reader, "web"), "web1 up (stale)")
	app.Process.Kill() // which nobody can be told now
	stays(t, 2*watchedTTL, sight(t, reader, "web"), "web1 up (stale)")
	if got := curl(t, reader, "/v1/resolve/web"); !strings.Contains(got, `"host":"web1"`) {
		t.Errorf("without Redis it is resolved as %s, want the last that is known", got)
	}
	if got := curl(t, reader, "/readyz"); !strings.Contains(got, `"status":"degraded"`) {
		t.Errorf("/readyz answers %s, want degraded", got)
	}
	r.RestartEmpty()
	becomes(t, soon, sight(t, reader, "web"), "web1 failing")
	if got := curl(t, reader, "/readyz"); !strings.Contains(got, `"status":"ready"`) {
		t.Errorf("/readyz answers %s, want ready", got)
	}
}
