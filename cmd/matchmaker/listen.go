package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/api"
	"github.com/redismm/matchmaker/cmd/matchmaker/internal/dns"
	"github.com/redismm/matchmaker/cmd/matchmaker/internal/page"
	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
)

const (
	// defaultListen is where a sidecar is asked unless it is told otherwise.
	defaultListen = "127.0.0.1:7766"
	listenOff     = "off"
)

func (s *settings) listenFlags(f *pflag.FlagSet, here string) {
	f.StringVar(&s.Listen, "listen", here,
		"where the HTTP API answers, every verb, and the page: an `address` of the loopback interface, the path of a socket, or off")
	f.StringVar(&s.ListenOps, "listen-ops", listenOff,
		"where the page, health, metrics and the API's reads answer, no verb: any `address`, such as :7767, or off")
	f.StringVar(&s.ListenDNS, "listen-dns", listenOff,
		"where DNS is answered, by UDP and TCP: any `address`, such as 127.0.0.1:7753, or off")
	f.StringVar(&s.DNSDomain, "dns-domain", "matchmaker", "the `domain` below which DNS has the topics")
	f.StringVar(&s.DNSNear, "dns-near", "", "the `zone` whose hosts DNS names as the first to be tried, by SRV priority")
}

// listeners are the servers of a process that keeps registrations. A nil *listeners listens nowhere.
type listeners struct {
	api     *api.API
	dns     *dns.Server
	servers []*http.Server
	going   sync.WaitGroup
}

// listen begins to serve what --listen, --listen-ops and --listen-dns say, if anything. A default address that is taken is not
// listened at, and the log says so: another sidecar of this machine has it.
func (a *app) listen(mm *core.HeartbeatMatchMaker, ks []kept) (*listeners, error) {
	names, err := a.listenDNS(mm)
	if err != nil {
		return nil, err
	}
	l := &listeners{dns: names}
	if err := a.listenHTTP(l, mm, ks); err != nil {
		names.Close()
		return nil, err
	}
	if l.dns == nil && l.api == nil {
		return nil, nil
	}
	return l, nil
}

// listenHTTP adds to l what --listen and --listen-ops say.
func (a *app) listenHTTP(l *listeners, mm *core.HeartbeatMatchMaker, ks []kept) error {
	ops, err := a.listener("listen-ops", a.ListenOps, api.Anywhere)
	if err != nil {
		return err
	}
	here, err := a.listener("listen", a.Listen, api.Here)
	if errors.Is(err, syscall.EADDRINUSE) && !a.given("listen") {
		a.log.Warn().Str("address", a.Listen).Msg("somebody else listens there, perhaps another sidecar; this one goes on without --listen")
		here, err = nil, nil
	}
	if err != nil {
		if ops != nil {
			ops.Close()
		}
		return err
	}
	if here == nil && ops == nil {
		return nil
	}
	l.api = api.New(a.apiOf(mm, ks))
	a.metrics.Await(l.api.Awaited)
	a.serve(l, "listen", here, l.api.All())
	a.serve(l, "listen-ops", ops, l.api.Reads())
	return nil
}

func (a *app) listener(flag, at string, listen func(string) (net.Listener, error)) (net.Listener, error) {
	if at == listenOff {
		return nil, nil
	}
	l, err := listen(at)
	if err != nil {
		return nil, a.noListener(flag, at, err)
	}
	return l, nil
}

// noListener says why nobody listens at an address.
func (a *app) noListener(flag, at string, err error) error {
	if errors.Is(err, core.ErrInvalid) {
		return usagef("%s: %w, or off", a.origin(flag), err)
	}
	return usagef("%s is %q: %w", a.origin(flag), at, err)
}

// listenDNS begins to answer DNS, if it is to be.
func (a *app) listenDNS(mm *core.HeartbeatMatchMaker) (*dns.Server, error) {
	domain, err := dns.Domain(a.DNSDomain)
	if err != nil {
		return nil, usagef("%s: %w", a.origin("dns-domain"), err)
	}
	if a.ListenDNS == listenOff {
		return nil, nil
	}
	s, err := dns.Serve(a.ListenDNS, dns.Config{Domain: domain, Near: a.DNSNear, Members: mm.Live().Members, Answered: a.metrics.AnsweredDNS})
	if err != nil {
		return nil, a.noListener("listen-dns", a.ListenDNS, err)
	}
	a.log.Info().Str("address", s.Addr().String()).Str("domain", domain).Msg("listen-dns")
	return s, nil
}

func (a *app) apiOf(mm *core.HeartbeatMatchMaker, ks []kept) api.Config {
	c := api.Config{MatchMaker: mm, Timeout: a.Timeout, Complete: a.complement, Message: a.message}
	for _, k := range ks {
		c.Awaited = append(c.Awaited, k.Registration)
	}
	c.Registered = func(ctx context.Context, topic, host string) { a.checked(ctx, mm, topic, host) }
	c.Resolve, c.Answered = a.metrics.Resolve(mm.Resolve), a.metrics.Answered
	c.Freq, c.TTL = a.HeartbeatFreq, a.HeartbeatTTL
	c.More = page.Files()
	c.More["/metrics"] = a.metrics.Handler()
	if s, ok := a.registryKept.(*redismm.Store); ok {
		c.Drain, c.Lives = s.DrainFor, s.Lives
	}
	return c
}

func (a *app) serve(l *listeners, flag string, at net.Listener, h http.Handler) {
	if at == nil {
		return
	}
	a.log.Info().Str("address", at.Addr().String()).Msg(flag)
	s := api.NewServer(h, log.New(complaints{a.log}, "", 0))
	l.servers = append(l.servers, s)
	l.going.Go(func() { s.Serve(at) })
}

// Leaving lets no verb begin any more, and returns when those under way have ended, or ctx ends.
func (l *listeners) Leaving(ctx context.Context) {
	if l != nil && l.api != nil {
		l.api.Leaving(ctx)
	}
}

// lastAnswers bounds how long answers under way may take once the registrations have left.
const lastAnswers = 3 * time.Second

// Close ends the streams, waits for the answers under way unless ctx ends, and ends the servers.
func (l *listeners) Close(ctx context.Context) {
	if l == nil {
		return
	}
	l.dns.Close()
	if l.api == nil {
		return
	}
	l.api.Close()
	ctx, cancel := context.WithTimeout(ctx, lastAnswers)
	defer cancel()
	for _, s := range l.servers {
		l.going.Go(func() {
			if s.Shutdown(ctx) != nil {
				s.Close()
			}
		})
	}
	l.going.Wait()
}

// complaints are what a server says of its connections.
type complaints struct{ log zerolog.Logger }

var _ io.Writer = complaints{}

func (c complaints) Write(line []byte) (int, error) {
	c.log.Debug().Msg(string(line[:max(0, len(line)-1)]))
	return len(line), nil
}
