package integration_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// example reads a file of docs/examples.
func example(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/examples", name))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "# Tested: ") || !strings.Contains(string(text), "Not tested: ") {
		t.Errorf("%s does not say what of it is tested and what is not", name)
	}
	return string(text)
}

// unit are the assignments of a systemd unit, of all its sections.
func unit(t *testing.T, name string) map[string]string {
	t.Helper()
	of := make(map[string]string)
	for line := range strings.Lines(example(t, name)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			of[key] = value
		}
	}
	return of
}

var units = []string{"web.service", "matchmaker.service"}

func TestExampleUnitsAreVerified(t *testing.T) {
	if testing.Short() {
		t.Skip("systemd-analyze and python3 are more than Go")
	}
	t.Parallel()
	verifier := integration.Program(t, "systemd-analyze", "systemd-analyze is not installed: `make setup` installs it where there is systemd")
	dir := t.TempDir()
	args := []string{"verify", "--man=no"}
	for _, name := range units {
		here := strings.NewReplacer("/usr/local/bin/matchmaker", integration.Binary(t), "/usr/bin/python3", python(t)).Replace(example(t, name))
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(here), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.Command(verifier, args...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if slices.ContainsFunc(units, func(name string) bool { return strings.Contains(line, dir) || strings.HasPrefix(line, name) }) {
			t.Error(strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func python(t *testing.T) string {
	t.Helper()
	return integration.Program(t, "python3", "python3, which serves in the examples, is not installed: `make setup` installs it")
}

// port is one that is free.
func port(t *testing.T) string {
	t.Helper()
	free, err := integration.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(free)
}

// words are the words of a command line with others put into their place, by pairs.
func words(line []string, pairs ...string) []string {
	var here []string
	for _, w := range line {
		here = append(here, strings.NewReplacer(pairs...).Replace(w))
	}
	return here
}

// notified is a socket such as systemd gives its services.
func notified(t *testing.T) (path string, next func(within time.Duration) string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return path, func(within time.Duration) string {
		conn.SetReadDeadline(time.Now().Add(within))
		message := make([]byte, 4096)
		n, _ := conn.Read(message)
		return string(message[:n])
	}
}

// told waits until systemd is told a line.
func told(t *testing.T, next func(time.Duration) string, line string) {
	t.Helper()
	for end := time.Now().Add(soon); time.Now().Before(end); {
		if slices.Contains(strings.Split(next(time.Until(end)), "\n"), line) {
			return
		}
	}
	t.Fatalf("systemd is not told %s", line)
}

// application runs a command line of an example that is not a matchmaker's until the test ends.
func application(t *testing.T, command []string) *exec.Cmd {
	t.Helper()
	c := exec.Command(command[0], command[1:]...)
	c.Dir = t.TempDir()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	return c
}

func TestExampleUnitOfARunIsReadyWhenItsCheckPassesAndStopsAsSystemdExpects(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	u, at := unit(t, "web.service"), port(t)
	command := words(strings.Fields(u["ExecStart"]), "8080", at, "/usr/bin/python3", python(t))
	socket, next := notified(t)
	p := integration.Matchmaker(command[1:]...).With("MATCHMAKER_REDIS_URL="+r.URL, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=200000").Start(t)
	told(t, next, "READY=1")
	told(t, next, "WATCHDOG=1")
	becomes(t, soon, listed(core.New(store(t, r.URL)), "web"), hostname(t))
	began := time.Now()
	p.Signal(syscall.SIGTERM)
	told(t, next, "STOPPING=1")
	code := p.Wait(10 * time.Second)
	if want, err := strconv.Atoi(u["SuccessExitStatus"]); err != nil || code != want {
		t.Errorf("exit code %d, want %s, which systemd takes for success", code, u["SuccessExitStatus"])
	}
	if took := time.Since(began); took < core.DefaultPropagation {
		t.Errorf("it ended %s after SIGTERM, want %s at least: callers have to hear of it", took, core.DefaultPropagation)
	}
	if got := listed(core.New(store(t, r.URL)), "web")(t.Context()); got != nobody {
		t.Errorf("after the end: %q, want %q", got, nobody)
	}
	longest := time.Second + core.DefaultPropagation + core.DefaultDrain + 5*time.Second
	if given, err := time.ParseDuration(u["TimeoutStopSec"]); err != nil || given < longest {
		t.Errorf("TimeoutStopSec is %q, want %s at least", u["TimeoutStopSec"], longest)
	}
	if !strings.HasPrefix(u["Environment"], "MATCHMAKER_REDIS_URL=") || u["KillMode"] != "mixed" || u["Type"] != "notify" {
		t.Errorf("%v: want Redis's URL, SIGTERM for matchmaker alone, and to be notified", u)
	}
}

func hostname(t *testing.T) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestExampleUnitOfASidecarKeepsWhatItNames(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	at := port(t)
	application(t, []string{python(t), "-m", "http.server", at})
	command := words(strings.Fields(unit(t, "matchmaker.service")["ExecStart"]), "8080", at)
	socket, next := notified(t)
	p := integration.Matchmaker(command[1:]...).With("MATCHMAKER_REDIS_URL="+r.URL, "NOTIFY_SOCKET="+socket).Start(t)
	told(t, next, "READY=1")
	for _, topic := range []string{"web", "metrics"} {
		becomes(t, soon, listed(core.New(store(t, r.URL)), topic), hostname(t))
	}
	p.Signal(syscall.SIGTERM)
	told(t, next, "STOPPING=1")
	if code := p.Wait(10 * time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}
