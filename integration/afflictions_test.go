package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/integration"
)

func TestEvictedKeyIsGoneAndFewOthers(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	c := r.Client()
	const n = 200
	for i := range n {
		puts(t, c, fmt.Sprintf("k%d", i), strings.Repeat("v", 100))
	}
	r.Evict("k7", "k8")
	if c.Exists(t.Context(), "k7", "k8").Val() != 0 {
		t.Error("a key that was to be evicted is there")
	}
	if left := c.DBSize(t.Context()).Val(); left < n*3/4 {
		t.Errorf("%d of %d keys are left, want most", left, n)
	}
	if limit := c.ConfigGet(t.Context(), "maxmemory*").Val(); limit["maxmemory"] != "0" || limit["maxmemory-policy"] != "noeviction" {
		t.Errorf("the memory is still short: %v", limit)
	}
}

func TestReadonlyServerKeepsItsDataAndRefusesWrites(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	c := r.Client()
	puts(t, c, "k", "v")
	r.MakeReadonly()
	if err := c.Set(t.Context(), "k", "w", 0).Err(); err == nil || !redis.IsReadOnlyError(err) {
		t.Errorf("a write: %v, want READONLY", err)
	}
	eventuallyReads(t, c, "k", "v")
	r.MakeWritable()
	puts(t, c, "k", "w")
}

func TestScriptsAreForgotten(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	c := r.Client()
	sha := c.ScriptLoad(t.Context(), "return 7").Val()
	r.ScriptFlush()
	if err := c.EvalSha(t.Context(), sha, nil).Err(); err == nil || !redis.HasErrorPrefix(err, "NOSCRIPT") {
		t.Errorf("a script that was forgotten: %v, want NOSCRIPT", err)
	}
}

func TestSubscriptionsAreKilledAndNothingElse(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	c := redis.NewClient(&redis.Options{Addr: r.Addr, PoolSize: 1})
	t.Cleanup(func() { c.Close() })
	id := c.ClientID(t.Context()).Val()
	s := c.Subscribe(t.Context(), "channel")
	t.Cleanup(func() { s.Close() })
	if _, err := s.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.KillSubscriptions()
	if m, err := s.Receive(t.Context()); err == nil {
		t.Errorf("a subscription that was killed gets %v", m)
	}
	if now := c.ClientID(t.Context()).Val(); now != id {
		t.Errorf("another connection was cut too: client %d is %d", id, now)
	}
}

func TestUserIsRefusedWhatItsRulesDoNotAllow(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t, "user alice on >secret ~mm:* &mm/* +@all", "user default off")
	alice := single(t, r.As("alice", "secret"))
	puts(t, alice, "mm:k", "v")
	for what, err := range map[string]error{
		"another's key":     alice.Get(t.Context(), "other").Err(),
		"another's channel": alice.Publish(t.Context(), "other", "").Err(),
	} {
		if err == nil || !redis.IsPermissionError(err) {
			t.Errorf("%s: %v, want NOPERM", what, err)
		}
	}
	for _, dsn := range []string{r.URL, r.As("alice", "wrong"), r.As("bob", "secret")} {
		if err := single(t, dsn).Ping(t.Context()).Err(); err == nil || !redis.IsAuthError(err) {
			t.Errorf("%s: %v, want a refusal", dsn, err)
		}
	}

	s := alice.Subscribe(t.Context(), "mm/0")
	t.Cleanup(func() { s.Close() })
	if _, err := s.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.RevokeChannels("alice")
	if err := alice.Publish(t.Context(), "mm/0", "").Err(); err == nil || !redis.IsPermissionError(err) {
		t.Errorf("a channel that was revoked: %v, want NOPERM", err)
	}
	if m, err := s.ReceiveTimeout(t.Context(), 5*time.Second); err == nil {
		t.Errorf("a subscription to a channel that was revoked gets %v", m)
	}
	r.SetUser("alice", "&mm/*")
	if err := alice.Publish(t.Context(), "mm/0", "").Err(); err != nil {
		t.Errorf("a channel that was given back: %v", err)
	}
}

func single(t *testing.T, dsn string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(dsn)
	if err != nil {
		t.Fatal(err)
	}
	o.ContextTimeoutEnabled = true
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}
