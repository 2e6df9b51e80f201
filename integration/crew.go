package integration

import (
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/redismm/matchmaker/integration/crew"
)

// Crew is a process of its own that does what a test tells it: the test's binary again, which says how with
// [crew.Enlist]. Its methods may be called at once.
type Crew struct {
	t     testing.TB
	child *child
	calls *rpc.Client
}

// StartCrew starts a process, which is killed when the test ends.
func StartCrew(t testing.TB) *Crew { t.Helper(); return StartCrewOf(t, os.Args[0]) }

// StartCrewOf is StartCrew with another binary, which enlists as well, and name=value pairs that are added to
// its environment.
func StartCrewOf(t testing.TB, binary string, env ...string) *Crew {
	t.Helper()
	cmd := exec.Command(binary)
	cmd.Env = append(append(os.Environ(), crew.Variable+"=1"), env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &Crew{t: t, calls: rpc.NewClient(crew.Pipes{ReadCloser: out, WriteCloser: in})}
	if c.child, err = startChild(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	return c
}

// Tell has the process do something, and waits for its reply.
func (c *Crew) Tell(what string, args, reply any) error {
	if err := c.calls.Call("Crew."+what, args, reply); err != nil {
		return fmt.Errorf("process %d, %s: %w", c.child.pid(), what, err)
	}
	return nil
}

// Kill ends the process with SIGKILL, and returns when it has ended. It may be called twice.
func (c *Crew) Kill() {
	c.child.kill()
	c.calls.Close()
}

// Pause stops the process with SIGSTOP, and returns when it has stopped.
func (c *Crew) Pause() {
	c.t.Helper()
	if err := c.child.signal(syscall.SIGSTOP); err != nil {
		c.t.Fatalf("SIGSTOP of process %d: %v", c.child.pid(), err)
	}
	Eventually(c.t, startTimeout, fmt.Sprintf("process %d is stopped", c.child.pid()), func() bool {
		return c.answers(20*time.Millisecond) != nil
	})
}

// Resume lets a paused process go on with SIGCONT, and returns when it answers.
func (c *Crew) Resume() {
	c.t.Helper()
	if err := c.child.signal(syscall.SIGCONT); err != nil {
		c.t.Fatalf("SIGCONT of process %d: %v", c.child.pid(), err)
	}
	if err := c.answers(startTimeout); err != nil {
		c.t.Fatalf("process %d does not answer after SIGCONT: %v", c.child.pid(), err)
	}
}

// answers returns why the process does not answer: that it knows no such call is an answer.
func (c *Crew) answers(within time.Duration) error {
	call := c.calls.Go("Crew.Answer", 0, new(int), make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
		if _, said := call.Error.(rpc.ServerError); said || call.Error == nil {
			return nil
		}
		return call.Error
	case <-time.After(within):
		return fmt.Errorf("no answer within %s", within)
	}
}
