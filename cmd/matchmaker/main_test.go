package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
)

// binary is the matchmaker, built once for the tests of processes.
var binary string

func TestMain(m *testing.M) {
	logging.Disable()
	dir, err := os.MkdirTemp("", "matchmaker-")
	if err == nil {
		binary = filepath.Join(dir, "matchmaker")
		build := exec.Command("go", "build", "-o", binary, ".")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the matchmaker:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// call is a command line that runs in this process.
type call struct {
	env   []string
	stdin string
	args  []string
}

type result struct {
	out, err string
	code     int
}

func matchmaker(args ...string) call { return call{args: args} }

func (c call) with(env ...string) call {
	c.env = append(c.env[:len(c.env):len(c.env)], env...)
	return c
}

func (c call) run(t *testing.T) result {
	t.Helper()
	var out, errs transcript
	code := run(t.Context(), c.args, c.env, strings.NewReader(c.stdin), &out, &errs)
	return result{out.String(), errs.String(), code}
}

// at adds the URL of a Redis to the command's environment.
func (c call) at(m *miniredis.Miniredis) call { return c.with("MATCHMAKER_REDIS_URL=" + urlOf(m)) }

func urlOf(m *miniredis.Miniredis) string { return "redis://" + m.Addr() + "/0" }

func startRedis(t *testing.T) *miniredis.Miniredis {
	t.Helper()
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func storeOf(t *testing.T, m *miniredis.Miniredis) *redismm.Store {
	t.Helper()
	s, err := redismm.OpenStore(urlOf(m), redismm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// stateOf is the state of a host in Redis, "" if it is not there.
func stateOf(t *testing.T, s *redismm.Store, topic, host string) string {
	t.Helper()
	view, err := s.Members(t.Context(), topic)
	if err != nil {
		return err.Error()
	}
	for _, m := range view.Members {
		if m.Host == host {
			return m.State.String()
		}
	}
	return ""
}

// transcript is what a command wrote until now.
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

// says waits until it holds each of the words.
func (w *transcript) says(t *testing.T, words ...string) {
	t.Helper()
	for _, word := range words {
		eventually(t, fmt.Sprintf("%q in %s", word, w), func() bool { return strings.Contains(w.String(), word) })
	}
}

// background is a command line that runs in this process until its test ends it.
type background struct {
	out, err transcript
	stop     context.CancelFunc
	ended    chan int
}

func (c call) start(t *testing.T) *background {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	b := &background{stop: stop, ended: make(chan int, 1)}
	go func() { b.ended <- run(ctx, c.args, c.env, strings.NewReader(c.stdin), &b.out, &b.err) }()
	t.Cleanup(func() { b.end(t) })
	return b
}

// end asks the command to stop and returns its exit code. It may be called twice.
func (b *background) end(t *testing.T) int {
	t.Helper()
	b.stop()
	select {
	case code := <-b.ended:
		b.ended <- code
		return code
	case <-time.After(20 * time.Second):
		t.Fatalf("the command goes on; it wrote %s%s", &b.out, &b.err)
	}
	return -1
}

func registration(topic, host string) core.Registration {
	return core.Registration{Topic: topic, Host: host}
}
