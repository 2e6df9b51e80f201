package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// listens returns the address that a sidecar's log says of a flag.
func listens(t *testing.T, log *transcript, flag string) string {
	t.Helper()
	at := regexp.MustCompile(`"address":"([^"]*)"[^\n]*"message":"` + flag + `"`)
	eventually(t, "it listens", func() bool { return at.MatchString(log.String()) })
	return at.FindStringSubmatch(log.String())[1]
}

// httpAsk asks over HTTP, at a socket if at is a path.
func httpAsk(t *testing.T, at, method, path, body string) (int, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		network := "tcp"
		if strings.Contains(at, "/") {
			network = "unix"
		}
		return new(net.Dialer).DialContext(ctx, network, at)
	}}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := transport.RoundTrip(r)
	if err != nil {
		return 0, err.Error()
	}
	defer got.Body.Close()
	text, _ := io.ReadAll(got.Body)
	return got.StatusCode, string(text)
}

func TestASidecarIsAskedAndToldOverHTTP(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	s := storeOf(t, m)
	path := filepath.Join(t.TempDir(), "mm.sock")
	b := matchmaker("sidecar", "--listen", path, "--listen-ops", "127.0.0.1:0", "--register", "a=x").at(m).start(t)
	ops := listens(t, &b.err, "listen-ops")
	b.err.says(t, `"event":"registered"`)
	for _, c := range []struct {
		at, method, path, body string
		code                   int
		says                   string
	}{
		{path, "PUT", "/v1/topics/a/hosts/y", `{"addr":":80","zone":"b"}`, 201, `"addr":"127.0.0.1:80","zone":"b"`},
		{ops, "PUT", "/v1/topics/a/hosts/z", ``, 405, "want GET"},
		{ops, "GET", "/v1/resolve/a.y", ``, 200, `"zone":"b"`},
		{path, "PUT", "/v1/topics/a/hosts/y/drain", `{"reason":"kernel"}`, 200, `"outcome":"draining"`},
		{ops, "GET", "/readyz", ``, 503, `"status":"draining"`},
		{path, "DELETE", "/v1/topics/a/hosts/y/drain", ``, 200, `"outcome":"up"`},
		{path, "POST", "/v1/topics/a/hosts/y/ack", ``, 200, `"outcome":"kept"`},
		{ops, "GET", "/v1/topics", ``, 200, `{"topics":["a"]}`},
		{ops, "GET", "/v1/registrations", ``, 200, `"host":"y"`},
		{ops, "GET", "/metrics", ``, 200, `matchmaker_resolves_total{outcome="found"} 1`},
		{ops, "GET", "/metrics", ``, 200, `matchmaker_registrations{standing="valid"} 2`},
		{ops, "GET", "/metrics", ``, 200, `matchmaker_resyncs_total{reason="first"} 1`},
	} {
		if code, body := httpAsk(t, c.at, c.method, c.path, c.body); code != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: %d %s, want %d and %s", c.method, c.path, code, body, c.code, c.says)
		}
	}
	eventually(t, "both are ready", func() bool {
		code, _ := httpAsk(t, ops, "GET", "/readyz", "")
		return code == 200 && stateOf(t, s, "a", "x") == "up" && stateOf(t, s, "a", "y") == "up"
	})
	if code := b.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if x, y := stateOf(t, s, "a", "x"), stateOf(t, s, "a", "y"); x+y != "" {
		t.Errorf("after the end x is %q and y %q", x, y)
	}
	if code, body := httpAsk(t, path, "GET", "/healthz", ""); code != 0 {
		t.Errorf("after the end: %d %s", code, body)
	}
}

func TestASidecarHearsOfADrainThatAnotherProcessAnnounces(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	b := matchmaker("sidecar", "--listen", "127.0.0.1:0", "--register", "a=x").at(m).start(t)
	at := listens(t, &b.err, "listen")
	b.err.says(t, `"event":"registered"`)
	is := func(code int, says string) func() bool {
		return func() bool {
			got, body := httpAsk(t, at, "GET", "/readyz", "")
			return got == code && strings.Contains(body, says)
		}
	}
	eventually(t, "it is ready", is(200, `"status":"ready"`))
	if r := matchmaker("drain", "a", "x").at(m).run(t); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	eventually(t, "it drains", is(503, `a.x drains`))
	if r := matchmaker("drain", "a", "x", "--off").at(m).run(t); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	eventually(t, "it is ready again", is(200, `"status":"ready"`))
}

// The default address is for one sidecar of a machine; who names an address wants it.
func TestAnAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	l, err := net.Listen("tcp", defaultListen) // if somebody else has it, so much the better
	if err == nil {
		defer l.Close()
	}
	b := sidecar("--register", "a=x").at(m).start(t)
	b.err.says(t, `"address":"`+defaultListen+`"`, "this one goes on without --listen", `"event":"registered"`)
	if r := sidecar("--register", "a=y", "--listen", defaultListen).at(m).run(t); r.code != exitUsage || !strings.Contains(r.err, `--listen is "`+defaultListen+`"`) {
		t.Errorf("%+v", r)
	}
}

func TestASidecarWithoutRegistrationsAnswers(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	b := sidecar("--listen", "127.0.0.1:0").at(m).start(t)
	at := listens(t, &b.err, "listen")
	if code, body := httpAsk(t, at, "GET", "/readyz", ""); code != 200 || !strings.Contains(body, `"status":"ready"`) {
		t.Errorf("%d %s", code, body)
	}
}

// A stream is open and a verb under way when SIGTERM comes.
func TestSigtermEndsRequestsWell(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	p := matchmaker("sidecar", "--listen", "127.0.0.1:0", "--register", "a=x").at(m).process(t)
	at := listens(t, &p.err, "listen")
	p.err.says(t, `"event":"registered"`)
	type answer struct {
		code int
		body string
	}
	streamed, put := make(chan answer, 1), make(chan answer, 1)
	go func() {
		code, body := httpAsk(t, at, "GET", "/v1/topics/a/changes", "")
		streamed <- answer{code, body}
	}()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "PUT /v1/topics/a/hosts/y HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{")
	eventually(t, "the stream has begun", func() bool {
		_, page := httpAsk(t, at, "GET", "/metrics", "")
		return strings.Contains(page, `matchmaker_views{state="fresh"} 1`)
	})
	p.signal(t, syscall.SIGTERM)
	p.err.says(t, `"message":"leaving"`)
	go func() {
		io.WriteString(conn, "}")
		text, _ := io.ReadAll(conn)
		put <- answer{0, string(text)}
	}()
	if got := <-put; !strings.HasPrefix(got.body, "HTTP/1.1 201 ") && !strings.HasPrefix(got.body, "HTTP/1.1 503 ") {
		t.Errorf("a verb under way: %q", got.body)
	}
	if got := <-streamed; got.code != 200 || !strings.Contains(got.body, "event: snapshot") || strings.Contains(got.body, "EOF") {
		t.Errorf("a stream: %d %s", got.code, got.body)
	}
	if code := p.wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, host := range []string{"x", "y"} {
		if r := matchmaker("alive", "a", host).at(m).run(t); r.code != exitNoMatch {
			t.Errorf("%s after the end: %+v", host, r)
		}
	}
}

func TestASecondSigintWaitsForNoRequest(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	p := matchmaker("sidecar", "--listen", "127.0.0.1:0", "--register", "a=x").at(m).process(t)
	at := listens(t, &p.err, "listen")
	p.err.says(t, `"event":"registered"`)
	conn, err := net.Dial("tcp", at) // says nothing, for which the end waits
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	p.signal(t, syscall.SIGINT)
	p.err.says(t, `"message":"left"`)
	p.signal(t, syscall.SIGINT)
	p.wait(t)
	if took := time.Since(began); took >= lastAnswers {
		t.Errorf("it ended after %s, want at once", took)
	}
}

func TestASidecarAnswersDNS(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	b := sidecar("--listen", "off", "--listen-dns", "127.0.0.1:0", "--dns-domain", "MM.test", "--dns-near", "east", "--register", "a=x,addr=10.0.0.1:80,zone=west,weight=7").at(m).start(t)
	at := listens(t, &b.err, "listen-dns")
	b.err.says(t, `"domain":"mm.test."`, `"event":"registered"`)
	for _, network := range []string{"udp", "tcp"} {
		its := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, at)
		}}
		eventually(t, "the host is found", func() bool {
			found, err := its.LookupHost(t.Context(), "a.mm.test.")
			return err == nil && len(found) == 1 && found[0] == "10.0.0.1"
		})
		_, srv, err := its.LookupSRV(t.Context(), "a", "tcp", "mm.test.")
		if err != nil || len(srv) != 1 || *srv[0] != (net.SRV{Target: "x.a.mm.test.", Port: 80, Priority: 1, Weight: 7}) {
			t.Errorf("%v, %v", srv, err)
		}
	}
	ops := sidecar("--listen", "off", "--listen-ops", "127.0.0.1:0", "--listen-dns", "127.0.0.1:0").at(m).start(t) // registers nobody
	code, page := httpAsk(t, listens(t, &ops.err, "listen-ops"), "GET", "/metrics", "")
	if code != 200 || !strings.Contains(page, `matchmaker_dns_queries_total{rcode="noerror"} 0`) {
		t.Errorf("%d %s", code, page)
	}
	for args, want := range map[string]string{
		"--listen-dns " + at:                              `--listen-dns is "` + at + `"`,
		"--listen-dns 127.0.0.1":                          `--listen-dns: invalid address "127.0.0.1": want host:port`,
		"--listen-dns 127.0.0.1:0 --dns-domain .":         `--dns-domain: invalid domain ".": want a name such as "matchmaker"`,
		"--listen-dns 127.0.0.1:0 --dns-domain a..b":      `invalid domain "a..b"`,
		"--listen-dns 127.0.0.1:0 --listen-ops 1.2.3.4":   `--listen-ops: invalid address`,
		"--listen-dns off":                                "there is nothing to register and nobody to answer",
		"--redis-url embedded:0 --listen-dns 127.0.0.1:0": `want embedded: or embedded:PORT`,
		"--redis-url embedded:x --listen-dns 127.0.0.1:0": `want embedded: or embedded:PORT`,
	} {
		if r := sidecar(append([]string{"--listen", "off"}, strings.Fields(args)...)...).at(m).run(t); r.code != exitUsage || !strings.Contains(r.err, want) {
			t.Errorf("%s: %+v, want %s", args, r, want)
		}
	}
	if code := b.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if c, err := net.Listen("tcp", at); err != nil {
		t.Error("after the end: ", err)
	} else {
		c.Close()
	}
}

func TestAnEmbeddedRedisIsFoundAtItsPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if r := sidecar("--register", "a=x", "--redis-url", "embedded:"+port).run(t); r.code != exitUsage || !strings.Contains(r.err, "address already in use") {
		t.Errorf("%+v", r)
	}
	l.Close()
	b := sidecar("--register", "a=x", "--redis-url", "embedded:"+port, "--listen", "off").start(t)
	b.err.says(t, `"event":"registered"`)
	if r := matchmaker("resolve", "a", "--redis-url", "redis://127.0.0.1:"+port).run(t); r.out != "x\n" {
		t.Errorf("%+v", r)
	}
}
