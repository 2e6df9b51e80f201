package main

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// deaf is a script that does not end when it is asked to.
const deaf = `trap 'echo got TERM' TERM; trap 'echo got INT' INT; echo ready; while :; do sleep 0.02; done`

// startDeaf starts it and waits until its host is up.
func startDeaf(t *testing.T, c call, is func() string) *process {
	t.Helper()
	p := c.process(t)
	p.out.says(t, "ready")
	eventually(t, "the host is up", func() bool { return is() == "up" })
	return p
}

func TestACommandThatDoesNotEndIsKilledAfterTheDrainTimeout(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	s := storeOf(t, m)
	p := startDeaf(t, supervisedAt("2s", deaf, "--drain-timeout=500ms").at(m), func() string { return stateOf(t, s, "a", "x") })
	p.signal(t, syscall.SIGTERM)
	p.out.says(t, "got TERM")
	p.err.says(t, "the command is still running; killing it")
	if code := p.wait(t); code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit code %d, want that of SIGKILL\n%s", code, &p.err)
	}
	if state := stateOf(t, s, "a", "x"); state != "" {
		t.Errorf("after the end the host is %s", state)
	}
}

func TestASecondSigintKillsTheCommandAndLeaves(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	s := storeOf(t, m)
	for name, first := range map[string]syscall.Signal{"after a SIGINT": syscall.SIGINT, "after a SIGTERM": syscall.SIGTERM} {
		p := startDeaf(t, supervisedAt("2s", deaf).at(m), func() string { return stateOf(t, s, "a", "x") })
		began := time.Now()
		p.signal(t, first)
		eventually(t, "the host drains", func() bool { return stateOf(t, s, "a", "x") == "draining" })
		p.signal(t, syscall.SIGINT)
		if code, took := p.wait(t), time.Since(began); code != 128+int(syscall.SIGKILL) || took > 1900*time.Millisecond {
			t.Errorf("%s: exit code %d after %s, want that of SIGKILL before 2s\n%s", name, code, took, &p.err)
		}
		if state := stateOf(t, s, "a", "x"); state != "" {
			t.Errorf("%s: after the end the host is %s", name, state)
		}
	}
}

func TestASigtermAfterASigintWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	s := storeOf(t, m)
	p := startDeaf(t, supervisedAt("2s", deaf, "--drain-timeout=1s").at(m), func() string { return stateOf(t, s, "a", "x") })
	p.signal(t, syscall.SIGINT)
	eventually(t, "the host drains", func() bool { return stateOf(t, s, "a", "x") == "draining" })
	p.signal(t, syscall.SIGTERM)
	p.out.says(t, "got INT", "got TERM")
	if said := p.out.String(); strings.Index(said, "got TERM") < strings.Index(said, "got INT") {
		t.Errorf("the command was told before callers had heard of the drain:\n%s", said)
	}
	p.wait(t)
}

func TestACommandThatEndsWhileItsHostDrainsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	s := storeOf(t, m)
	p := startDeaf(t, supervisedAt("2s", `trap 'exit 7' USR1; echo ready; while :; do sleep 0.02; done`).at(m),
		func() string { return stateOf(t, s, "a", "x") })
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	eventually(t, "the host drains", func() bool { return stateOf(t, s, "a", "x") == "draining" })
	p.signal(t, syscall.SIGUSR1)
	if code, took := p.wait(t), time.Since(began); code != 7 || took > 1900*time.Millisecond {
		t.Errorf("exit code %d after %s, want 7 before 2s\n%s", code, took, &p.err)
	}
	if state := stateOf(t, s, "a", "x"); state != "" {
		t.Errorf("after the end the host is %s", state)
	}
}

func TestKilledInMidDrainItIsGoneByItsTTL(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	s := storeOf(t, m)
	p := startDeaf(t, supervisedAt("500ms", deaf).at(m), func() string { return stateOf(t, s, "a", "x") })
	p.signal(t, syscall.SIGTERM)
	eventually(t, "the host drains", func() bool { return stateOf(t, s, "a", "x") == "draining" })
	p.signal(t, syscall.SIGKILL)
	killed := time.Now()
	eventually(t, "the host is gone", func() bool { return stateOf(t, s, "a", "x") == "" })
	const ttl, slack = 1500 * time.Millisecond, time.Second
	if took := time.Since(killed); took > ttl+slack {
		t.Errorf("gone after %s, want within the TTL of %s", took, ttl)
	}
}
