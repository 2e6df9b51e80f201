package redismm

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/redismm/matchmaker/core"
)

// Config is how a registry on Redis is used. The zero value works.
type Config struct {
	core.HeartbeatConfig
	// Prefix begins every key, 1 to 32 of a-z, 0-9 and -; "" means "mm". Registries with different prefixes,
	// or in different databases, do not see each other.
	Prefix string
}

// Open returns a matchmaker whose registrations are kept in Redis and whose lookups are answered from
// memory. The DSN is a URL as go-redis parses it, pool options included: redis://user:password@host:port/db,
// rediss:// for TLS, unix://path. Close the matchmaker after use.
//
// Redis need not be there: nothing is sent before the first call, and what cannot be told now is tried
// again by every heartbeat. The error is a [core.ErrInvalid].
func Open(_ context.Context, dsn string, c Config) (*core.HeartbeatMatchMaker, error) {
	s, err := OpenStore(dsn, c)
	if err != nil {
		return nil, err
	}
	return core.NewHeartbeat(s, s.config.HeartbeatConfig)
}

// OpenStore returns a store over clients of its own. Close it after use. The DSN is as for [Open].
func OpenStore(dsn string, c Config) (*Store, error) {
	options, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	own := newLines(dialer(options))
	options.Dialer = own.Dial
	client := redis.NewClient(options)
	s, err := newStore(client, c, own)
	if err != nil {
		client.Close()
		return nil, err
	}
	s.owned = client
	return s, nil
}

var schemes = regexp.MustCompile(`^[a-z0-9+.-]*$`)

const escapes = ", with / ? # @ % of a password written as %2F %3F %23 %40 %25"

// parseDSN reads a URL. Its errors never show a password.
func parseDSN(dsn string) (*redis.Options, error) {
	scheme, _, _ := strings.Cut(dsn, ":")
	switch scheme {
	case "redis", "rediss", "unix":
	case "redis+sentinel", "rediss+sentinel", "sentinel", "redis+cluster", "rediss+cluster", "cluster":
		return nil, core.Invalid("redis url", scheme+"://…", "Sentinel and Cluster are not supported yet; want redis://, rediss:// or unix://")
	default:
		if !schemes.MatchString(scheme) {
			scheme = ""
		}
		return nil, core.Invalid("redis url", scheme+"…", "want redis://host:port/db, rediss:// or unix://path")
	}
	if strings.Contains(dsn, "#") {
		return nil, core.Invalid("redis url", scheme+"://…", "want no #"+escapes)
	}
	options, err := redis.ParseURL(dsn)
	if err != nil {
		return nil, core.Invalid("redis url", redact(dsn), "want redis://user:password@host:port/db?option=value"+why(err, dsn))
	}
	options.ContextTimeoutEnabled = true
	quiet(options)
	return options, nil
}

// quiet leaves out what a client of go-redis does beyond what it is told to.
func quiet(options *redis.Options) {
	options.DialerRetries = 1
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// plainURL returns a DSN without user, password and options, if it can be told which is which: a password
// with an unescaped / ? # or @ may be anywhere.
func plainURL(dsn string) (u *url.URL, ok bool) {
	u, err := url.Parse(dsn)
	if err != nil || strings.Count(dsn, "@") > 1 || (u.User == nil && strings.Contains(dsn, "@")) {
		return nil, false
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}, true
}

func redact(dsn string) string {
	if u, ok := plainURL(dsn); ok {
		return u.String()
	}
	scheme, _, _ := strings.Cut(dsn, ":")
	return scheme + "://…"
}

// why returns the reason of a parse error, unless a password may be in it.
func why(err error, dsn string) string {
	if _, ok := plainURL(dsn); !ok {
		return escapes
	}
	return ": " + err.Error()
}

// manyFailures is the size of a pool that goes on dialling: see newStore.
const manyFailures = 10_000

// NewStore returns a store over the user's client, a *[redis.Client] whose ContextTimeoutEnabled is set:
// without it a call would outlive its context's deadline. The store makes a second client of the same options for its
// beats, without retries, because a repeated beat must not be mistaken for a new one.
// Close closes that, not the user's.
func NewStore(client redis.UniversalClient, c Config) (*Store, error) {
	return newStore(client, c, nil)
}

// newStore returns a store over a client whose lines are own, or nil if they are the user's.
func newStore(client redis.UniversalClient, c Config, own *lines) (*Store, error) {
	single, ok := client.(*redis.Client)
	if !ok {
		return nil, core.Invalid("client", fmt.Sprintf("%T", client), "want a *redis.Client; others are not supported yet")
	}
	options := *single.Options()
	if !options.ContextTimeoutEnabled {
		return nil, core.Invalid("client option ContextTimeoutEnabled", "false", "want true, so that calls end with their context")
	}
	heartbeat, err := c.HeartbeatConfig.Complete()
	if err != nil {
		return nil, err
	}
	c.HeartbeatConfig = heartbeat
	k, err := newKeys(c.Prefix, options.DB)
	if err != nil {
		return nil, err
	}
	addr := options.Addr
	if own == nil {
		own = newLines(options.Dialer)
		options.Dialer = own.Dial
	}
	options.MaxRetries = -1
	options.PipelinePoolSize, options.MinIdleConns, options.MaxIdleConns = -1, 0, 4
	// Writes take turns, so this pool has few connections. Its size is how many dials may fail before go-redis
	// tries only once a second: beats are to be there as soon as Redis is.
	options.PoolSize = manyFailures
	options.PushNotificationProcessor, options.ClientSideCache, options.ClientSideCacheConfig = nil, nil, nil // the user's
	quiet(&options)
	s := &Store{
		config:  c,
		keys:    k,
		addr:    addr,
		read:    single,
		write:   redis.NewClient(&options),
		lines:   own,
		follows: make(map[string]*follower),
	}
	s.patience = s.write.Options().ReadTimeout
	if s.patience <= 0 { // it waits for ever
		s.patience = time.Hour
	}
	s.ear = newEar(s)
	s.sweeps = newSweeper(s)
	s.strangers = newStrangers(s)
	return s, nil
}
