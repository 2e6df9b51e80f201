package integration

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Sentinel is a primary and two replicas, and three sentinels of which two must agree that the primary is
// gone, which takes them a second or two. Its methods end the test if the servers do not do as they are
// told; they are for one goroutine at a time.
type Sentinel struct {
	// URL is the DSN of database 0, as redis.ParseFailoverURL reads it.
	URL string
	// Servers are the three that hold data, whoever is the primary. Sentinels watch them.
	Servers, Sentinels Servers

	t        testing.TB
	settings settings // of the servers
	password string   // of the sentinels
}

// master is the name under which the sentinels know the primary.
const master = "mm"

// StartSentinel starts them all, each as [StartRedis] does, and returns when every sentinel knows everyone.
// The options are for the servers, but for those that begin with "sentinel ": "sentinel requirepass secret"
// is the sentinels' own password, "sentinel user alice on >secret ..." a user of theirs, others are as for
// SENTINEL SET: "sentinel down-after-milliseconds 500".
func StartSentinel(t testing.TB, options ...string) *Sentinel {
	t.Helper()
	s := &Sentinel{t: t}
	var serving, watching []string
	for _, o := range options {
		if line, ok := strings.CutPrefix(o, "sentinel "); ok {
			watching = append(watching, line)
		} else {
			serving = append(serving, o)
		}
	}
	for range 3 {
		s.Servers = append(s.Servers, newPeer(t, serving))
	}
	s.settings = s.Servers[0].settings
	for range 3 {
		s.Sentinels = append(s.Sentinels, s.newSentinel(serving, watching))
	}
	launchAll(t, slices.Concat(s.Servers, s.Sentinels))
	s.password = s.Sentinels[0].settings.password
	s.URL = s.As(s.settings.user, s.settings.password)
	s.replicate()
	s.watch(watching)
	return s
}

// newPeer returns a server that finds and trusts others of the same options.
func newPeer(t testing.TB, options []string) *Redis {
	t.Helper()
	r := newServer(t, append([]string{"repl-diskless-sync-delay 0", "repl-ping-replica-period 1"}, options...))
	r.settings.lines = append(r.settings.lines, r.settings.peers()...)
	return r
}

// newSentinel returns a sentinel with the TLS and the proxies of the servers.
func (s *Sentinel) newSentinel(serving, watching []string) *Redis {
	s.t.Helper()
	var options []string
	for _, o := range serving {
		if strings.HasPrefix(o, "tls-") || o == Proxied {
			options = append(options, o)
		}
	}
	for _, o := range watching {
		if own(o) {
			options = append(options, o)
		}
	}
	r := newServer(s.t, options)
	r.settings.lines = r.settings.lines[len(usual):] // a sentinel has no data
	if r.settings.tls != nil {
		r.settings.lines = append(r.settings.lines, "tls-replication yes")
	}
	if r.settings.admin != "" { // as whom they vote
		r.settings.lines = append(r.settings.lines, "sentinel sentinel-user "+r.settings.admin, "sentinel sentinel-pass "+r.settings.adminPassword)
	}
	r.run = append(r.run, "--sentinel")
	return r
}

// own says whether an option is for the sentinels themselves, and not for what they watch.
func own(option string) bool {
	return strings.HasPrefix(option, "requirepass ") || strings.HasPrefix(option, "user ")
}

// replicate makes the first server the primary of the others.
func (s *Sentinel) replicate() {
	s.t.Helper()
	for i, r := range s.Servers {
		host, port, _ := net.SplitHostPort(r.At())
		r.do("CONFIG", "SET", "replica-announce-ip", host, "replica-announce-port", port)
		if host, port, _ = net.SplitHostPort(s.Servers[0].At()); i > 0 {
			r.do("REPLICAOF", host, port)
		}
		r.do("CONFIG", "REWRITE") // a restart keeps the role
	}
	Eventually(s.t, startTimeout, "two replicas follow the primary", func() bool { return s.Servers[0].role().replicas == 2 })
}

// watch makes the sentinels watch the primary, more often than they do by themselves.
func (s *Sentinel) watch(watching []string) {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.Servers[0].At())
	set := []any{"SENTINEL", "SET", master, "down-after-milliseconds", 1000, "failover-timeout", 5000, "parallel-syncs", 2}
	if s.settings.admin != "" {
		set = append(set, "auth-user", s.settings.admin)
	}
	if s.settings.adminPassword != "" {
		set = append(set, "auth-pass", s.settings.adminPassword)
	}
	for _, o := range watching {
		if name, value, _ := strings.Cut(o, " "); !own(o) {
			set = append(set, name, value)
		}
	}
	for _, r := range s.Sentinels {
		if host, port, _ := net.SplitHostPort(r.At()); r.proxy != nil {
			r.do("SENTINEL", "CONFIG", "SET", "announce-ip", host)
			r.do("SENTINEL", "CONFIG", "SET", "announce-port", port)
		}
		r.do("SENTINEL", "DEBUG", "INFO-PERIOD", 200, "PUBLISH-PERIOD", 200, "ASK-PERIOD", 100)
		r.do("SENTINEL", "MONITOR", master, host, port, 2)
		r.do(set...)
	}
	Eventually(s.t, startTimeout, "every sentinel knows everyone", func() bool {
		return !slices.ContainsFunc(s.Sentinels, func(r *Redis) bool {
			known, _ := r.watched()
			return known["num-slaves"] != "2" || known["num-other-sentinels"] != "2" || known["flags"] != "master"
		})
	})
}

// As returns the DSN of database 0 for a user of the servers, or for the default user if that is "".
func (s *Sentinel) As(user, password string) string {
	u := url.URL{Scheme: s.settings.scheme(), Host: s.Sentinels[0].At(), Path: "/0", User: userinfo("", s.password)}
	q := url.Values{"master_name": {master}}
	for _, r := range s.Sentinels[1:] {
		q.Add("addr", r.At())
	}
	if user != "" {
		q.Set("username", user)
	}
	if password != "" {
		q.Set("password", password)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// AskedAs returns a DSN of the same servers whose sentinels are asked as a user of their own, or as the default
// user if that is "".
func (s *Sentinel) AskedAs(dsn, user, password string) string {
	s.t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		s.t.Fatal(err)
	}
	u.User = userinfo(user, password)
	return u.String()
}
