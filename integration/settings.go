package integration

import (
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Proxied, among the options of a start, puts a [Proxy] in front of each server, whose address is the one
// that clients and other servers are given.
const Proxied = "proxied yes"

// settings are the options of a server, read.
type settings struct {
	lines          []string
	port           string // the line of the port, with %d in its place
	user, password string // of the URL
	// admin may do everything: the default user, or one of the kit's where the options say who may do what.
	admin, adminPassword string
	tls                  *tls.Config // nil without
	proxied              bool
}

// usual are the lines that options may overrule: all that a server was told is on disk after a Kill, and
// nothing happens at a time of its own.
var usual = []string{`save ""`, "appendonly yes", "appendfsync no", "auto-aof-rewrite-percentage 0"}

const kit = "integration" // the kit's own user

// read reads options, each a line of a redis.conf.
func read(t testing.TB, options []string) settings {
	t.Helper()
	s := settings{lines: slices.Clone(usual), port: "port %d"}
	files := make(map[string]string)
	for _, o := range options {
		name, value, _ := strings.Cut(o, " ")
		switch {
		case o == Proxied:
			s.proxied = true
			continue
		case name == "port" || name == "tls-port" || name == "dir" || name == "bind":
			t.Fatalf("option %q: the kit chooses the server's %s", o, name)
		case name == "aclfile":
			t.Fatalf("option %q: give the users as lines, so that the kit's own can be beside them", o)
		case name == "requirepass":
			s.password, s.adminPassword = value, value
		case name == "user" && s.admin == "":
			s.admin, s.adminPassword = kit, kit
			s.lines = append(s.lines, "user "+kit+" on >"+kit+" ~* &* +@all")
		case strings.HasPrefix(name, "tls-"):
			files[name] = value
		case value == "":
			o = name + ` ""`
		}
		s.lines = append(s.lines, o)
	}
	if s.admin != "" {
		s.adminPassword = kit
	}
	if ca := files["tls-ca-cert-file"]; ca != "" {
		config, err := clientConfig(ca, files["tls-cert-file"], files["tls-key-file"])
		if err != nil {
			t.Fatalf("options of TLS: %v", err)
		}
		s.tls, s.port = config, "port 0\ntls-port %d"
	}
	return s
}

// peers are the lines by which servers find and trust each other.
func (s *settings) peers() []string {
	var lines []string
	if s.admin != "" {
		lines = append(lines, "masteruser "+s.admin)
	}
	if s.adminPassword != "" {
		lines = append(lines, "masterauth "+s.adminPassword)
	}
	if s.tls != nil {
		lines = append(lines, "tls-replication yes")
	}
	return lines
}

// client is the configuration of a client, or nil without TLS.
func (s *settings) client() *tls.Config {
	if s.tls == nil {
		return nil
	}
	return s.tls.Clone()
}

// url returns the DSN of database 0 at a host:port.
func (s *settings) url(host, user, password string) string {
	u := url.URL{Scheme: s.scheme(), Host: host, Path: "/0", User: userinfo(user, password)}
	return u.String()
}

func (s *settings) scheme() string {
	if s.tls != nil {
		return "rediss"
	}
	return "redis"
}

func userinfo(user, password string) *url.Userinfo {
	if user == "" && password == "" {
		return nil
	}
	return url.UserPassword(user, password)
}

// freePort returns a port below the range from which outgoing connections are numbered: a client that
// dials a dead server's port over and over may else be given that port for itself, and the server cannot
// come back.
func freePort() (int, error) {
	for range 100 {
		port := 10000 + rand.IntN(20000)
		if l, err := net.Listen("tcp", loopback(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port between 10000 and 30000 in 100 attempts")
}
