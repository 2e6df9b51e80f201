package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/integration"
)

// Every verb of a server, on every topology, through proxies.
func TestFaultsAreSeenByAClientOfEachTopology(t *testing.T) {
	t.Parallel()
	integration.OnEach(t, func(t *testing.T, on integration.Topology) {
		c := on.Dial()
		puts(t, c, "k", "v")
		eventuallyReads(t, c, "k", "v")
		serving := on.Serving("k")
		refused := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), silence)
			defer cancel()
			return c.Get(ctx, "k").Err()
		}

		serving.Pause()
		if err := refused(); err == nil {
			t.Error("a paused server answered")
		}
		serving.Resume()
		eventuallyReads(t, c, "k", "v")

		serving.Proxy().Drop()
		if err := refused(); err == nil {
			t.Error("a reply came through a proxy that drops")
		}
		serving.Proxy().Heal()
		on.All().Cut()
		eventuallyReads(t, c, "k", "v")

		sha := c.ScriptLoad(t.Context(), "return 7").Val()
		on.All().ScriptFlush()
		if err := c.EvalSha(t.Context(), sha, []string{"k"}).Err(); !redis.HasErrorPrefix(err, "NOSCRIPT") {
			t.Errorf("a script that was forgotten: %v, want NOSCRIPT", err)
		}

		s := c.Subscribe(t.Context(), "channel")
		t.Cleanup(func() { s.Close() })
		if _, err := s.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		on.All().KillSubscriptions()
		if m, err := s.ReceiveTimeout(t.Context(), 5*time.Second); err == nil {
			t.Errorf("a subscription that was killed gets %v", m)
		}

		on.Serving("k").Evict("k")
		if n := c.Exists(t.Context(), "k").Val(); n != 0 {
			t.Error("an evicted key is there")
		}
		puts(t, c, "k", "v")
		on.All().FlushAll()
		if n := c.Exists(t.Context(), "k").Val(); n != 0 {
			t.Error("a key is there after FLUSHALL")
		}
	}, integration.Proxied)
}

// The test below runs itself: its inner run starts many servers and is killed.
func TestServersDieWithAKilledTestProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv("INTEGRATION_INNER") == "1" {
		s := integration.StartSentinel(t)
		for _, r := range slices.Concat(s.Servers, s.Sentinels) {
			fmt.Println("server", r.Addr)
		}
		select {}
	}
	self := exec.Command(os.Args[0], "-test.run=^TestServersDieWithAKilledTestProcess$")
	self.Env = append(os.Environ(), "INTEGRATION_INNER=1", "TMPDIR="+t.TempDir())
	out, err := self.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Start(); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for lines := bufio.NewScanner(out); len(addrs) < 6 && lines.Scan(); {
		if addr, ok := strings.CutPrefix(lines.Text(), "server "); ok {
			addrs = append(addrs, addr)
		}
	}
	_ = self.Process.Kill()
	_ = self.Wait()
	if len(addrs) == 0 {
		integration.StartRedis(t) // skips, or fails, where there is no redis-server
	}
	if len(addrs) != 6 {
		t.Fatalf("the inner run named %d servers, want 6", len(addrs))
	}
	integration.Eventually(t, 5*time.Second, "all servers are gone", func() bool {
		return !slices.ContainsFunc(addrs, func(addr string) bool {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	})
}
