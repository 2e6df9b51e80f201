package integration

import "time"

// front puts the proxy in front of a new server, where one was asked for.
func (r *Redis) front() error {
	if !r.settings.proxied {
		return nil
	}
	p, err := newProxy(r.t, r.Addr)
	if err != nil {
		return err
	}
	p.ping = func(within time.Duration) error { return r.answersAt(p.Addr, within) }
	r.proxy = p
	r.URL = r.settings.url(p.Addr, r.settings.user, r.settings.password)
	return nil
}

// Proxy returns the proxy in front of the server, which was started with [Proxied].
func (r *Redis) Proxy() *Proxy {
	r.t.Helper()
	if r.proxy == nil {
		r.t.Fatalf("redis-server at %s has no proxy: start it with the option integration.Proxied", r.Addr)
	}
	return r.proxy
}

// At is the host:port that clients and other servers are given: the proxy's, or Addr.
func (r *Redis) At() string {
	if r.proxy != nil {
		return r.proxy.Addr
	}
	return r.Addr
}
