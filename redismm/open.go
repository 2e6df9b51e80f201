package redismm

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// Config is how a registry on Redis is used. The zero value works.
type Config struct {
	core.HeartbeatConfig
	// Prefix begins every key, 1 to 32 of a-z, 0-9 and -; "" means "mm". Registries with different prefixes,
	// or in different databases, do not see each other.
	Prefix string
	// Layout is how the registry is kept in Redis: [LayoutMatchmaker], which "" means too, or [LayoutOslo], for
	// [Open] and [OpenOslo]. The two do not see each other.
	Layout string
}

// The layouts.
const (
	// LayoutMatchmaker is this project's own.
	LayoutMatchmaker = "matchmaker"
	// LayoutOslo is the original's, of oslo.messaging: see [Oslo].
	LayoutOslo = "oslo"
)

// Open returns a matchmaker whose registrations are kept in Redis and whose lookups are answered from
// memory. Close the matchmaker after use. The DSN is a URL as go-redis parses it, pool options included:
//
//	redis://user:password@host:port/db                                      one server; rediss:// for TLS
//	unix://user:password@path?db=1                                          one server
//	redis://host:port/db?addr=host:port&master_name=NAME&password=...       Sentinels, and the server's password;
//	                                                                        before the host, the sentinels' own
//	redis://user:password@host:port?addr=host:port                          a cluster; redis+cluster:// without addr
//
// Each also takes password_file, and the one of Sentinels sentinel_password_file, in the place of a password and
// read at each connection; rediss:// takes ca_file, cert_file and key_file, in PEM.
//
// Redis need not be there: nothing is sent before the first call, and what cannot be told now is tried
// again by every heartbeat. The error is a [core.ErrInvalid].
func Open(_ context.Context, dsn string, c Config) (*core.HeartbeatMatchMaker, error) {
	if c.Layout == LayoutOslo {
		o, err := OpenOslo(dsn, c)
		if err != nil {
			return nil, err
		}
		return core.NewHeartbeat(o, o.config.HeartbeatConfig)
	}
	s, err := OpenStore(dsn, c)
	if err != nil {
		return nil, err
	}
	return core.NewHeartbeat(s, s.config.HeartbeatConfig)
}

// OpenStore returns a store over clients of its own. Close it after use. The DSN is as for [Open].
func OpenStore(dsn string, c Config) (*Store, error) {
	to, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	client, own := to.connect()
	s, err := newStore(client, c, own)
	if err != nil {
		client.Close()
		return nil, err
	}
	s.own(client, to)
	return s, nil
}

// NewStore returns a store over the user's client, a *[redis.Client], one by [redis.NewFailoverClient] too, or
// a *[redis.ClusterClient], whose ContextTimeoutEnabled is set: without it a call would outlive its context's
// deadline. It must not read from replicas, whose data may be old. The store makes a second client of the same
// options for its beats, without retries, because a repeated beat must not be mistaken for a new one, and without
// MaxActiveConns, because a beat that is refused a connection is lost. Close closes that, not the user's.
func NewStore(client redis.UniversalClient, c Config) (*Store, error) {
	return newStore(client, c, nil)
}

// newStore returns a store over a client whose lines are own, or nil if they are the user's.
func newStore(client redis.UniversalClient, c Config, own *lines) (*Store, error) {
	switch c.Layout {
	case "", LayoutMatchmaker:
	case LayoutOslo:
		return nil, core.Invalid("layout", c.Layout, "want OpenOslo or NewOslo, whose stores keep it")
	default:
		return nil, core.Invalid("layout", c.Layout, `want "matchmaker", or "oslo" for the original's`)
	}
	heartbeat, err := c.HeartbeatConfig.Complete()
	if err != nil {
		return nil, err
	}
	c.HeartbeatConfig = heartbeat
	k, err := newKeys(c.Prefix, 0)
	if err != nil {
		return nil, err
	}
	reached, db, err := newClients(client, own)
	if err != nil {
		return nil, err
	}
	k.db = db
	s := &Store{
		clients: reached,
		config:  c,
		keys:    k,
		follows: make(map[string]*follower),
		ears:    make(map[string]*ear),
		names:   names{every: nameEvery},
	}
	s.sweeps = newSweeper(s)
	s.strangers = newStrangers(s)
	return s, nil
}
