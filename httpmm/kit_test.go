package httpmm_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
	"github.com/redismm/matchmaker/httpmm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds the wait for what is to come.
const patience = 20 * time.Second

// host is a server on the loopback interface that answers its name and the body it was sent.
type host struct {
	*httptest.Server
	name     string
	requests atomic.Int64
	last     atomic.Pointer[http.Request]
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.requests.Add(1)
	h.last.Store(r)
	switch r.URL.Path {
	case "/break": // the connection, before an answer
		panic(http.ErrAbortHandler)
	case "/hold": // the connection, until the client gives it up
		<-r.Context().Done()
	case "/away":
		http.Redirect(w, r, "/here", http.StatusFound)
	default:
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s%s", h.name, body)
	}
}

func (h *host) addr() string { return h.Listener.Addr().String() }

func (h *host) at(topic string) core.Registration {
	return core.Registration{Topic: topic, Host: h.name, Addr: h.addr()}
}

// serve starts a server that is closed with the test.
func serve(t *testing.T, name string) *host {
	t.Helper()
	h := &host{name: name}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

// inMemory returns a matchmaker over a registry of the test's own.
func inMemory(t *testing.T) (*core.HeartbeatMatchMaker, *coretest.Memory) {
	t.Helper()
	m := coretest.NewMemory()
	mm, err := core.NewHeartbeat(m, core.HeartbeatConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mm.Close() })
	return mm, m
}

func register(t *testing.T, mm *core.HeartbeatMatchMaker, rs ...core.Registration) {
	t.Helper()
	if err := mm.Register(t.Context(), rs...); err != nil {
		t.Fatal(err)
	}
}

// startHosts serves and registers hosts of the topic compute.
func startHosts(t *testing.T, mm *core.HeartbeatMatchMaker, names ...string) []*host {
	t.Helper()
	var hosts []*host
	for _, name := range names {
		h := serve(t, name)
		hosts = append(hosts, h)
		register(t, mm, h.at("compute"))
	}
	return hosts
}

// client returns a client over a transport that asks each host in turn, from the first.
func client(t *testing.T, mm *core.HeartbeatMatchMaker) (*http.Client, *httpmm.Transport) {
	t.Helper()
	base := &http.Transport{}
	tr := httpmm.NewTransport(mm.Live(), base)
	tr.Policy = core.RoundRobinFrom(0)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}, tr
}

// get returns what is answered, or the error.
func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(c, req)
}

func do(c *http.Client, req *http.Request) string {
	resp, err := c.Do(req)
	if err != nil {
		return "error: " + err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "error: " + err.Error()
	}
	return string(body)
}

// refusing is the registration of a host that refuses connections.
func refusing(t *testing.T, host string) core.Registration {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis.Close()
	return core.Registration{Topic: "compute", Host: host, Addr: lis.Addr().String()}
}

// tally makes n requests, and returns the answers with how often each came.
func tally(t *testing.T, c *http.Client, n int) map[string]int {
	t.Helper()
	by := make(map[string]int)
	for range n {
		by[get(t, c, "http://compute/")]++
	}
	return by
}

// fake is a base transport that is no http.Transport.
type fake func(*http.Request) (*http.Response, error)

func (f fake) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answering(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(r.URL.Host)), Request: r}, nil
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// shows waits until the view of compute in memory is as it should be.
func shows(t *testing.T, mm *core.HeartbeatMatchMaker, as func(*core.View) bool) {
	t.Helper()
	for v := range mm.Live().Watch(within(t, patience), "compute") {
		if as(v) {
			return
		}
	}
	t.Fatalf("the view is not as it should be within %s", patience)
}
