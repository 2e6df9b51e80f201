package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/redismm/matchmaker/core"
)

// reachable gives an addr without a host part, or with the unspecified address that servers listen on, the
// address at which this machine is seen.
func (a *app) reachable(ctx context.Context, addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if addr == "" || err != nil {
		return addr, nil // for Check to refuse
	}
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		return addr, nil
	}
	own, err := ownAddress(ctx, a.RedisURL)
	if err != nil {
		return "", core.Invalid("addr", addr, "want an address before the port: "+err.Error())
	}
	return net.JoinHostPort(own, port), nil
}

// ownAddress is the address from which this machine reaches Redis: loopback only beside a Redis that is there
// too. Of several servers the first counts. No packet is sent. While the name of the Redis host cannot be resolved, it is the machine's first
// address that is not loopback.
func ownAddress(ctx context.Context, dsn string) (string, error) {
	const beside = "127.0.0.1"
	if dsn == embeddedURL {
		return beside, nil
	}
	u, err := url.Parse(dsn) // of Sentinels and clusters too
	if err != nil {
		return "", fmt.Errorf("nor is the Redis URL one")
	}
	if u.Scheme == "unix" {
		return beside, nil
	}
	server := net.JoinHostPort(cmp.Or(u.Hostname(), "localhost"), cmp.Or(u.Port(), "6379"))
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if conn, err := new(net.Dialer).DialContext(ctx, "udp", server); err == nil {
		defer conn.Close()
		return conn.LocalAddr().(*net.UDPAddr).IP.String(), nil
	}
	return firstAddress()
}

func firstAddress() (string, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String(), nil
		}
	}
	return "", fmt.Errorf("this machine has no address but loopback")
}
