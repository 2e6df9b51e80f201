package httpmm

import (
	"cmp"
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redismm/matchmaker/core"
)

// DefaultAvoid is how long a host that could not be connected to is left alone.
const DefaultAvoid = 5 * time.Second

// Transport sends each request to a host of the topic that its URL names in the host's place. It is an
// [http.RoundTripper]; its fields are set before the first request, and from then on any number of requests may be
// under way.
type Transport struct {
	// Policy picks the host; nil means [core.Random]. [core.Rendezvous] finds its key in the request's context.
	Policy core.Policy
	// Host is the Host header of every request; "" leaves it to the request, whose own is the topic unless its
	// Host field says otherwise. The name that a host's certificate must bear is the base transport's matter:
	// http.Transport takes its TLSClientConfig.ServerName, or else the address.
	Host string
	// Avoid is how long a host that could not be connected to is left alone, unless there is nobody else; 0
	// means 5 s.
	Avoid time.Duration

	from   core.Directory
	base   http.RoundTripper
	topics sync.Map // of *choices by topic; only of topics in which somebody is
}

var _ http.RoundTripper = (*Transport)(nil)

// NewTransport returns a transport over base; nil is [http.DefaultTransport]. Hosts are looked up for each request:
// from should be a [core.Live], which answers from memory and goes on when the registry does not. A backend asks the
// registry each time, and says when it cannot.
func NewTransport(from core.Directory, base http.RoundTripper) *Transport {
	if base == nil {
		base = http.DefaultTransport
	}
	return &Transport{from: from, base: base}
}

// RoundTrip sends a request to a host of its URL's topic. Another host is tried, once, if no connection to the
// first can be made; and, if the method is idempotent, when the connection breaks before an answer. The body must
// not have been read by then, or be one that GetBody returns anew. When nobody is there, the error is that of a
// lookup.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	m, err := t.choose(req.Context(), req.URL.Host, "")
	if err != nil {
		discard(req)
		return nil, err
	}
	first, body := keepBody(req)
	resp, sent, err := t.send(first, m)
	if err != nil && repeatable(req, sent, err) {
		if other, none := t.choose(req.Context(), req.URL.Host, m.Addr); none == nil {
			if again, ok := rewound(req, body); ok {
				resp, _, err = t.send(again, other)
			}
		}
	}
	body.release()
	if err != nil {
		return nil, err
	}
	resp.Request = req // relative locations are of the topic
	return resp, nil
}

// send sends a request to one host, and notes whether it could be connected to. If the error says that it could not,
// nothing was sent.
func (t *Transport) send(req *http.Request, m *core.Member) (resp *http.Response, sent bool, err error) {
	var conn connecting
	out := req.WithContext(httptrace.WithClientTrace(req.Context(), conn.trace()))
	to := *req.URL
	to.Host = m.Addr
	out.URL = &to
	out.Host = cmp.Or(t.Host, req.Host, req.URL.Host)
	if resp, err = t.base.RoundTrip(out); err == nil {
		return resp, true, nil
	}
	sent = !undialed(err) && !conn.refused(req.Context())
	if !sent || conn.failed(err) {
		t.avoid(req.URL.Host, m.Addr)
	}
	return nil, sent, err
}

// connecting counts the connections and handshakes that a request waits for, where the base transport says so. One that waits
// for its turn to connect does not count: that the pool is full says nothing of the host.
type connecting struct{ begun, ended, shaken, got atomic.Int32 }

func (c *connecting) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		ConnectStart: func(string, string) { c.begun.Add(1) },
		ConnectDone:  func(string, string, error) { c.ended.Add(1) },
		TLSHandshakeStart: func() {
			c.begun.Add(1)
			c.shaken.Add(1)
		},
		TLSHandshakeDone: func(tls.ConnectionState, error) { c.ended.Add(1) },
		GotConn:          func(httptrace.GotConnInfo) { c.got.Add(1) },
	}
}

// failed says whether the time of a request was over while it was being connected.
func (c *connecting) failed(err error) bool { return c.begun.Load() > c.ended.Load() && late(err) }

// refused says that a request failed because no handshake succeeded: it never had a connection.
func (c *connecting) refused(ctx context.Context) bool {
	return c.shaken.Load() > 0 && c.got.Load() == 0 && ctx.Err() == nil
}

// CloseIdleConnections closes those of the base transport.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// choose picks a host of a topic, at another address than one that failed unless that is empty.
func (t *Transport) choose(ctx context.Context, topic, failed string) (*core.Member, error) {
	v, err := t.from.Members(ctx, topic)
	if err != nil {
		return nil, err
	}
	if err := v.Err(); err != nil {
		t.topics.Delete(topic)
		return nil, err
	}
	known, ok := t.topics.Load(topic)
	if !ok {
		known, _ = t.topics.LoadOrStore(topic, new(choices))
	}
	if failed != "" {
		return known.(*choices).other(ctx, v, t.Policy, failed)
	}
	return known.(*choices).choose(ctx, v, t.Policy)
}

// avoid leaves a host of a topic alone for a while.
func (t *Transport) avoid(topic, addr string) {
	if known, ok := t.topics.Load(topic); ok {
		known.(*choices).avoid(addr, cmp.Or(t.Avoid, DefaultAvoid))
	}
}
