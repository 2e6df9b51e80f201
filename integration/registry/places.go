package registry

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// elsewhere is a registry that somebody else started.
type elsewhere struct {
	testing.TB
	url string
}

func (e elsewhere) store(c redismm.Config) (*redismm.Store, error) {
	return redismm.OpenStore(e.url, c)
}

func (e elsewhere) client() *redis.Client {
	e.Helper()
	options, err := redis.ParseURL(e.url)
	if err != nil {
		e.Fatal(err)
	}
	options.ContextTimeoutEnabled = true
	c := redis.NewClient(options)
	e.Cleanup(func() { c.Close() })
	return c
}

const notOurs = "the registry at Hosts.URL is somebody else's: use what started it"

func (e elsewhere) down()  { e.Helper(); e.Fatal(notOurs) }
func (e elsewhere) up()    { e.Helper(); e.Fatal(notOurs) }
func (e elsewhere) flush() { e.Helper(); e.Fatal(notOurs) }

// served is a registry on a redis-server of the test's.
type served struct {
	elsewhere
	server *integration.Redis
}

func (s served) down()  { s.server.Kill() }
func (s served) up()    { s.Helper(); s.server.Restart() }
func (s served) flush() { s.Helper(); s.server.FlushAll() }

// memory is a registry on a miniredis that is reached by pipes, which a bubble can see waiting.
type memory struct {
	testing.TB
	server  *miniredis.Miniredis
	absent  atomic.Bool
	refused atomic.Bool // at least once
}

func newMemory(t testing.TB) *memory {
	m := &memory{TB: t, server: miniredis.NewMiniRedis()}
	m.server.ClockTTL(true)
	t.Cleanup(func() {
		m.server.Close()
		if m.refused.Load() {
			time.Sleep(2 * time.Second) // a pool that dialled in vain tries again for so long
		}
	})
	return m
}

func (m *memory) Dial(context.Context, string, string) (net.Conn, error) {
	if m.absent.Load() {
		m.refused.Store(true)
		return nil, errors.New("connection refused")
	}
	return integration.Buffer(m.server.Dial())
}

func (m *memory) client() *redis.Client {
	c := redis.NewClient(&redis.Options{
		Addr: "in-memory:6379", Dialer: m.Dial, ContextTimeoutEnabled: true, DisableIdentity: true, DialerRetries: 1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	m.Cleanup(func() { c.Close() })
	return c
}

func (m *memory) store(c redismm.Config) (*redismm.Store, error) {
	return redismm.NewStore(m.client(), c)
}

func (m *memory) down() {
	m.absent.Store(true)
	m.server.Close()
}

func (m *memory) up()    { m.absent.Store(false) }
func (m *memory) flush() { m.server.FlushAll() }
