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

// served is a redis-server.
type served struct{ *integration.Redis }

func (r served) open(t *testing.T, c redismm.Config) asked {
	t.Helper()
	if c.Layout == redismm.LayoutOslo {
		return opened(t)(redismm.OpenOslo(r.URL, c))
	}
	return opened(t)(redismm.OpenStore(r.URL, c))
}

func (r served) do(t *testing.T, args ...any) any {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: r.Addr, ContextTimeoutEnabled: true})
	defer client.Close()
	return command(t, client, args)
}

func (r served) down(*testing.T) { r.Kill() }
func (r served) up(*testing.T)   { r.Restart() }

func (r served) await(t *testing.T, done func() bool) {
	t.Helper()
	integration.Eventually(t, 5*time.Second, "the first round of heartbeats", done)
}

func command(t *testing.T, client *redis.Client, args []any) any {
	t.Helper()
	reply, err := client.Do(t.Context(), args...).Result()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return reply
}
