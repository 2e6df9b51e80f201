package integration_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/integration"
)

func TestRedisKeepsItsDataOverARestartAndForgetsItWhenAsked(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	addr, pid := r.Addr, r.Pid()
	set(t, r, "k", "v")
	r.Restart()
	if r.Addr != addr || r.Pid() == pid {
		t.Fatalf("restarted at %s with pid %d; was %s, %d", r.Addr, r.Pid(), addr, pid)
	}
	if got := get(t, r, "k"); got != "v" {
		t.Fatalf("after a restart with data: k = %q, want v", got)
	}
	r.RestartEmpty()
	if got := get(t, r, "k"); got != "" {
		t.Fatalf("after an empty restart: k = %q, want nothing", got)
	}
	set(t, r, "k", "v")
	r.FlushAll()
	if got := get(t, r, "k"); got != "" {
		t.Fatalf("after FLUSHALL: k = %q, want nothing", got)
	}
}

func TestPausedRedisAnswersWhenItIsResumed(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	c := r.Client()
	r.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Ping(ctx).Err(); err == nil {
		t.Fatal("a paused server answered")
	}
	r.Resume()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatalf("a resumed server did not answer: %v", err)
	}
}

func TestRedisWithAPasswordIsReachedByItsURLOnly(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t, "requirepass s3cret!")
	set(t, r, "k", "v")
	c := redis.NewClient(&redis.Options{Addr: r.Addr})
	defer c.Close()
	if err := c.Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Fatalf("without the password: %v, want NOAUTH", err)
	}
}

func TestRedisEndsWithItsTest(t *testing.T) {
	t.Parallel()
	pid := 0
	t.Run("one that leaves it paused", func(t *testing.T) {
		r := integration.StartRedis(t)
		r.Pause()
		pid = r.Pid()
	})
	if err := syscall.Kill(pid, 0); err == nil && pid != 0 {
		t.Fatalf("redis-server %d outlived its test", pid)
	}
}

// The test below runs another one of this binary, without a PATH to find a redis-server in.
func TestMissingRedisIsASkipForUsersAndAFailureInCI(t *testing.T) {
	t.Parallel()
	for ci, want := range map[string]string{"": "--- SKIP", "true": "--- FAIL"} {
		cmd := exec.Command(os.Args[0], "-test.v", "-test.run=^TestPausedRedisAnswersWhenItIsResumed$")
		cmd.Env = []string{"PATH=", "CI=" + ci}
		out, err := cmd.CombinedOutput()
		if text := string(out); !strings.Contains(text, want) || !strings.Contains(text, "make setup") {
			t.Errorf("CI=%q: %v, want %s and what to do:\n%s", ci, err, want, text)
		}
	}
}

// The test below runs itself: its inner run starts a server and is killed.
func TestRedisDiesWithAKilledTestProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv("INTEGRATION_INNER") == "1" {
		r := integration.StartRedis(t)
		os.Stdout.WriteString("pid " + r.Client().Info(t.Context(), "server").Val() + "\n")
		select {}
	}
	integration.StartRedis(t) // or what becomes of tests that cannot have one
	self := exec.Command(os.Args[0], "-test.run=^TestRedisDiesWithAKilledTestProcess$")
	self.Env = append(os.Environ(), "INTEGRATION_INNER=1")
	out, err := self.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Start(); err != nil {
		t.Fatal(err)
	}
	addr := ""
	buf := make([]byte, 1<<16)
	for text := ""; addr == ""; {
		n, err := out.Read(buf)
		text += string(buf[:n])
		if _, after, ok := strings.Cut(text, "tcp_port:"); ok && strings.Contains(after, "\n") {
			port, _, _ := strings.Cut(after, "\r\n")
			addr = "127.0.0.1:" + port
		}
		if err != nil {
			break
		}
	}
	_ = self.Process.Kill()
	_ = self.Wait()
	if addr == "" {
		t.Fatal("the inner run did not print its server's port")
	}
	integration.Eventually(t, 5*time.Second, "the server is gone", func() bool {
		c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
		defer c.Close()
		return c.Ping(t.Context()).Err() != nil
	})
}

func set(t *testing.T, r *integration.Redis, key, value string) {
	t.Helper()
	if err := r.Client().Set(t.Context(), key, value, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, r *integration.Redis, key string) string {
	t.Helper()
	v, err := r.Client().Get(t.Context(), key).Result()
	if err != nil && err != redis.Nil {
		t.Fatal(err)
	}
	return v
}
