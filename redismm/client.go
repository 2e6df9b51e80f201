package redismm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/redismm/matchmaker/core"
)

// clients are what reaches Redis for a layout.
type clients struct {
	addr  string
	read  redis.UniversalClient
	write redis.UniversalClient // no retries
	owned redis.UniversalClient // to be closed, or nil
	lines *lines                // of write and owned
	// sentinels say which server is meant; nil where the DSN names it, or the client is the user's. So with guide.
	sentinels *redis.FailoverOptions
	guide     *guide
	// patience is how long a client of write waits for a reply, whatever its context allows.
	patience time.Duration
	// atOnce is how many pipelines may be on the way to a server.
	atOnce int
}

// newClients returns clients that read through one whose lines are own, or nil if they are the user's, and the
// number of its database.
func newClients(read redis.UniversalClient, own *lines) (clients, int, error) {
	w, err := writerOf(read, own)
	if err != nil {
		return clients{}, 0, err
	}
	c := clients{addr: w.addr, read: read, write: w.connect(), lines: w.lines, patience: w.patience, atOnce: w.atOnce}
	if c.patience <= 0 { // it waits for ever
		c.patience = time.Hour
	}
	return c, w.db, nil
}

// own takes over a client that was made for a target.
func (c *clients) own(client redis.UniversalClient, to *target) {
	c.owned, c.addr, c.sentinels = client, to.addr(), to.sentinels
	if c.sentinels != nil {
		c.guide = &guide{sentinels: c.sentinels}
	}
}

// close closes the clients that are not the user's.
func (c *clients) close() error {
	c.lines.cut()
	if c.guide != nil {
		c.guide.close()
	}
	err := c.write.Close()
	if c.owned != nil {
		err = errors.Join(err, c.owned.Close())
	}
	return err
}

// confirm asks a sentinel whether the server is still meant, and dials where it is not: that cuts the lines to the old
// primary, which may answer still, cut off from the rest or not told yet. Who looks topics up or watches does without.
func (c *clients) confirm(ctx context.Context, within time.Duration) {
	if c.guide == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if !c.guide.moved(ctx, c.lines.leadTo()) {
		return
	}
	if conn, err := c.lines.Dial(ctx, "tcp", byName); err == nil {
		conn.Close()
	}
}

// unavailable says that Redis could not answer, and which Redis.
func (c *clients) unavailable(err error) error {
	if err == nil || errors.Is(err, core.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: redis at %s: %w", core.ErrUnavailable, c.addr, err)
}

// writer is how a store reaches Redis for what it writes.
type writer struct {
	connect  func() redis.UniversalClient
	addr     string
	db       int
	lines    *lines
	patience time.Duration // for a reply; 0: for ever
	atOnce   int
}

// onTheWay is how many pipelines are on the way to each server: one is written and read while Redis executes the other. Who
// allows but one connection has one.
func onTheWay(poolSize int) int {
	if poolSize == 1 {
		return 1
	}
	return 2
}

// manyFailures is the size of the pool of a client that writes. Writes take turns, so it has few connections;
// its size is how many dials may fail before go-redis tries only once a second, and beats are to be there as
// soon as Redis is.
const manyFailures = 10_000

// idleWriters is how many connections a client that writes keeps.
const idleWriters = 4

// writerOf derives a client that does not retry from another, whose lines are own, or nil if they are the
// user's.
func writerOf(from redis.UniversalClient, own *lines) (*writer, error) {
	switch from := from.(type) {
	case *redis.Client:
		return writingOne(*from.Options(), own)
	case *redis.ClusterClient:
		return writingCluster(*from.Options(), own)
	}
	return nil, core.Invalid("client", fmt.Sprintf("%T", from), "want a *redis.Client or a *redis.ClusterClient")
}

// byName is what go-redis calls the address of a client that asks sentinels for it.
const byName = "FailoverClient"

func refuseOption(name, value, want string) error {
	return core.Invalid("client option "+name, value, want)
}

const endsWithContext = "want true, so that calls end with their context"

func writingOne(o redis.Options, own *lines) (*writer, error) {
	if !o.ContextTimeoutEnabled {
		return nil, refuseOption("ContextTimeoutEnabled", "false", endsWithContext)
	}
	if own == nil {
		own = newLines(o.Dialer, o.Addr == byName)
		o.Dialer = own.Dial
	}
	o.MaxRetries = -1
	atOnce := onTheWay(o.PoolSize)
	o.PoolSize, o.PipelinePoolSize, o.MaxActiveConns, o.MinIdleConns, o.MaxIdleConns = manyFailures, -1, 0, 0, idleWriters
	o.PushNotificationProcessor, o.ClientSideCache, o.ClientSideCacheConfig = nil, nil, nil // the user's
	quiet(&o)
	connect := func() redis.UniversalClient { return redis.NewClient(&o) }
	return &writer{connect, o.Addr, o.DB, own, o.ReadTimeout, atOnce}, nil
}

func writingCluster(o redis.ClusterOptions, own *lines) (*writer, error) {
	if !o.ContextTimeoutEnabled {
		return nil, refuseOption("ContextTimeoutEnabled", "false", endsWithContext)
	}
	if o.ReadOnly || o.RouteByLatency || o.RouteRandomly {
		return nil, refuseOption("ReadOnly", "true", "want false, and neither RouteByLatency nor RouteRandomly: a replica's data may be old")
	}
	if own == nil {
		dial := o.Dialer
		if dial == nil {
			dial = dialer(o.DialTimeout, o.TLSConfig)
		}
		own = newLines(dial, false)
		o.Dialer = own.Dial
	}
	o.MaxRetries = -1
	atOnce := onTheWay(o.PoolSize)
	o.PoolSize, o.PipelinePoolSize, o.MaxActiveConns, o.MinIdleConns, o.MaxIdleConns = manyFailures, -1, 0, 0, idleWriters
	o.PushNotificationProcessor = nil // the user's
	quietCluster(&o)
	connect := func() redis.UniversalClient { return redis.NewClusterClient(&o) }
	return &writer{connect, strings.Join(o.Addrs, ","), 0, own, o.ReadTimeout, atOnce}, nil
}

// quiet leaves out what a client of go-redis does beyond what it is told to.
func quiet(o *redis.Options) {
	o.DialerRetries = 1
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

func quietCluster(o *redis.ClusterOptions) {
	o.DialerRetries = 1
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}
