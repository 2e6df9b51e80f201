package integration_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/integration"
)

// line is one connection to a server, on which commands are sent as text.
type line struct {
	net.Conn
	t *testing.T
}

func dial(t *testing.T, addr string) line {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return line{c, t}
}

func (l line) says(text string) {
	l.t.Helper()
	if _, err := io.WriteString(l, text+"\r\n"); err != nil {
		l.t.Fatal(err)
	}
}

// hears returns what comes within a time.
func (l line) hears(within time.Duration) (string, error) {
	l.t.Helper()
	_ = l.SetReadDeadline(time.Now().Add(within))
	buf := make([]byte, 1<<16)
	n, err := l.Read(buf)
	return strings.TrimSpace(string(buf[:n])), err
}

func (l line) answers(text, want string) {
	l.t.Helper()
	l.says(text)
	if got, err := l.hears(5 * time.Second); got != want {
		l.t.Fatalf("%s: %q, %v; want %q", text, got, err, want)
	}
}

// silent says that the connection is open and that nothing comes.
func (l line) silent() {
	l.t.Helper()
	if got, err := l.hears(silence); !errors.Is(err, os.ErrDeadlineExceeded) {
		l.t.Fatalf("%q, %v; want silence", got, err)
	}
}

const silence = 200 * time.Millisecond

func proxied(t *testing.T) (r *integration.Redis, open line) {
	t.Helper()
	t.Parallel()
	r = integration.StartRedis(t, integration.Proxied)
	open = dial(t, r.At())
	open.answers("PING", "+PONG")
	return r, open
}

func TestBlackholedConnectionStaysOpenWhenItsServerDies(t *testing.T) {
	r, open := proxied(t)
	r.Proxy().Blackhole()
	r.Kill()
	open.says("PING")
	open.silent()
}

func TestBlackholedRequestArrivesWhenItIsHealed(t *testing.T) {
	r, open := proxied(t)
	r.Proxy().Blackhole()
	fresh := dial(t, r.At())
	fresh.says("PING")
	fresh.silent()
	open.says("INCR k")
	open.silent()
	if n := r.Client().Exists(t.Context(), "k").Val(); n != 0 {
		t.Error("a request came through a black hole")
	}
	r.Proxy().Heal()
	if got, err := open.hears(5 * time.Second); got != ":1" {
		t.Errorf("late: %q, %v; want :1", got, err)
	}
	if got, err := fresh.hears(5 * time.Second); got != "+PONG" {
		t.Errorf("late, on a new connection: %q, %v; want +PONG", got, err)
	}
	open.answers("INCR k", ":2")
}

func TestDeafConnectionIsHeardAndHearsLate(t *testing.T) {
	r, open := proxied(t)
	r.Proxy().Deafen()
	open.says("INCR k")
	open.silent()
	eventuallyReads(t, r.Client(), "k", "1")
	r.Proxy().Heal()
	if got, err := open.hears(5 * time.Second); got != ":1" {
		t.Errorf("late: %q, %v; want :1", got, err)
	}
}

func TestDroppedRequestIsLost(t *testing.T) {
	r, open := proxied(t)
	r.Proxy().Drop()
	open.says("INCR k")
	open.silent()
	r.Proxy().Heal()
	if got, err := open.hears(5 * time.Second); !errors.Is(err, io.EOF) {
		t.Errorf("after a loss: %q, %v; want the end of the connection", got, err)
	}
	dial(t, r.At()).answers("GET k", "$-1")
}

func TestProxyThatIsDownRefuses(t *testing.T) {
	r, open := proxied(t)
	r.Proxy().Down()
	if got, err := open.hears(5 * time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an open connection: %q, %v; want its end", got, err)
	}
	if _, err := net.Dial("tcp", r.At()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: %v, want a refusal", err)
	}
	r.Proxy().Heal()
	dial(t, r.At()).answers("PING", "+PONG")
}

// A child has its parent's sockets from its fork to its exec, and a listener that the parent closed takes
// connections until then.
func TestProxyIsCutWhileProcessesStart(t *testing.T) {
	r, _ := proxied(t)
	ctx, cancel := context.WithCancel(t.Context())
	var starting sync.WaitGroup
	for range 4 {
		starting.Go(func() {
			for ctx.Err() == nil {
				_ = exec.Command(os.Args[0], "-test.run=^$").Run()
			}
		})
	}
	defer starting.Wait()
	defer cancel()
	for range 500 {
		r.Proxy().Cut()
	}
	dial(t, r.At()).answers("PING", "+PONG")
}

func TestCutConnectionEndsAndANewOneLives(t *testing.T) {
	r, open := proxied(t)
	r.Proxy().Cut()
	if got, err := open.hears(5 * time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an open connection: %q, %v; want its end", got, err)
	}
	dial(t, r.At()).answers("PING", "+PONG")
}

func TestNewConnectionIsReset(t *testing.T) {
	r, _ := proxied(t)
	r.Proxy().Reset()
	fresh := dial(t, r.At())
	fresh.says("PING")
	if got, err := fresh.hears(5 * time.Second); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, %v; want a reset", got, err)
	}
	r.Proxy().Heal()
	dial(t, r.At()).answers("PING", "+PONG")
}

func TestReplyLagsAndIsThrottled(t *testing.T) {
	r, open := proxied(t)
	took := func(text, want string) time.Duration {
		t.Helper()
		began := time.Now()
		open.answers(text, want)
		return time.Since(began)
	}
	r.Proxy().Lag(silence)
	if d := took("PING", "+PONG"); d < silence {
		t.Errorf("with a lag of %s a reply took %s", silence, d)
	}
	r.Proxy().Heal()
	r.Proxy().Throttle(10)
	if d := took("SET k "+strings.Repeat("v", 2500), "+OK"); d < silence {
		t.Errorf("2.5 kB at 10 kB/s took %s", d)
	}
}

func TestPartitionLeavesTwoPrimariesUntilItIsHealed(t *testing.T) {
	t.Parallel()
	s := integration.StartSentinel(t, integration.Proxied)
	client := s.Dial()
	puts(t, client, "k", "v")
	old, now := s.Partition()
	puts(t, old.Client(), "k", "theirs")
	integration.Eventually(t, 15*time.Second, "the client writes to the new primary", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return client.Set(ctx, "k", "ours", 0).Err() == nil && now.Client().Get(ctx, "k").Val() == "ours"
	})
	eventuallyReads(t, old.Client(), "k", "theirs")
	s.Heal()
	eventuallyReads(t, old.Client(), "k", "ours")
}

func TestClusterIsReachedThroughItsProxiesOnly(t *testing.T) {
	t.Parallel()
	c := integration.StartCluster(t, integration.Proxied)
	client := c.Dial()
	puts(t, client, "k", "v")
	has := c.Primary("k")
	has.Proxy().Blackhole()
	ctx, cancel := context.WithTimeout(t.Context(), silence)
	defer cancel()
	if err := client.Get(ctx, "k").Err(); err == nil {
		t.Error("a key was read through a black hole")
	}
	has.Proxy().Heal()
	eventuallyReads(t, client, "k", "v")
	integration.Eventually(t, 5*time.Second, "the cluster says that the key is at the proxy", func() bool {
		served, err := client.(*redis.ClusterClient).MasterForKey(t.Context(), "k")
		return err == nil && served.Options().Addr == has.At() && has.At() != has.Addr
	})
}
