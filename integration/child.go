package integration

import (
	"os/exec"
	"syscall"
	"time"
)

// child is a process that was started, and is waited for from the beginning so that its pid stays its own
// until it has ended.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

func startChild(cmd *exec.Cmd) (*child, error) {
	cmd.SysProcAttr = childAttributes()
	cmd.WaitDelay = time.Second // a grandchild may hold the pipes
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd, make(chan struct{})}
	go func() {
		defer close(c.ended)
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// signal sends s to the process; one that has ended is an error.
func (c *child) signal(s syscall.Signal) error { return c.cmd.Process.Signal(s) }

// kill ends the process with SIGKILL, and returns when it has ended.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // an error means that it has ended already
	<-c.ended
}

// killAll ends the process and all of its group that are left.
func (c *child) killAll() {
	if !c.hasEnded() {
		_ = syscall.Kill(-c.pid(), syscall.SIGKILL)
	}
	c.kill()
}

func (c *child) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

func (c *child) endsWithin(d time.Duration) bool {
	select {
	case <-c.ended:
		return true
	case <-time.After(d):
		return false
	}
}

// exitCode is the process's exit code, or 128 plus the signal that ended it.
func (c *child) exitCode() int {
	if s, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int(s.Signal())
	}
	return c.cmd.ProcessState.ExitCode()
}
