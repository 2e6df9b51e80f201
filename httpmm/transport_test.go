package httpmm_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
	"github.com/redismm/matchmaker/httpmm"
)

func TestRequestsGoToTheHostsOfTheTopicByThePolicy(t *testing.T) {
	mm, _ := inMemory(t)
	startHosts(t, mm, "node1", "node2", "node3")
	c, _ := client(t, mm)
	if by := tally(t, c, 9); by["node1"] != 3 || by["node2"] != 3 || by["node3"] != 3 {
		t.Errorf("answers by host: %v, want 3 each", by)
	}
	if err := mm.Drain(t.Context(), "compute", "node2"); err != nil {
		t.Fatal(err)
	}
	shows(t, mm, func(v *core.View) bool { return v.Members[1].State == core.Draining })
	if by := tally(t, c, 8); by["node1"] != 4 || by["node3"] != 4 {
		t.Errorf("answers while node2 drains: %v", by)
	}
}

func TestRendezvousFindsItsKeyInTheRequest(t *testing.T) {
	mm, _ := inMemory(t)
	startHosts(t, mm, "node1", "node2", "node3")
	c, tr := client(t, mm)
	tr.Policy = core.Rendezvous
	seen := make(map[string]bool)
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		req, err := http.NewRequestWithContext(core.WithAffinity(t.Context(), key), http.MethodGet, "http://compute/", nil)
		if err != nil {
			t.Fatal(err)
		}
		first := do(c, req)
		seen[first] = true
		for range 5 {
			if again := do(c, req); again != first {
				t.Errorf("key %s: %s after %s", key, again, first)
			}
		}
	}
	if len(seen) < 2 {
		t.Errorf("eight keys all went to %v", seen)
	}
}

func TestRequestGoesToAnotherHostWhenOneCannotBeConnectedTo(t *testing.T) {
	mm, _ := inMemory(t)
	startHosts(t, mm, "node2")
	register(t, mm, refusing(t, "node1")) // the first in turn
	for name, req := range map[string]func() (*http.Request, error){
		"GET": func() (*http.Request, error) { return http.NewRequest(http.MethodGet, "http://compute/", nil) },
		"POST that can be had again": func() (*http.Request, error) {
			return http.NewRequest(http.MethodPost, "http://compute/", strings.NewReader("!"))
		},
	} {
		c, _ := client(t, mm)
		r, err := req()
		if err != nil {
			t.Fatal(err)
		}
		want := "node2"
		if r.Body != nil {
			want += "!"
		}
		if got := do(c, r); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestBodyThatCanBeReadOnceIsSentAgainUnlessItWasRead(t *testing.T) {
	mm, _ := inMemory(t)
	startHosts(t, mm, "node2")
	register(t, mm, refusing(t, "node1")) // the first in turn
	once := func(closed *int) *http.Request {
		req, err := http.NewRequest(http.MethodPut, "http://compute/", closing{strings.NewReader("!"), closed})
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	c, tr := client(t, mm)
	closed := 0
	if got := do(c, once(&closed)); got != "node2!" || closed != 1 {
		t.Errorf("not read by the first host: %q, closed %d times; want node2!, once", got, closed)
	}
	if got := do(c, once(&closed)); got != "node2!" || closed != 2 {
		t.Errorf("not repeated: %q, closed %d times; want node2!, once", got, closed-1)
	}
	tried := 0
	reads := httpmm.NewTransport(mm.Live(), fake(func(r *http.Request) (*http.Response, error) {
		tried++
		_, _ = io.ReadAll(r.Body)
		r.Body.Close()
		return nil, io.EOF
	}))
	reads.Policy = tr.Policy
	closed = 0
	if got := do(&http.Client{Transport: reads}, once(&closed)); !strings.Contains(got, "EOF") || closed != 1 || tried != 1 {
		t.Errorf("read by the first host: %q, closed %d times, %d hosts tried; want its failure, once", got, closed, tried)
	}
}

func TestOnlyOneOtherHostIsTried(t *testing.T) {
	mm, _ := inMemory(t)
	register(t, mm, core.Registration{Topic: "compute", Host: "node1", Addr: "a:1"}, core.Registration{Topic: "compute", Host: "node2", Addr: "b:1"},
		core.Registration{Topic: "compute", Host: "node3", Addr: "c:1"}, core.Registration{Topic: "alone", Host: "node1", Addr: "a:1"})
	var tried []string
	c := &http.Client{Transport: httpmm.NewTransport(mm.Live(), fake(func(r *http.Request) (*http.Response, error) {
		tried = append(tried, r.URL.Host)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}
	}))}
	if got := get(t, c, "http://compute/"); len(tried) != 2 || tried[0] == tried[1] || !strings.Contains(got, "refused") {
		t.Errorf("tried %q, and answered %q", tried, got)
	}
	tried = nil
	if got := get(t, c, "http://alone/"); len(tried) != 1 || !strings.Contains(got, "refused") {
		t.Errorf("where there is one host: tried %q, and answered %q", tried, got)
	}
}

func TestConnectionThatBreaksIsRepeatedOnlyForIdempotentRequests(t *testing.T) {
	mm, _ := inMemory(t)
	hosts := startHosts(t, mm, "node1", "node2")
	count := func() int64 { return hosts[0].requests.Load() + hosts[1].requests.Load() }
	for method, want := range map[string]int64{http.MethodGet: 2, http.MethodPut: 2, http.MethodPost: 1} {
		c, _ := client(t, mm)
		req, err := http.NewRequest(method, "http://compute/break", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		before := count()
		if got := do(c, req); !strings.Contains(got, "EOF") {
			t.Errorf("%s: %q", method, got)
		}
		if n := count() - before; n != want {
			t.Errorf("%s: carried out %d times, want %d", method, n, want)
		}
	}
	c, _ := client(t, mm)
	req, err := http.NewRequest(http.MethodPost, "http://compute/break", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", "1")
	before := count()
	do(c, req)
	if n := count() - before; n != 2 {
		t.Errorf("POST with an idempotency key: carried out %d times, want 2", n)
	}
}

func TestHostThatCannotBeConnectedToIsLeftAloneForSomeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mm, _ := inMemory(t)
		mm.StartHeartbeat()
		for _, host := range []string{"node1", "node2", "node3"} {
			register(t, mm, core.Registration{Topic: "compute", Host: host, Addr: host + ":80"})
		}
		tried := make(map[string]int)
		down := "node2:80"
		tr := httpmm.NewTransport(mm.Live(), fake(func(r *http.Request) (*http.Response, error) {
			tried[r.URL.Host]++
			if strings.Contains(down, r.URL.Host) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}
			}
			return answering(r)
		}))
		tr.Policy = core.RoundRobinFrom(0)
		c := &http.Client{Transport: tr}
		want := func(when string, node1, node2, node3 int) {
			t.Helper()
			clear(tried)
			if by := tally(t, c, 60); by["node1:80"]+by["node3:80"] != 60 && down == "node2:80" {
				t.Errorf("%s: answers %v", when, by)
			}
			near := func(got, want int) bool { return got >= want-2 && got <= want+2 } // turns begin anew after a change
			if !near(tried["node1:80"], node1) || tried["node2:80"] != node2 || !near(tried["node3:80"], node3) {
				t.Errorf("%s: tried %v, want %d %d %d", when, tried, node1, node2, node3)
			}
		}
		want("at first", 30, 1, 30) // the one that failed was one in turn, and is repeated
		want("left alone", 30, 0, 30)
		register(t, mm, core.Registration{Topic: "compute", Host: "node4", Addr: "node1:80"}) // another view
		synctest.Wait()
		clear(tried)
		tally(t, c, 30)
		if tried["node2:80"] != 0 {
			t.Errorf("a new view forgets who is left alone: %v", tried)
		}
		if err := mm.Unregister(t.Context(), "compute", "node4"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(httpmm.DefaultAvoid)
		down = ""
		want("when its time is over", 20, 20, 20)
		down = "node1:80 node2:80 node3:80"
		clear(tried)
		tally(t, c, 6)
		if tried["node1:80"] == 0 || tried["node2:80"] == 0 || tried["node3:80"] == 0 {
			t.Errorf("with all left alone, tried %v; want all of them", tried)
		}
	})
}

func TestHostThatNeverAnswersADialIsLeftAlone(t *testing.T) {
	mm, _ := inMemory(t)
	startHosts(t, mm, "node2")
	register(t, mm, core.Registration{Topic: "compute", Host: "node1", Addr: "127.0.0.1:1"})
	base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == "127.0.0.1:1" { // silence, of which net.Dialer would tell as this does
			httptrace.ContextClientTrace(ctx).ConnectStart(network, addr)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	defer base.CloseIdleConnections()
	tr := httpmm.NewTransport(mm.Live(), base)
	tr.Policy = core.RoundRobinFrom(0)
	c := &http.Client{Transport: tr}
	req, err := http.NewRequestWithContext(within(t, 50*time.Millisecond), http.MethodGet, "http://compute/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := do(c, req); !strings.Contains(got, "deadline exceeded") {
		t.Errorf("the first: %q", got)
	}
	if by := tally(t, c, 10); by["node2"] != 10 {
		t.Errorf("the next: %v, want all from node2", by)
	}
}

func TestHostWhosePoolIsFullIsNotLeftAlone(t *testing.T) {
	mm, _ := inMemory(t)
	hosts := startHosts(t, mm, "node1", "node2")
	base := &http.Transport{MaxConnsPerHost: 1}
	defer base.CloseIdleConnections()
	tr := httpmm.NewTransport(mm.Live(), base)
	tr.Policy = core.RoundRobinFrom(0)
	c := &http.Client{Transport: tr}
	var held sync.WaitGroup
	hold := within(t, 300*time.Millisecond)
	for range 2 {
		held.Go(func() {
			req, _ := http.NewRequestWithContext(hold, http.MethodGet, "http://compute/hold", nil)
			do(c, req)
		})
	}
	for hosts[0].requests.Load()+hosts[1].requests.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	for range 2 { // each waits in vain for its host's one connection
		req, _ := http.NewRequestWithContext(within(t, 20*time.Millisecond), http.MethodGet, "http://compute/", nil)
		if got := do(c, req); !strings.Contains(got, "deadline exceeded") {
			t.Errorf("while the pool is full: %q", got)
		}
	}
	held.Wait()
	if by := tally(t, c, 10); by["node1"] != 5 || by["node2"] != 5 {
		t.Errorf("answers afterwards: %v, want 5 each", by)
	}
}

func TestErrorsNameTheTopicAndTheReason(t *testing.T) {
	mm, memory := inMemory(t)
	register(t, mm, core.Registration{Topic: "left", Host: "node1", Addr: "a:1"}, core.Registration{Topic: "dumb", Host: "node1"})
	if err := mm.Unregister(t.Context(), "left", "node1"); err != nil {
		t.Fatal(err)
	}
	c, _ := client(t, mm)
	closed := 0
	ask := func(topic string) error {
		req, err := http.NewRequest(http.MethodPost, "http://"+topic+"/", closing{strings.NewReader("x"), &closed})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Do(req)
		return err
	}
	for topic, want := range map[string]struct {
		is   error
		text string
	}{
		"left":    {core.ErrNoHosts, `no live hosts for topic "left"`},
		"unknown": {core.ErrUnknownTopic, `topic was never heard of: "unknown"`},
		"dumb":    {core.ErrNoHosts, `no live hosts with an address for topic "dumb": node1 registered without`},
	} {
		if err := ask(topic); !errors.Is(err, want.is) || !strings.HasSuffix(err.Error(), want.text) {
			t.Errorf("%s: %v, want %q", topic, err, want.text)
		}
	}
	memory.Break(errors.New("connection refused"))
	if err := ask("other"); !errors.Is(err, core.ErrUnavailable) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("without the registry: %v", err)
	}
	if closed != 4 {
		t.Errorf("%d of 4 bodies were closed", closed)
	}
}

type closing struct {
	io.Reader
	closed *int
}

func (c closing) Close() error { *c.closed++; return nil }

func TestLostRegistryFailsNoRequest(t *testing.T) {
	mm, memory := inMemory(t)
	startHosts(t, mm, "node1", "node2")
	c, _ := client(t, mm)
	tally(t, c, 2)
	memory.Break(errors.New("connection refused"))
	if by := tally(t, c, 10); by["node1"] != 5 || by["node2"] != 5 {
		t.Errorf("answers without the registry: %v", by)
	}
	memory.Unbreak()
	memory.Lose()
	if by := tally(t, c, 10); by["node1"]+by["node2"] != 10 {
		t.Errorf("answers after it lost its data: %v", by)
	}
}

func TestHostHeaderAndTLSNameAreAsConfigured(t *testing.T) {
	mm, _ := inMemory(t)
	h := &host{name: "node1"}
	h.Server = httptest.NewUnstartedServer(h)
	h.Config.ErrorLog = log.New(io.Discard, "", 0) // it says which certificates are refused
	h.StartTLS()
	t.Cleanup(h.Close)
	register(t, mm, h.at("compute"))
	roots := x509.NewCertPool()
	roots.AddCert(h.Certificate())
	for _, v := range []struct{ transport, request, server, wantHost, want string }{
		{"", "", "", "compute", "node1"}, // the certificate bears the address
		{"", "api.example.com", "example.com", "api.example.com", "node1"},
		{"www.example.com", "api.example.com", "example.com", "www.example.com", "node1"},
		{"", "", "other.test", "", "error: Get \"https://compute/\": tls: failed to verify certificate: x509: certificate is valid for example.com, *.example.com, not other.test"},
	} {
		base := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: v.server}}
		tr := httpmm.NewTransport(mm.Live(), base)
		tr.Host = v.transport
		req, err := http.NewRequest(http.MethodGet, "https://compute/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if v.request != "" {
			req.Host = v.request
		}
		if got := do(&http.Client{Transport: tr}, req); got != v.want {
			t.Errorf("%+v: answered %q", v, got)
		}
		if last := h.last.Load(); v.wantHost != "" && (last.Host != v.wantHost || last.TLS.ServerName != v.server) {
			t.Errorf("%+v: the server saw the host %q and the TLS name %q", v, last.Host, last.TLS.ServerName)
		}
		base.CloseIdleConnections()
	}
}

func TestRequestIsNotChangedAndTheAnswerIsToIt(t *testing.T) {
	mm, _ := inMemory(t)
	hosts := startHosts(t, mm, "node1")
	_, tr := client(t, mm)
	req, err := http.NewRequest(http.MethodGet, "http://compute/a%2Fb?c=d", bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if req.URL.String() != "http://compute/a%2Fb?c=d" || req.Host != "compute" || resp.Request != req {
		t.Errorf("the request is %s for %s, the answer to %p of %p", req.URL, req.Host, resp.Request, req)
	}
	if got := hosts[0].last.Load().URL.String(); got != "/a%2Fb?c=d" {
		t.Errorf("the server saw %s", got)
	}
	if got := get(t, &http.Client{Transport: tr}, "http://compute/away"); got != "node1" {
		t.Errorf("after a redirect: %q", got)
	}
}

// silent is a directory that never answers.
type silent struct{}

func (silent) Members(ctx context.Context, _ string) (*core.View, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestRequestEndsWithItsContext(t *testing.T) {
	tried := 0
	base := fake(func(r *http.Request) (*http.Response, error) {
		tried++
		<-r.Context().Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: r.Context().Err()}
	})
	mm, _ := inMemory(t)
	register(t, mm, core.Registration{Topic: "compute", Host: "node1", Addr: "a:1"}, core.Registration{Topic: "compute", Host: "node2", Addr: "b:1"})
	for what, from := range map[string]core.Directory{"while it looks up": silent{}, "while it connects": mm.Live()} {
		req, err := http.NewRequestWithContext(within(t, 20*time.Millisecond), http.MethodGet, "http://compute/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := do(&http.Client{Transport: httpmm.NewTransport(from, base)}, req); !strings.Contains(got, "deadline exceeded") {
			t.Errorf("%s: %q", what, got)
		}
	}
	if tried != 1 {
		t.Errorf("tried %d hosts, want none after the request's end", tried)
	}
}

func TestMistypedTopicsLeaveNothingBehind(t *testing.T) {
	mm, _ := inMemory(t)
	startHosts(t, mm, "node1")
	c, tr := client(t, mm)
	tally(t, c, 1)
	for i := range 1000 {
		get(t, c, "http://mistyped"+strings.Repeat("x", i%200)+"/")
	}
	if n := httpmm.Known(tr); n != 1 {
		t.Errorf("%d topics are known, want the one that has hosts", n)
	}
	if err := mm.Unregister(t.Context(), "compute", "node1"); err != nil {
		t.Fatal(err)
	}
	shows(t, mm, func(v *core.View) bool { return len(v.Members) == 0 })
	get(t, c, "http://compute/")
	if n := httpmm.Known(tr); n != 0 {
		t.Errorf("%d topics are known after the last host has left", n)
	}
}

func TestTransportMayBeUsedByMany(t *testing.T) {
	mm, _ := inMemory(t)
	startHosts(t, mm, "node1", "node2")
	down := refusing(t, "node3")
	register(t, mm, down)
	c, _ := client(t, mm)
	done := make(chan string)
	for range 8 {
		go func() {
			for range 50 {
				if got := get(t, c, "http://compute/"); got != "node1" && got != "node2" {
					done <- got
					return
				}
			}
			done <- ""
		}()
	}
	for i := range 20 {
		down.Weight = i + 1
		register(t, mm, down)
	}
	for range 8 {
		if got := <-done; got != "" {
			t.Errorf("answered %q", got)
		}
	}
}

// A backend makes its members anew for each lookup.
func TestARoundGoesOnOverMembersThatAreMadeAnew(t *testing.T) {
	hosts := []*host{serve(t, "node1"), serve(t, "node2"), serve(t, "node3")}
	m := coretest.NewMemory()
	var claims []*core.Claim
	for _, h := range hosts {
		claims = append(claims, &core.Claim{Registration: h.at("compute")})
	}
	if _, err := m.BackendRegister(t.Context(), time.Minute, claims); err != nil {
		t.Fatal(err)
	}
	tr := httpmm.NewTransport(m, &http.Transport{})
	tr.Policy = core.RoundRobinFrom(0)
	defer tr.CloseIdleConnections()
	for range 9 {
		resp, err := (&http.Client{Transport: tr}).Get("http://compute/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	for _, h := range hosts {
		if n := h.requests.Load(); n != 3 {
			t.Errorf("%s got %d of 9 requests, want 3", h.name, n)
		}
	}
}
