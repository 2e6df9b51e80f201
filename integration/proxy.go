package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

// Proxy stands between clients and a server, and does to what passes whatever it is told, until Heal. What
// holds for connections holds for those that are open and for new ones. Several faults may be on at once.
type Proxy struct {
	// Addr is where it listens.
	Addr string

	t     testing.TB
	inner *toxiproxy.Proxy
	ping  func(within time.Duration) error // through it; nil if it is not known what is behind
}

// StuckLinks are the goroutines of a proxy's that may stay for ever, for goleak to leave out: where a connection fails,
// toxiproxy stops writing, and nobody takes what was read. That a proxy was not ended is seen by the others of its.
func StuckLinks() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
	}
}

// StartProxy starts a proxy to a host:port, which ends with the test.
func StartProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	p, err := newProxy(t, upstream)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newProxy(t testing.TB, upstream string) (*Proxy, error) {
	var p *toxiproxy.Proxy
	var err error
	for range 10 { // another process may take the port first
		var port int
		if port, err = freePort(); err != nil {
			break
		}
		server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
		p = toxiproxy.NewProxy(server, "redis", loopback(port), upstream)
		if err = p.Start(); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("start a proxy to %s: %w", upstream, err)
	}
	t.Cleanup(func() {
		p.Toxics.ResetToxics(context.Background())
		p.Stop()
	})
	return &Proxy{Addr: p.Listen, t: t, inner: p}, nil
}

// Down refuses connections, and closes those that are open.
func (p *Proxy) Down() {
	p.t.Helper()
	p.inner.Stop()
	// A child has its parent's sockets from its fork to its exec, and with them the listener that is closed here.
	Eventually(p.t, startTimeout, fmt.Sprintf("the proxy at %s refuses connections", p.Addr), func() bool {
		c, err := net.Dial("tcp", p.Addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// Cut closes the connections that are open, and takes new ones.
func (p *Proxy) Cut() { p.t.Helper(); p.Down(); p.up() }

// Reset resets new connections as soon as something is sent on them, and closes those that are open.
func (p *Proxy) Reset() {
	p.t.Helper()
	p.add("reset_peer", "upstream", nil)
	p.add("reset_peer", "downstream", nil)
	p.Cut()
	p.isShut("resets")
}

// Blackhole lets nothing pass, not even the end of a connection, while connections stay open and new ones
// are taken. What was sent arrives when it is healed, unless its sender gave the connection up.
func (p *Proxy) Blackhole() {
	p.t.Helper()
	p.add("hold", "upstream", nil)
	p.add("hold", "downstream", nil)
	p.isShut("is a black hole")
}

// Deafen lets requests pass and keeps replies back, as Blackhole does.
func (p *Proxy) Deafen() {
	p.t.Helper()
	p.add("hold", "downstream", nil)
	p.isShut("keeps replies back")
}

// Drop loses all that is sent either way while connections stay open; those are closed when it is healed.
func (p *Proxy) Drop() {
	p.t.Helper()
	p.add("timeout", "upstream", nil)
	p.add("timeout", "downstream", nil)
	p.isShut("drops")
}

// Lag delays every reply.
func (p *Proxy) Lag(by time.Duration) {
	p.t.Helper()
	p.add("latency", "downstream", map[string]int64{"latency": by.Milliseconds()})
	if p.ping == nil {
		return
	}
	began := time.Now()
	if err := p.ping(startTimeout + 10*by); err != nil || time.Since(began) < by {
		p.t.Fatalf("a PING through the proxy at %s took %s, %v; want %s at least", p.Addr, time.Since(began), err, by)
	}
}

// Throttle lets pass no more than so many thousand bytes a second either way.
func (p *Proxy) Throttle(kilobytes int64) {
	p.t.Helper()
	slices := map[string]int64{"average_size": 10 * kilobytes, "delay": (10 * time.Millisecond).Microseconds()}
	p.add("slicer", "upstream", slices)
	p.add("slicer", "downstream", slices)
}

// Heal ends all faults.
func (p *Proxy) Heal() {
	p.t.Helper()
	p.inner.Toxics.ResetToxics(context.Background())
	if !p.inner.Enabled {
		p.up()
	}
}

// isShut ends the test if a PING comes through.
func (p *Proxy) isShut(because string) {
	p.t.Helper()
	if p.ping != nil && p.ping(30*time.Millisecond) == nil {
		p.t.Fatalf("the proxy at %s %s, and a PING came through", p.Addr, because)
	}
}

func (p *Proxy) up() {
	p.t.Helper()
	if err := p.inner.Start(); err != nil {
		p.t.Fatalf("the proxy at %s does not come back: %v", p.Addr, err)
	}
}

func (p *Proxy) add(toxic, stream string, attributes map[string]int64) {
	p.t.Helper()
	text, err := json.Marshal(map[string]any{"type": toxic, "stream": stream, "attributes": attributes})
	if err == nil {
		_, err = p.inner.Toxics.AddToxicJson(bytes.NewReader(text))
	}
	if err != nil {
		p.t.Fatalf("%s %s at %s: %v", toxic, stream, p.Addr, err)
	}
}

// hold takes nothing in until it is removed.
type hold struct{}

func (hold) Pipe(stub *toxics.ToxicStub) { <-stub.Interrupt }

func init() { toxics.Register("hold", new(hold)) }
