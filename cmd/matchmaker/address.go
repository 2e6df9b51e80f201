package main

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/advertise"
	"github.com/redismm/matchmaker/core"
)

func (s *settings) advertiseFlag(f *pflag.FlagSet) {
	f.StringVar(&s.Advertise, "advertise", "auto",
		"this machine's address for an addr such as :8080, by a `word`: "+advertise.Form)
}

// reachable gives an addr without a host part, or with the unspecified address that servers listen on, the
// address at which this machine is seen, and logs why it is that one.
func (a *app) reachable(ctx context.Context, addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if addr == "" || err != nil {
		return addr, nil // for Check to refuse
	}
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		return addr, nil
	}
	m, err := machine(ctx, a.RedisURL, a.env)
	if err != nil {
		return "", core.Invalid("addr", addr, "want an address before the port: "+err.Error())
	}
	own, err := m.Choose(a.Advertise)
	if err != nil {
		return "", usagef("addr %q, and %s: %w", addr, a.origin("advertise"), err)
	}
	if !a.asksOnce && a.advertised.Swap(own) != own {
		a.log.Info().Stringer("address", own.Addr).Str("why", own.Why).Msg("advertising")
	}
	return net.JoinHostPort(own.Addr.String(), port), nil
}

// machine is what is known of this machine and of the way from it to Redis; of several servers the first counts,
// unless that one is here and another is not.
func machine(ctx context.Context, dsn string, env map[string]string) (*advertise.Machine, error) {
	interfaces, err := advertise.Here()
	if err != nil {
		return nil, err
	}
	m := &advertise.Machine{Interfaces: interfaces, Env: func(name string) string { return env[name] }}
	u, err := url.Parse(dsn)
	if strings.HasPrefix(dsn, embeddedURL) || err == nil && u.Scheme == "unix" {
		m.Beside = true
		return m, nil
	}
	if err != nil { // to be refused where Redis is opened
		return m, nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	m.Registry = advertise.Towards(ctx, net.JoinHostPort(cmp.Or(u.Hostname(), "localhost"), cmp.Or(u.Port(), "6379")))
	m.Beside = m.Registry.IsLoopback()
	for _, other := range u.Query()["addr"] {
		if m.Beside && !advertise.Towards(ctx, other).IsLoopback() { // a sentinel of each machine, say
			m.Registry, m.Beside, m.Several = netip.Addr{}, false, true
		}
	}
	return m, nil
}
