package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

// supervised is the command line that runs a shell script for topic a, host x.
func supervised(script string) call { return supervisedAt("100ms", script) }

// supervisedAt is the same with another interval, half of which bounds each call of a heartbeat, and more flags.
func supervisedAt(freq, script string, flags ...string) call {
	args := append([]string{"run", "--topic=a", "--host=x", "--heartbeat-freq", freq}, flags...)
	return matchmaker(append(args, "--", "sh", "-c", script)...)
}

func TestRunEndsWithTheCodeOfItsCommand(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	dir := t.TempDir()
	plain, broken := filepath.Join(dir, "plain"), filepath.Join(dir, "broken")
	for path, mode := range map[string]os.FileMode{plain: 0o644, broken: 0o755} {
		if err := os.WriteFile(path, []byte("\x7fnothing"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		command []string
		code    int
		says    string
	}{
		{[]string{"true"}, 0, ""},
		{[]string{"--", "sh", "-c", "exit 7"}, 7, ""},
		{[]string{"sh", "-c", "exit 4"}, 4, ""},
		{[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		{[]string{"sh", "-c", "kill -KILL $$"}, 128 + 9, ""},
		{[]string{"no-such-command"}, 127, "matchmaker: run: exec: \"no-such-command\": executable file not found in $PATH\n"},
		{[]string{dir + "/nosuch"}, 127, "no such file or directory\n"},
		{[]string{plain}, 126, "permission denied\n"},
		{[]string{dir}, 126, "\n"},
		{[]string{broken}, 126, "exec format error\n"},
	} {
		r := matchmaker(append([]string{"run", "--topic=a", "--log-level=warn"}, c.command...)...).at(m).run(t)
		if r.code != c.code || !strings.HasSuffix(r.err, c.says) || c.says == "" && r.err != "" {
			t.Errorf("%q: %+v, want code %d and %q", c.command, r, c.code, c.says)
		}
	}
}

func TestTheCommandHasStdinStdoutStderrAndTheEnvironment(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	c := matchmaker("run", "--topic=a", "--log-level=warn", "sh", "-c", `read line; echo "$line $WORD"; echo aside >&2`).at(m).with("WORD=here", "PATH="+os.Getenv("PATH"))
	c.stdin = "from stdin\n"
	if r := c.run(t); r != (result{"from stdin here\n", "aside\n", 0}) {
		t.Errorf("%+v", r)
	}
}

func TestTheHostIsRegisteredForAsLongAsTheCommandRuns(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	s := storeOf(t, m)
	b := supervised("read line; exit 3").at(m)
	read, write := io.Pipe()
	ended := make(chan int, 1)
	var out, errs transcript
	go func() { ended <- run(t.Context(), b.args, append(b.env, "PATH="+os.Getenv("PATH")), read, &out, &errs) }()
	eventually(t, "the host is there", func() bool { return stateOf(t, s, "a", "x") == "up" })
	began := time.Now()
	fmt.Fprintln(write, "end")
	write.Close()
	if code := <-ended; code != 3 {
		t.Errorf("exit code %d, %s", code, &errs)
	}
	if took := time.Since(began); took >= core.DefaultPropagation {
		t.Errorf("it ended %s after its command, want at once: nobody can be sent to it", took)
	}
	if state := stateOf(t, s, "a", "x"); state != "" {
		t.Errorf("after the end it is %s", state)
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	script := `for s in TERM INT HUP QUIT USR1 USR2 WINCH; do trap "echo got $s" $s; done; trap "" EXIT
		echo ready; while :; do read line || sleep 0.02; done`
	p := supervised(script).at(m).process(t)
	p.out.says(t, "ready")
	for _, s := range []struct {
		sig  syscall.Signal
		name string
	}{{syscall.SIGHUP, "HUP"}, {syscall.SIGQUIT, "QUIT"}, {syscall.SIGUSR1, "USR1"}, {syscall.SIGUSR2, "USR2"},
		{syscall.SIGWINCH, "WINCH"}, {syscall.SIGINT, "INT"}, {syscall.SIGTERM, "TERM"}, {syscall.SIGUSR1, "USR1"}} {
		before := strings.Count(p.out.String(), "got "+s.name)
		p.signal(t, s.sig)
		eventually(t, "the command gets SIG"+s.name, func() bool { return strings.Count(p.out.String(), "got "+s.name) == before+1 })
	}
	if p.hasEnded() {
		t.Errorf("it has ended: %s", &p.err)
	}
}

func TestSigtermDrainsThenStopsThenLeaves(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	s := storeOf(t, m)
	p := supervisedAt("2s", `trap 'echo stopping; while test ! -e `+"$DONE"+`; do sleep 0.02; done; exit 5' TERM; echo ready; while :; do sleep 0.02; done`).at(m)
	done := filepath.Join(t.TempDir(), "done")
	running := p.with("DONE=" + done).process(t)
	running.out.says(t, "ready")
	eventually(t, "the host is there", func() bool { return stateOf(t, s, "a", "x") == "up" })
	running.signal(t, syscall.SIGTERM)
	eventually(t, "the host drains", func() bool { return stateOf(t, s, "a", "x") == "draining" })
	announced := time.Now()
	running.out.says(t, "stopping")
	if took := time.Since(announced); took < core.DefaultPropagation-200*time.Millisecond {
		t.Errorf("the command was told to stop %s after the drain was seen, want %s: callers have to hear of it", took, core.DefaultPropagation)
	}
	running.signal(t, syscall.SIGTERM) // is one with the first
	if state := stateOf(t, s, "a", "x"); state != "draining" {
		t.Errorf("while the command stops the host is %q, want draining", state)
	}
	if err := os.WriteFile(done, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if code := running.wait(t); code != 5 {
		t.Errorf("exit code %d, %s", code, &running.err)
	}
	if state := stateOf(t, s, "a", "x"); state != "" {
		t.Errorf("after the end it is %s", state)
	}
	if n := strings.Count(running.out.String(), "stopping"); n != 1 {
		t.Errorf("the command was told to stop %d times, want once", n)
	}
}

func TestACancelledRunStopsItsCommand(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	b := supervised(`trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done`).at(m).with("PATH=" + os.Getenv("PATH")).start(t)
	b.out.says(t, "ready")
	if code := b.end(t); code != 9 {
		t.Errorf("exit code %d, %s", code, &b.err)
	}
}

func TestTheCommandIsToldWhereAnEmbeddedRedisIs(t *testing.T) {
	t.Parallel()
	script := `echo "it is at $MATCHMAKER_REDIS_URL."; trap 'exit 0' TERM; while :; do sleep 0.02; done`
	for name, c := range map[string]call{
		"by the flag":                       supervisedAt("100ms", script, "--redis-url=embedded:"),
		"by the flag, against the variable": supervisedAt("100ms", script, "--redis-url=embedded:").with("MATCHMAKER_REDIS_URL=redis://127.0.0.1:1"),
		"by the variable":                   supervised(script).with("MATCHMAKER_REDIS_URL=embedded:"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := c.with("PATH=" + os.Getenv("PATH")).start(t)
			b.out.says(t, "it is at redis://127.0.0.1:", ".\n")
			url := strings.TrimSuffix(strings.TrimPrefix(b.out.String(), "it is at "), ".\n")
			eventually(t, "the host is resolved there", func() bool {
				return matchmaker("resolve", "a").with("MATCHMAKER_REDIS_URL="+url).run(t).out == "x\n"
			})
			if code := b.end(t); code != 0 {
				t.Errorf("exit code %d, %s", code, &b.err)
			}
		})
	}
}

func TestRedisDownStopsNoCommand(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"redis://127.0.0.1:1", "redis://" + silence(t)} {
		began := time.Now()
		r := supervised("echo works; exit 6").with("MATCHMAKER_REDIS_URL="+url, "PATH="+os.Getenv("PATH")).run(t)
		if r.code != 6 || r.out != "works\n" || time.Since(began) > 4*time.Second {
			t.Errorf("%s: %+v after %s", url, r, time.Since(began))
		}
	}
}

func TestRunWithRedisGoneStillEndsWithTheCode(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	p := supervised(`trap 'exit 8' TERM; echo ready; while :; do sleep 0.02; done`).at(m).process(t)
	p.out.says(t, "ready")
	p.err.says(t, `"event":"registered"`)
	m.Close()
	p.signal(t, syscall.SIGTERM)
	p.err.says(t, "the command has ended; leaving")
	p.signal(t, syscall.SIGINT) // cuts the farewell short
	if code := p.wait(t); code != 8 {
		t.Errorf("exit code %d\n%s", code, &p.err)
	}
}

func TestAnIgnoredHangupStaysIgnored(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	inner := supervised("echo ready; while :; do sleep 0.02; done")
	p := &process{cmd: exec.Command("sh", append([]string{"-c", `trap "" HUP; exec "$0" "$@"`, binary}, inner.args...)...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "MATCHMAKER_REDIS_URL="+urlOf(m))
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	defer syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.out.says(t, "ready")
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGHUP)
	p.signal(t, syscall.SIGUSR1) // ends the command, which has no trap for it, and would not if SIGHUP had
	if code := p.wait(t); code != 128+int(syscall.SIGUSR1) {
		t.Errorf("exit code %d, want that of SIGUSR1\n%s", code, &p.err)
	}
}
