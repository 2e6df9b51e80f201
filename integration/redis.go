package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is a redis-server that belongs to one test. Its methods end the test if the server does not do as
// it is told; they are for one goroutine at a time.
type Redis struct {
	// Addr is host:port, and stays the same over restarts.
	Addr string
	// URL is the DSN of database 0, with the password where one was set.
	URL string

	t        testing.TB
	dir      string
	args     []string
	password string
	child    *child
}

// startTimeout bounds the wait for a server that was started to answer.
const startTimeout = 10 * time.Second

// StartRedis starts a redis-server on a free port of the loopback interface, with a directory of its own,
// and stops it when the test ends. Each of options is a server option with its value, as in
// "maxmemory 10mb" or "requirepass secret"; what the server was told is kept on disk, so that Restart finds
// it even after a Kill.
//
// Without a redis-server to start, and under go test -short, the test is skipped; without one where the
// variable CI is true, it fails.
func StartRedis(t testing.TB, options ...string) *Redis {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a redis-server: not with -short")
	}
	binary := redisServer(t)
	r := &Redis{t: t, dir: t.TempDir()}
	r.args = []string{binary, "--bind", "127.0.0.1", "--dir", r.dir, "--save", "", "--appendonly", "yes",
		"--appendfsync", "no", "--auto-aof-rewrite-percentage", "0", "--logfile", filepath.Join(r.dir, "log")}
	for _, o := range options {
		name, value, _ := strings.Cut(o, " ")
		if name == "requirepass" {
			r.password = value
		}
		r.args = append(r.args, "--"+name, value)
	}
	t.Cleanup(r.end)
	for range 10 { // another process may take the port first
		r.at(freePort(t))
		if r.start() {
			return r
		}
		if !strings.Contains(r.log(), "Address already in use") {
			break
		}
	}
	t.Fatalf("redis-server did not answer at %s within %s; its log:\n%s", r.Addr, startTimeout, r.log())
	return nil
}

func redisServer(t testing.TB) string {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err == nil {
		return binary
	}
	const how = "redis-server is not installed: `make setup` installs it, or sudo apt-get install redis-server"
	if os.Getenv("CI") == "true" {
		t.Fatal(how)
	}
	t.Skip(how)
	return ""
}

// freePort returns a port below the range from which outgoing connections are numbered: a client that
// dials a dead server's port over and over may else be given that port for itself, and the server cannot
// come back.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 10000 + rand.IntN(20000)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port between 10000 and 30000 in 100 attempts")
	return 0
}

func (r *Redis) at(port int) {
	r.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	u := url.URL{Scheme: "redis", Host: r.Addr, Path: "/0"}
	if r.password != "" {
		u.User = url.UserPassword("", r.password)
	}
	r.URL = u.String()
}

// Database returns the DSN of another database of the server.
func (r *Redis) Database(n int) string {
	return fmt.Sprintf("%s/%d", strings.TrimSuffix(r.URL, "/0"), n)
}

// start starts the server at Addr and says whether it answers.
func (r *Redis) start() bool {
	r.t.Helper()
	_, port, _ := net.SplitHostPort(r.Addr)
	cmd := exec.Command(r.args[0], append(r.args[1:len(r.args):len(r.args)], "--port", port)...)
	c, err := startChild(cmd)
	if err != nil {
		r.t.Fatalf("start redis-server: %v", err)
	}
	r.child = c
	for end := time.Now().Add(startTimeout); time.Now().Before(end); {
		if r.answers() {
			return true
		}
		select {
		case <-c.ended:
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
	return false
}

// answers says whether the server answers a PING; one that wants a password or loads its data first does
// not, until it is done.
func (r *Redis) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c := r.connect()
	defer c.Close()
	return c.Ping(ctx).Err() == nil
}

func (r *Redis) connect() *redis.Client {
	o, err := redis.ParseURL(r.URL)
	if err != nil {
		r.t.Fatalf("parse %s: %v", r.URL, err)
	}
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1
	return redis.NewClient(o)
}

// Client returns a client of database 0 that is closed when the test ends.
func (r *Redis) Client() *redis.Client {
	c := r.connect()
	r.t.Cleanup(func() { c.Close() })
	return c
}

// Pid is the server's process id.
func (r *Redis) Pid() int { return r.child.pid() }

func (r *Redis) log() string {
	text, _ := os.ReadFile(filepath.Join(r.dir, "log"))
	return string(text)
}

// end is for the end of the test, in whatever state it left the server.
func (r *Redis) end() {
	if r.child != nil {
		r.child.kill()
	}
	if r.t.Failed() {
		r.t.Logf("log of redis-server at %s:\n%s", r.Addr, r.log())
	}
}
