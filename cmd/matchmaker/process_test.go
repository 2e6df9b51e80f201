package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// process is the built matchmaker, in a session of its own and so without a terminal.
type process struct {
	cmd      *exec.Cmd
	out, err transcript
	ended    chan struct{}
}

func (c call) process(t *testing.T) *process {
	t.Helper()
	return c.processIn(t, &syscall.SysProcAttr{Setsid: true}, nil)
}

func (c call) processIn(t *testing.T, attr *syscall.SysProcAttr, stdin *os.File) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary, c.args...), ended: make(chan struct{})}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, c.env...)
	p.cmd.SysProcAttr = attr
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	if stdin != nil {
		p.cmd.Stdin = stdin
	}
	if err := p.cmd.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skip("a process in namespaces of its own needs a privilege that this one does not have:", err)
		}
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	})
	return p
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// wait returns the exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	eventually(t, fmt.Sprintf("the end of %s", p.cmd), p.hasEnded)
	return p.cmd.ProcessState.ExitCode()
}
