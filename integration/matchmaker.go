package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Command is the matchmaker binary with its arguments.
type Command struct {
	Args []string
	// Env is added to the environment, from which the variables of the matchmaker are removed.
	Env []string
	// Stdin is what the command reads.
	Stdin string
	// Path is another matchmaker, of an earlier release; "" means the one that [Binary] builds.
	Path string
}

// Matchmaker returns the command line matchmaker args.
func Matchmaker(args ...string) Command { return Command{Args: args} }

// With returns the command with name=value pairs added to its environment.
func (c Command) With(env ...string) Command {
	c.Env = append(c.Env[:len(c.Env):len(c.Env)], env...)
	return c
}

// Result is how a command ended.
type Result struct {
	Out, Err string
	// Code is the exit code, or 128 plus the signal that ended the command.
	Code int
	Took time.Duration
}

func (r Result) String() string {
	return fmt.Sprintf("exit code %d after %s, stdout %q, stderr %q", r.Code, r.Took.Round(time.Millisecond), r.Out, r.Err)
}

// longestRun bounds a command that was expected to end by itself.
const longestRun = time.Minute

// Run runs the command to its end.
func (c Command) Run(t testing.TB) Result {
	t.Helper()
	p := c.Start(t)
	if !p.child.endsWithin(longestRun) {
		t.Fatalf("%s is still running after %s; stderr:\n%s", p, longestRun, p.Err())
	}
	return Result{p.Out(), p.Err(), p.child.exitCode(), time.Since(p.started)}
}

// Process is a matchmaker that runs until its test ends it. Its methods may be called at once.
type Process struct {
	t        testing.TB
	args     []string
	child    *child
	started  time.Time
	out, err transcript
}

// Start starts the command. It is killed when the test ends, and all its children with it; a test that fails
// shows what it wrote. A data race in a process fails the test.
func (c Command) Start(t testing.TB) *Process {
	t.Helper()
	p := &Process{t: t, args: c.Args}
	path := c.Path
	if path == "" {
		path = Binary(t)
	}
	cmd := exec.Command(path, c.Args...)
	cmd.Env = append(cleanEnvironment(), c.Env...)
	cmd.Stdin = strings.NewReader(c.Stdin)
	cmd.Stdout, cmd.Stderr = &p.out, &p.err
	p.started = time.Now()
	var err error
	if p.child, err = startChild(cmd); err != nil {
		t.Fatalf("start %s: %v", p, err)
	}
	t.Cleanup(p.end)
	return p
}

func (p *Process) end() {
	p.child.killAll()
	if strings.Contains(p.Err(), "WARNING: DATA RACE") {
		p.t.Errorf("%s has a data race", p)
	}
	if p.t.Failed() {
		p.t.Logf("%s wrote on stdout:\n%s\nand on stderr:\n%s", p, p.Out(), p.Err())
	}
}

func (p *Process) String() string { return "matchmaker " + strings.Join(p.args, " ") }

// Pid is the process id.
func (p *Process) Pid() int { return p.child.pid() }

// Out returns what the process wrote on stdout until now.
func (p *Process) Out() string { return p.out.String() }

// Err returns what the process wrote on stderr until now, where its log is.
func (p *Process) Err() string { return p.err.String() }

// Kill ends the process with SIGKILL, and returns when it has ended. It may be called twice.
func (p *Process) Kill() { p.child.kill() }

// Signal sends a signal to the process.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.child.signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("%v of %s: %v", s, p, err)
	}
}

// Ended says whether the process has ended.
func (p *Process) Ended() bool { return p.child.hasEnded() }

// Wait waits for the end of the process and returns its exit code, or 128 plus the signal that ended it. The
// test ends if that takes longer than d.
func (p *Process) Wait(d time.Duration) int {
	p.t.Helper()
	if !p.child.endsWithin(d) {
		p.t.Fatalf("%s is still running after %s", p, d)
	}
	return p.child.exitCode()
}

// Says waits until the process has written text on stdout or stderr. The test ends if that takes longer than d.
func (p *Process) Says(d time.Duration, text string) {
	p.t.Helper()
	Eventually(p.t, d, fmt.Sprintf("%s writes %q", p, text), func() bool {
		return strings.Contains(p.Err(), text) || strings.Contains(p.Out(), text)
	})
}

// transcript is what a process wrote until now.
type transcript struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *transcript) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(b)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// cleanEnvironment is the environment without the matchmaker's own variables. A binary with the race detector
// is told not to sleep for a second before it exits.
func cleanEnvironment() []string {
	env := []string{"GORACE=atexit_sleep_ms=0"}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MATCHMAKER_") {
			env = append(env, v)
		}
	}
	return env
}

// built is the binary, once it was built.
var built struct {
	once sync.Once
	path string
	err  error
}

// Binary builds the matchmaker once for all tests of a process, with the race detector if the test has it,
// and returns the path. A TestMain that calls [Main] removes it.
func Binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "matchmaker-test-")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "matchmaker")
		args := []string{"build", "-o", built.path}
		if raceDetector {
			args = append(args, "-race")
		}
		if out, err := exec.Command("go", append(args, "github.com/redismm/matchmaker/cmd/matchmaker")...).CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatalf("build the matchmaker: %v", built.err)
	}
	return built.path
}

// Main runs the tests of a package and removes the binary that they built. It returns the exit code.
func Main(m *testing.M) int {
	defer func() {
		if built.path != "" {
			os.RemoveAll(filepath.Dir(built.path))
		}
	}()
	return m.Run()
}
