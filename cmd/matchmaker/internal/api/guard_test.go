package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

func TestAForeignHostIsRefusedUnlessItComesByTheSocket(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for host, ok := range map[string]bool{
		"localhost": true, "localhost:7766": true, "LocalHost:1": true, "127.0.0.1": true, "127.0.0.1:7766": true, "[::1]": true, "[::1]:7766": true, "127.0.0.2:7766": true,
		"": false, "evil.example": false, "evil.example:7766": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false,
		"10.0.0.1:7766": false, "[::2]:7766": false, "localhost:7766:1": false, "evil.example@localhost": false,
	} {
		for _, path := range []string{"/v1/topics", "/nosuch", "/readyz"} {
			r := request("GET", path, "")
			r.Host = host
			got := s.exchange(s.All(), r)
			if refused := got.code == 403; refused == ok || refused && !strings.Contains(got.body, `"field":"host"`) {
				t.Errorf("%s of host %q: %d %s", path, host, got.code, got.body)
			}
			if got := s.exchange(s.Reads(), r); got.code == 403 {
				t.Errorf("the reads for anybody are refused to host %q", host)
			}
		}
	}
	r := request("GET", "/v1/topics", "")
	r.Host = "anything"
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.UnixAddr{Name: "/run/mm.sock", Net: "unix"})))
	if got := s.exchange(s.All(), r); got.code != 200 {
		t.Errorf("by the socket: %d %s", got.code, got.body)
	}
}

func TestAPageOfAnotherSiteCannotUseAVerb(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("x", "y")
	for header, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
		r := request("POST", y+"/ack", "")
		r.Header.Set(header, value)
		if got := s.exchange(s.All(), r); got.code != 403 || !strings.Contains(got.body, `"field":"origin"`) {
			t.Errorf("%s: %d %s", header, got.code, got.body)
		}
	}
}

func TestReadsForAnybodyHaveNoVerbs(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("x", "y")
	for _, w := range s.writes() {
		at := strings.NewReplacer("{topic}", "x", "{host}", "y").Replace(w.path)
		if got := s.exchange(s.Reads(), request(w.method, at, "{}")); got.code != 405 && got.code != 404 {
			t.Errorf("%s %s: %d %s", w.method, at, got.code, got.body)
		}
	}
	if left, _ := s.registry.Remaining(t.Context(), "x", "y"); left == 0 {
		t.Error("the host is gone")
	}
}

func TestOnlyThisMachineIsListenedToWithVerbs(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"", ":80", "0.0.0.0:80", "[::]:80", "10.0.0.1:80", "example.com:80", "127.0.0.1", "localhost", "localhost.:80"} {
		l, err := Here(at)
		if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), fmt.Sprintf("%q: want a loopback address", at)) {
			t.Errorf("%q: %v, %v", at, l, err)
		}
	}
	for _, at := range []string{"127.0.0.1:0", "localhost:0", "127.9.9.9:0"} {
		l, err := Here(at)
		if err != nil {
			t.Errorf("%q: %v", at, err)
			continue
		}
		l.Close()
	}
	if _, err := Anywhere("80"); !errors.Is(err, core.ErrInvalid) {
		t.Error(err)
	}
}

func TestASocketThatIsLeftOverIsReplacedAndNoOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "mm.sock")
	l, err := Here(path)
	if err != nil {
		t.Fatal(err)
	}
	if about, err := os.Stat(path); err != nil || about.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", about.Mode(), err)
	}
	if _, err := Here(path); err == nil {
		t.Error("a socket that somebody listens at was taken")
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close() // as of a process that was killed
	if l, err = Here(path); err != nil {
		t.Fatal(err)
	}
	l.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Here(file); err == nil {
		t.Error("a file was taken for a socket")
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("the file holds %q", text)
	}
}

// Slow readers and writers are cut off by the server; here after a tenth of its time.
func TestASlowRequestIsCutOff(t *testing.T) {
	t.Parallel()
	s := serve(t)
	l, err := Here("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(s.All(), nil)
	if server.ReadHeaderTimeout == 0 || server.WriteTimeout == 0 || server.IdleTimeout == 0 {
		t.Error("a server without time limits")
	}
	server.ReadHeaderTimeout /= 10
	server.ReadTimeout /= 10
	go server.Serve(l)
	defer server.Close()
	for what, begins := range map[string]string{
		"a head": "PUT " + y + " HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
		"a body": "PUT " + y + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n{",
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, begins)
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		all, err := io.ReadAll(c)
		if err != nil {
			t.Errorf("%s that never ends is waited for: %v", what, err)
		}
		if what == "a body" && !strings.Contains(string(all), "400 Bad Request") {
			t.Errorf("%s: %s", what, all)
		}
	}
	if all := s.MatchMaker.Registrations(); len(all) > 0 {
		t.Errorf("%+v is kept", all)
	}
}

func TestALargeBodyIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	s := serve(t)
	url := s.online()
	r, err := http.NewRequestWithContext(t.Context(), "PUT", url+y, strings.NewReader(`{"zone":"`+strings.Repeat("z", 1<<20)+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := http.DefaultTransport.(*http.Transport).Clone().RoundTrip(r)
	if err != nil {
		return // the connection was cut while it was sent
	}
	defer got.Body.Close()
	if got.StatusCode != 413 {
		t.Errorf("%d", got.StatusCode)
	}
}

func TestAReaderWhoDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	w := &stuck{header: make(http.Header)}
	s := serve(t)
	s.put("x", "y")
	r := request("GET", "/v1/topics/x/changes", "")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.All().ServeHTTP(w, r)
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("it goes on")
	}
	if until := time.Until(w.deadline); until <= 0 || until > longestWrite {
		t.Errorf("a write may take %s", until)
	}
}

// stuck is a reader who takes nothing.
type stuck struct {
	header   http.Header
	deadline time.Time
}

func (w *stuck) Header() http.Header                { return w.header }
func (w *stuck) WriteHeader(int)                    {}
func (w *stuck) Write([]byte) (int, error)          { return 0, os.ErrDeadlineExceeded }
func (w *stuck) SetWriteDeadline(t time.Time) error { w.deadline = t; return nil }
func (w *stuck) SetReadDeadline(time.Time) error    { return nil }
func (w *stuck) FlushError() error                  { return os.ErrDeadlineExceeded }

// FuzzRequest sends anything: every answer is one that the document has, and nothing else than what is asked for
// is registered.
func FuzzRequest(f *testing.F) {
	for _, seed := range []struct{ method, target, body string }{
		{"GET", "/v1/topics/a/hosts/b", ""}, {"PUT", y, `{"addr":"a:1","labels":{"x":"y"}}`}, {"PUT", y, `{"weight":1e99}`},
		{"DELETE", y + "/drain", "{}"}, {"PUT", y + "/drain", `{"for":"9999999h"}`}, {"GET", "/v1/resolve/fanout.%ff", ""}, {"POST", "/v1/topics/%7B/hosts/%2e%2e/ack", "x"},
		{"OPTIONS", "*", ""}, {"CONNECT", "/", ""}, {"GET", "/v1/topics/..%2f", ""}, {"HEAD", "/v1/topics/a?x=%zz", "\x00"},
	} {
		f.Add(seed.method, seed.target, seed.body, "localhost")
	}
	s := serve(f)
	all := s.All()
	f.Fuzz(func(t *testing.T, method, target, body, host string) {
		if strings.HasSuffix(target, "/changes") || strings.ContainsAny(method+host, "\r\n") {
			return
		}
		head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", method, target, host, len(body))
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + body)))
		if err != nil || strings.Contains(r.URL.Path, "/changes") {
			return
		}
		s.t = t
		got := s.exchange(all, r)
		if got.code < 200 || got.code > 599 || got.code == 500 {
			t.Errorf("%d %s", got.code, got.body)
		}
	})
}

// A client that sends half a body holds nobody up for longer than a verb may take.
func TestASlowBodyDoesNotHoldUpWhoLeaves(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Timeout = 50 * time.Millisecond })
	server := httptest.NewUnstartedServer(s.All())
	server.Config = NewServer(s.All(), nil)
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n", y)
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil { // it reads the body now
		t.Fatal(err)
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		s.Leaving(t.Context())
	}()
	select {
	case <-left:
	case <-time.After(8 * time.Second): // the server's own bound is 10 s
		t.Error("it waits for the body")
	}
}
