package redismm

import (
	"crypto/tls"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// target is where a DSN leads: one of the three.
type target struct {
	one       *redis.Options
	sentinels *redis.FailoverOptions
	cluster   *redis.ClusterOptions
}

// addr says in errors which Redis is meant.
func (t *target) addr() string {
	switch {
	case t.sentinels != nil:
		return t.sentinels.MasterName + " by sentinels at " + strings.Join(t.sentinels.SentinelAddrs, ",")
	case t.cluster != nil:
		return strings.Join(t.cluster.Addrs, ",")
	}
	return t.one.Addr
}

// connect returns a client, and its lines.
func (t *target) connect() (redis.UniversalClient, *lines) {
	switch {
	case t.sentinels != nil:
		aside := newLines(dialer(t.sentinels.DialTimeout, t.sentinels.TLSConfig), false) // to the sentinels too
		t.sentinels.Dialer, t.sentinels.MinIdleConns = aside.Dial, 0                     // none is dialled before the next lines
		client := redis.NewFailoverClient(t.sentinels)
		client.Options().OnConnect = nil // that is for the sentinels alone
		own := newLines(asking(client.Options().Dialer, t.sentinels.SentinelUsername), true)
		own.aside = aside
		client.Options().Dialer = own.Dial
		return client, own
	case t.cluster != nil:
		own := newLines(dialer(t.cluster.DialTimeout, t.cluster.TLSConfig), false)
		t.cluster.Dialer = own.Dial
		return redis.NewClusterClient(t.cluster), own
	}
	own := newLines(dialer(t.one.DialTimeout, t.one.TLSConfig), false)
	t.one.Dialer = own.Dial
	return redis.NewClient(t.one), own
}

const (
	forms   = "want redis://host:port/db, rediss://, unix://path, redis://host:port/db?master_name=name for Sentinels or redis+cluster://host:port"
	escapes = ", with / ? # @ % of a password written as %2F %3F %23 %40 %25"
)

var schemes = regexp.MustCompile(`^[a-z0-9+.-]*$`)

// parseDSN reads a URL. Its errors never show a password.
func parseDSN(dsn string) (*target, error) {
	scheme, rest, _ := strings.Cut(dsn, ":")
	plain, topology, _ := strings.Cut(scheme, "+")
	switch scheme {
	case "redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster":
	default:
		if !schemes.MatchString(scheme) {
			scheme = ""
		}
		return nil, core.Invalid("redis url", scheme+"…", forms)
	}
	if strings.Contains(dsn, "#") {
		return nil, core.Invalid("redis url", scheme+"://…", "want no #"+escapes)
	}
	u, err := url.Parse(plain + ":" + rest)
	if err != nil {
		return nil, refusedDSN(dsn, err)
	}
	if strings.Contains(u.Host, ",") {
		return nil, refusedDSN(dsn, errors.New("want one host, and the others as addr=host:port"))
	}
	files, query := takeFiles(u)
	t := new(target)
	switch {
	case topology == "sentinel", topology == "" && query.Has("master_name"):
		t.sentinels, err = redis.ParseFailoverURL(u.String())
		if err == nil && t.sentinels.MasterName == "" {
			err = errors.New("master_name is missing: the name under which the sentinels know the server")
		}
	case topology == "cluster", query.Has("addr") && plain != "unix":
		if strings.Trim(u.Path, "/") != "" && strings.Trim(u.Path, "/") != "0" {
			err = errors.New("a cluster has database 0 only")
			break
		}
		t.cluster, err = redis.ParseClusterURL(u.String())
	default:
		t.one, err = redis.ParseURL(u.String())
	}
	if err == nil {
		err = t.complete(files)
	}
	if err != nil {
		return nil, refusedDSN(dsn, err)
	}
	return t, nil
}

func refusedDSN(dsn string, err error) error {
	return core.Invalid("redis url", redact(dsn), "want redis://user:password@host:port/db?option=value"+why(err, dsn))
}

// complete sets what every form has.
func (t *target) complete(f files) error {
	secure, err := f.tls(t.tls())
	if err != nil {
		return err
	}
	credentials, err := t.credentials(f.password)
	if err != nil {
		return err
	}
	if f.sentinels != "" && t.sentinels == nil {
		return errors.New("sentinel_password_file wants Sentinels: master_name")
	}
	switch {
	case t.sentinels != nil:
		o := t.sentinels
		if o.ReplicaOnly || o.RouteByLatency || o.RouteRandomly {
			return errors.New("want neither replica_only nor route_by_latency nor route_randomly: a replica's data may be old")
		}
		o.ContextTimeoutEnabled, o.DialerRetries, o.DisableIdentity = true, 1, true
		o.TLSConfig, o.CredentialsProviderContext = secure, credentials
		o.OnConnect, err = presenting(o, f.sentinels)
		return err
	case t.cluster != nil:
		t.cluster.ContextTimeoutEnabled = true
		quietCluster(t.cluster)
		t.cluster.TLSConfig, t.cluster.CredentialsProviderContext = secure, credentials
	default:
		t.one.ContextTimeoutEnabled = true
		quiet(t.one)
		t.one.TLSConfig, t.one.CredentialsProviderContext = secure, credentials
	}
	return nil
}

func (t *target) tls() *tls.Config {
	switch {
	case t.sentinels != nil:
		return t.sentinels.TLSConfig
	case t.cluster != nil:
		return t.cluster.TLSConfig
	}
	return t.one.TLSConfig
}

// user is who the URL says asks the servers.
func (t *target) user() (name, password string) {
	switch {
	case t.sentinels != nil:
		return t.sentinels.Username, t.sentinels.Password
	case t.cluster != nil:
		return t.cluster.Username, t.cluster.Password
	}
	return t.one.Username, t.one.Password
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
