// Package checks asks again and again whether what a process vouches for works, by HTTP, TCP or gRPC health.
package checks

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/redismm/matchmaker/core"
)

// Check is a question that can be asked of a server. The zero Check is none.
type Check struct {
	scheme string
	addr   string // host:port
	target string // the URL, or the service of grpc
}

// want is what Parse takes.
const want = "want http://HOST:PORT/PATH, https://..., tcp://HOST:PORT or grpc://HOST:PORT[/SERVICE]"

// ports are those that a URL may leave out.
var ports = map[string]string{"http": "80", "https": "443", "tcp": "", "grpc": ""}

// Parse reads a check: http://HOST:PORT/PATH passes with a status of 200 to 399, redirections not followed;
// https:// likewise, its certificate verified; tcp://HOST:PORT passes when a connection is accepted;
// grpc://HOST:PORT[/SERVICE] when the standard health service, in the clear, says SERVING. A HOST left out is
// 127.0.0.1. The error is a [core.ErrInvalid].
func Parse(text string) (Check, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Check{}, core.Invalid("check", text, want)
	}
	port, known := ports[u.Scheme]
	if u.Port() != "" {
		port = u.Port()
	}
	if _, err := net.LookupPort("tcp", port); !known || u.Opaque != "" || u.User != nil || port == "" || err != nil || port == "0" {
		return Check{}, core.Invalid("check", text, want)
	}
	host := u.Hostname()
	if host == "" {
		host = "127.0.0.1"
	}
	c := Check{scheme: u.Scheme, addr: net.JoinHostPort(host, port)}
	switch u.Scheme {
	case "http", "https":
		u.Host, u.Fragment = c.addr, ""
		c.target = u.String()
	case "grpc":
		c.target = strings.Trim(u.Path, "/")
	}
	if u.Scheme == "tcp" && u.Path != "" || (u.Scheme == "tcp" || u.Scheme == "grpc") && u.RawQuery != "" {
		return Check{}, core.Invalid("check", text, want)
	}
	return c, nil
}

// String is the check as Parse reads it.
func (c Check) String() string {
	switch c.scheme {
	case "":
		return ""
	case "http", "https":
		return c.target
	case "grpc":
		return strings.TrimSuffix("grpc://"+c.addr+"/"+c.target, "/")
	}
	return c.scheme + "://" + c.addr
}

// Ask asks once and returns nil if the check passes.
func (c Check) Ask(ctx context.Context) error {
	var err error
	switch c.scheme {
	case "http", "https":
		err = askHTTP(ctx, c.target)
	case "tcp":
		err = askTCP(ctx, c.addr)
	case "grpc":
		err = askGRPC(ctx, c.addr, c.target)
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s: no answer in time", c)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	return nil
}
