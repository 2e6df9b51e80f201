package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is a redis-server that belongs to one test. Its methods end the test if the server does not do as
// it is told; they are for one goroutine at a time.
type Redis struct {
	// Addr is the server's own host:port, and stays the same over restarts.
	Addr string
	// URL is the DSN of database 0, with the password where one was set, and through the proxy where there
	// is one.
	URL string

	t        testing.TB
	dir      string
	run      []string // the command line
	settings settings
	child    *child
	proxy    *Proxy
}

// startTimeout bounds the wait for a server that was started to answer, and for whatever else it is told.
const startTimeout = 30 * time.Second

// StartRedis starts a redis-server on a free port of the loopback interface, with a directory of its own,
// and stops it when the test ends. Each of options is a line of a redis.conf, as in "maxmemory 10mb",
// "requirepass secret" or "user alice on >secret ~mm:* +@all", or [Proxied]; [TLS] has those that encrypt.
// What the server was told is kept on disk, so that Restart finds it even after a Kill.
//
// Without a redis-server to start, and under go test -short, the test is skipped; without one where the
// variable CI is true, it fails.
func StartRedis(t testing.TB, options ...string) *Redis {
	t.Helper()
	r := newServer(t, options)
	if err := r.launch(); err != nil {
		t.Fatal(err)
	}
	return r
}

// newServer returns a server that is not started yet.
func newServer(t testing.TB, options []string) *Redis {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a redis-server: not with -short")
	}
	r := &Redis{t: t, dir: t.TempDir(), settings: read(t, options)}
	r.run = []string{redisServer(t), r.file("redis.conf")}
	t.Cleanup(r.end)
	return r
}

func redisServer(t testing.TB) string {
	t.Helper()
	return program(t, "redis-server", "redis-server is not installed: `make setup` installs it, or sudo apt-get install redis-server")
}

// program is the path of a program that a test cannot do without.
func program(t testing.TB, name, how string) string {
	t.Helper()
	for _, at := range []string{name, "/usr/sbin/" + name} { // which is in the PATH of root alone
		if binary, err := exec.LookPath(at); err == nil {
			return binary
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(how)
	}
	t.Skip(how)
	return ""
}

func (r *Redis) file(name string) string { return filepath.Join(r.dir, name) }

// launch starts a new server on a port of its own. Each of more is a line that needs another free port, with
// %d in the port's place.
func (r *Redis) launch(more ...string) error {
	for attempt := 0; ; attempt++ {
		if err := r.configure(more); err != nil {
			return err
		}
		err := r.start()
		if err == nil {
			return r.front()
		}
		if attempt == 9 || !strings.Contains(r.log(), "Address already in use") { // another process took the port
			return err
		}
	}
}

// configure writes the server's file for a free port.
func (r *Redis) configure(more []string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	lines := []string{"bind 127.0.0.1", "dir " + r.dir, "logfile " + r.file("log"),
		fmt.Sprintf(r.settings.port, port)}
	for _, m := range more {
		another, err := freePort()
		if err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf(m, another))
	}
	lines = append(lines, r.settings.lines...)
	r.Addr = loopback(port)
	r.URL = r.settings.url(r.Addr, r.settings.user, r.settings.password)
	return os.WriteFile(r.file("redis.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// As returns the DSN of database 0 for a user, or for the default user if that is "".
func (r *Redis) As(user, password string) string {
	return r.settings.url(hostOf(r.URL), user, password)
}

func hostOf(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return ""
	}
	return u.Host
}

// Database returns the DSN of another database of the server.
func (r *Redis) Database(n int) string {
	return fmt.Sprintf("%s/%d", strings.TrimSuffix(r.URL, "/0"), n)
}

// start starts the server at Addr, and returns when it answers.
func (r *Redis) start() error {
	c, err := startChild(exec.Command(r.run[0], r.run[1:]...))
	if err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	r.child = c
	for end := time.Now().Add(startTimeout); time.Now().Before(end) && !c.endsWithin(5*time.Millisecond); {
		if r.answers(time.Second) == nil {
			return nil
		}
	}
	return fmt.Errorf("redis-server did not answer at %s within %s; its log:\n%s", r.Addr, startTimeout, r.log())
}

// answers returns why the server does not answer a PING; one that loads its data first does not, until it
// is done.
func (r *Redis) answers(within time.Duration) error {
	return r.answersAt(r.Addr, within)
}

func (r *Redis) answersAt(addr string, within time.Duration) error {
	return r.reach(addr, within, func(ctx context.Context, c *redis.Client) error { return c.Ping(ctx).Err() })
}

// with makes a connection as the server's administrator, past any proxy.
func (r *Redis) with(within time.Duration, f func(ctx context.Context, c *redis.Client) error) error {
	return r.reach(r.Addr, within, f)
}

func (r *Redis) reach(addr string, within time.Duration, f func(ctx context.Context, c *redis.Client) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	probe, err := net.DialTimeout("tcp", addr, within) // go-redis prints that nobody is there
	if err != nil {
		return err
	}
	probe.Close()
	c := r.connect(addr)
	defer c.Close()
	return f(ctx, c)
}

// tell is with, for what must succeed.
func (r *Redis) tell(what string, f func(ctx context.Context, c *redis.Client) error) {
	r.t.Helper()
	if err := r.with(startTimeout, f); err != nil {
		r.t.Fatalf("%s at %s: %v", what, r.Addr, err)
	}
}

// do sends a command that must succeed, and returns its reply.
func (r *Redis) do(args ...any) any {
	r.t.Helper()
	var reply any
	r.tell(spaced(args), func(ctx context.Context, c *redis.Client) (err error) {
		reply, err = c.Do(ctx, args...).Result()
		return err
	})
	return reply
}

// spaced is a command as a person writes it.
func spaced(args []any) string { return strings.TrimSpace(fmt.Sprintln(args...)) }

func (r *Redis) connect(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: addr, Username: r.settings.admin, Password: r.settings.adminPassword, TLSConfig: r.settings.client(),
		ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true,
		MaxIdleConns: 1, PoolSize: 10,
	})
}

// Client returns a client of database 0 that is closed when the test ends: of the server itself, past any
// proxy, and of one who may do everything.
func (r *Redis) Client() *redis.Client {
	c := r.connect(r.Addr)
	r.t.Cleanup(func() { c.Close() })
	return c
}

// Pid is the server's process id.
func (r *Redis) Pid() int { return r.child.pid() }

func (r *Redis) log() string {
	text, _ := os.ReadFile(r.file("log"))
	return string(text)
}

// end is for the end of the test, in whatever state it left the server.
func (r *Redis) end() {
	if r.child != nil {
		r.child.killAll() // a child that rewrites its files would write in a directory that goes
	}
	if r.t.Failed() {
		r.t.Logf("log of redis-server at %s:\n%s", r.Addr, r.log())
	}
}

// launchAll starts servers at once.
func launchAll(t testing.TB, servers []*Redis, more ...string) {
	t.Helper()
	failed := make(chan error, len(servers))
	for _, r := range servers {
		go func() { failed <- r.launch(more...) }()
	}
	var err error
	for range servers {
		err = errors.Join(err, <-failed)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", fmt.Sprint(port)) }
