package integration_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// bubbled is a miniredis in a bubble, with the bubble's clock.
type bubbled struct {
	server *miniredis.Miniredis
	absent atomic.Bool
}

func newBubbled() *bubbled {
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	return &bubbled{server: m}
}

func (b *bubbled) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true, DisableIdentity: true, MaxRetries: -1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			if b.absent.Load() {
				return nil, errors.New("connection refused")
			}
			return b.server.Dial()
		},
	})
}

func (b *bubbled) open(t *testing.T, c redismm.Config) asked {
	t.Helper()
	client := b.client()
	t.Cleanup(func() { _ = client.Close() })
	if c.Layout == redismm.LayoutOslo {
		return opened(t)(redismm.NewOslo(client, c))
	}
	return opened(t)(redismm.NewStore(client, c))
}

func opened(t *testing.T) func(s asked, err error) asked {
	return func(s asked, err error) asked {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func (b *bubbled) do(t *testing.T, args ...any) any {
	t.Helper()
	client := b.client()
	defer client.Close()
	return command(t, client, args)
}

func (b *bubbled) down(*testing.T) {
	b.absent.Store(true)
	b.server.Close()
}

func (b *bubbled) up(*testing.T) { b.absent.Store(false) }

func (b *bubbled) await(t *testing.T, done func() bool) {
	t.Helper()
	if synctest.Wait(); !done() {
		t.Error("all is still and it is not done")
	}
}

// served is a topology of redis-servers.
type served struct {
	on    integration.Topology
	other redis.UniversalClient // somebody else's
}

func serve(t *testing.T, on integration.Topology) served { return served{on, on.Dial()} }

func (r served) open(t *testing.T, c redismm.Config) asked {
	t.Helper()
	if c.Layout == redismm.LayoutOslo {
		return opened(t)(redismm.OpenOslo(r.on.DSN(), c))
	}
	return opened(t)(redismm.OpenStore(r.on.DSN(), c))
}

func (r served) do(t *testing.T, args ...any) any {
	t.Helper()
	if args[0] == "FLUSHALL" {
		r.on.All().FlushAll()
		return nil
	}
	return command(t, r.other, args)
}

func (r served) down(*testing.T) {
	for _, server := range r.on.All() {
		server.Kill()
	}
}

// up returns when writes are taken: servers of a cluster look around first.
func (r served) up(t *testing.T) {
	t.Helper()
	for _, server := range r.on.All() {
		server.Restart()
	}
	integration.Eventually(t, time.Minute, "writes are taken", func() bool {
		return r.other.Del(t.Context(), "none").Err() == nil
	})
}

func (r served) await(t *testing.T, done func() bool) {
	t.Helper()
	integration.Eventually(t, 5*time.Second, "the first round of heartbeats", done)
}

func command(t *testing.T, client redis.UniversalClient, args []any) any {
	t.Helper()
	reply, err := client.Do(t.Context(), args...).Result()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return reply
}
