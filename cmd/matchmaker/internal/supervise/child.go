// Package supervise runs a command as its parent ought to: it passes signals on, tells how the command
// ended as shells do, and as process 1 buries the orphans that come with the place.
package supervise

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

// The exit codes of commands that did not start.
const (
	cannotRun = 126
	notFound  = 127
)

// CodeOf returns the exit code for an error of Start.
func CodeOf(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return notFound
	}
	return cannotRun
}

// Child is a command that was started. All methods may be called at once.
type Child struct {
	cmd  *exec.Cmd
	done chan struct{}
	code int // once done is closed
}

// Start starts a command. As process 1 it also waits for every process that loses its parent, until the
// command has ended; nobody else in this process may then wait for children.
func Start(command, env []string, stdin io.Reader, stdout, stderr io.Writer) (*Child, error) {
	return start(command, env, stdin, stdout, stderr, os.Getpid() == 1)
}

func start(command, env []string, stdin io.Reader, stdout, stderr io.Writer, bury bool) (*Child, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, stdin, stdout, stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &Child{cmd: cmd, done: make(chan struct{})}
	wait := c.wait
	if bury {
		wait = c.waitForAll
	}
	go func() {
		c.code = wait()
		close(c.done)
	}()
	return c, nil
}

// Done is closed when the command has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Code is the exit code of the command, or 128 plus the signal that ended it. It waits for the end.
func (c *Child) Code() int {
	<-c.done
	return c.code
}

// Signal passes a signal on, unless the command has it from the terminal. One that comes too late is dropped.
func (c *Child) Signal(s os.Signal) {
	select {
	case <-c.done:
	default:
		if !fromTerminal(s) {
			_ = c.cmd.Process.Signal(s) // fails only if the command has ended
		}
	}
}

// Kill ends the command at once. It does nothing if the command has ended.
func (c *Child) Kill() {
	select {
	case <-c.done:
	default:
		_ = c.cmd.Process.Kill() // fails only if the command has ended
	}
}

func (c *Child) wait() int {
	_ = c.cmd.Wait() // what it says is in the state
	return codeOf(c.cmd.ProcessState.Sys().(syscall.WaitStatus))
}

// waitForAll waits for any child, again and again, until it is the command: what is not is an orphan. It
// leaves nothing for exec's own Wait, which is therefore never called.
func (c *Child) waitForAll() int {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil: // no child is left, and the command's end was lost
			return cannotRun
		case pid == c.cmd.Process.Pid:
			return codeOf(status)
		}
	}
}

func codeOf(s syscall.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}
