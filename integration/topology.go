package integration

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Topology is a way in which Redis runs: a [Redis], a [Sentinel] or a [Cluster].
type Topology interface {
	// DSN is the URL, and As the URL for a user.
	DSN() string
	As(user, password string) string
	// Dial returns a client of the DSN, as a user of go-redis makes it, which is closed when the test ends.
	Dial() redis.UniversalClient
	// Serving returns the server that takes writes of a key, and All those that hold data.
	Serving(key string) *Redis
	All() Servers
	// Failover has a replica serve a key instead, and FailoverToLaggingReplica loses what write wrote. A
	// single server cannot.
	Failover(key string) *Redis
	FailoverToLaggingReplica(key string, write func()) *Redis
}

// OnEach runs a test on a single server, on Sentinel and on a cluster, all of the same options, at once.
func OnEach(t *testing.T, f func(t *testing.T, on Topology), options ...string) {
	t.Run("single", func(t *testing.T) { t.Parallel(); f(t, StartRedis(t, options...)) })
	t.Run("sentinel", func(t *testing.T) { t.Parallel(); f(t, StartSentinel(t, options...)) })
	t.Run("cluster", func(t *testing.T) { t.Parallel(); f(t, StartCluster(t, options...)) })
}

// DSN is URL.
func (r *Redis) DSN() string { return r.URL }

// DSN is URL.
func (s *Sentinel) DSN() string { return s.URL }

// DSN is URL.
func (c *Cluster) DSN() string { return c.URL }

// Dial returns a client of URL, through the proxy where there is one.
func (r *Redis) Dial() redis.UniversalClient {
	r.t.Helper()
	o, err := redis.ParseURL(r.URL)
	if err != nil {
		r.t.Fatalf("parse %s: %v", r.URL, err)
	}
	o.TLSConfig, o.ContextTimeoutEnabled = r.settings.client(), true
	return closing(r.t, redis.NewClient(o))
}

// Dial returns a client of URL, which asks the sentinels for the primary.
func (s *Sentinel) Dial() redis.UniversalClient {
	s.t.Helper()
	o, err := redis.ParseFailoverURL(s.URL)
	if err != nil {
		s.t.Fatalf("parse %s: %v", s.URL, err)
	}
	o.TLSConfig, o.ContextTimeoutEnabled = s.settings.client(), true
	return closing(s.t, redis.NewFailoverClient(o))
}

// Dial returns a client of URL, which asks the servers who has which slots.
func (c *Cluster) Dial() redis.UniversalClient {
	c.t.Helper()
	o, err := redis.ParseClusterURL(c.URL)
	if err != nil {
		c.t.Fatalf("parse %s: %v", c.URL, err)
	}
	o.TLSConfig, o.ContextTimeoutEnabled = c.settings.client(), true
	return closing(c.t, redis.NewClusterClient(o))
}

func closing(t testing.TB, c redis.UniversalClient) redis.UniversalClient {
	t.Cleanup(func() { c.Close() })
	return c
}

// Serving returns the server.
func (r *Redis) Serving(string) *Redis { return r }

// Serving returns the primary.
func (s *Sentinel) Serving(string) *Redis { s.t.Helper(); return s.Primary() }

// Serving returns the primary that has the slot of a key.
func (c *Cluster) Serving(key string) *Redis { c.t.Helper(); return c.Primary(key) }

// Failover ends the test.
func (r *Redis) Failover(string) *Redis {
	r.t.Helper()
	r.t.Fatal("a single server has no replica to fail over to: use a Sentinel or a Cluster")
	return nil
}

// FailoverToLaggingReplica ends the test.
func (r *Redis) FailoverToLaggingReplica(key string, _ func()) *Redis {
	r.t.Helper()
	return r.Failover(key)
}

// All returns the server.
func (r *Redis) All() Servers { return Servers{r} }

// All returns Servers.
func (s *Sentinel) All() Servers { return s.Servers }

// All returns Servers.
func (c *Cluster) All() Servers { return c.Servers }

// PasswordFile writes a password and a line's end to a file of the test's that nobody else may read, and
// returns its path.
func PasswordFile(t testing.TB, password string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
