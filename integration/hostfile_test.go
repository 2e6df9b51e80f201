package integration_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/httpmm"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// upAs is an HTTP server that keeps itself registered until it is told to leave, in the order in which no request fails.
func upAs(t *testing.T, url, host string) (leave func()) {
	t.Helper()
	mm, err := redismm.Open(t.Context(), url, redismm.Config{HeartbeatConfig: prompt})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, host) })}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- mm.Serve(ctx, httpmm.Service(server, l), core.Registration{Topic: "web", Host: host, Addr: l.Addr().String()})
	}()
	leave = sync.OnceFunc(func() {
		end()
		if err := <-served; err != nil && ctx.Err() == nil {
			t.Error(err)
		}
		mm.Close()
	})
	t.Cleanup(leave)
	return leave
}

// getting sends GET to a URL.
func getting(t *testing.T, url string) *client {
	t.Helper()
	c, tr := new(client), &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}
	t.Cleanup(tr.CloseIdleConnections)
	c.send = func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		return succeeds(tr, r)
	}
	return c
}

// nginxOnFile is an nginx that includes a file, and what watch is told of it.
func nginxOnFile(t *testing.T, file, at string) (flags []string) {
	t.Helper()
	p := nginxOf(t, fmt.Sprintf(`include %s;
	server { listen 127.0.0.1:%s; location / { proxy_pass http://web; proxy_next_upstream off; } }`, file, at))
	program := integration.Program(t, "nginx", "")
	check := t.TempDir() + "/check.conf"
	return []string{"--format", "nginx", "--reload", fmt.Sprintf("kill -HUP %d", p.Pid()),
		"--check", fmt.Sprintf(`printf 'pid %s.pid; error_log stderr; events { } http { include %%s; }' {} > %s && %s -t -q -c %[2]s`, check, check, program)}
}

func haproxyOnFile(t *testing.T, file, at string) (flags []string) {
	t.Helper()
	program := integration.Program(t, "haproxy", "haproxy is not installed: `make setup` installs it")
	main := t.TempDir() + "/haproxy.cfg"
	put(t, main, fmt.Sprintf(`global
    hard-stop-after 5s
defaults
    mode http
    retries 0
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend in
    bind 127.0.0.1:%s
    default_backend web
`, at))
	p := integration.Command{Path: program, Args: []string{"-W", "-f", main, "-f", file}}.Start(t)
	return []string{"--format", "haproxy", "--check", program + " -c -q -f " + main + " -f {}", "--reload", fmt.Sprintf("kill -USR2 %d", p.Pid())}
}

// Each reads the file that watch keeps, sends a request that failed to nobody else, and serves throughout. The client's
// connections are kept; one that a reload closes while it is idle costs a request no more than another try.
func TestProxiesThatReadAFileFailNoRequestThroughJoinsAndLeaves(t *testing.T) {
	if testing.Short() {
		t.Skip("nginx and haproxy are more than Go")
	}
	t.Parallel()
	r := integration.StartRedis(t)
	leave := []func(){upAs(t, r.URL, "web1"), upAs(t, r.URL, "web2")}
	becomes(t, soon, listed(core.New(store(t, r.URL)), "web"), "web1 web2")
	loads := make(map[string]*load)
	urls := make(map[string]string)
	for name, start := range map[string]func(*testing.T, string, string) []string{"nginx": nginxOnFile, "haproxy": haproxyOnFile} {
		file, at := t.TempDir()+"/web.conf", port(t)
		first := integration.Matchmaker("watch", "web", "--format", name, "--out", file).With("MATCHMAKER_REDIS_URL=" + r.URL).Start(t)
		first.Says(soon, `"message":"written"`)
		first.Signal(syscall.SIGTERM)
		first.Wait(soon)
		flags := start(t, file, at)
		urls[name] = "http://127.0.0.1:" + at + "/"
		becomes(t, soon, whoAnswer(urls[name]), "web1 web2")
		integration.Matchmaker(append([]string{"watch", "web", "--out", file}, flags...)...).With("MATCHMAKER_REDIS_URL=" + r.URL).Start(t)
		loads[name] = getting(t, urls[name]).begin(200)
	}
	all := func(want string) {
		t.Helper()
		for name, url := range urls {
			integration.Eventually(t, soon, name+" leads to "+want, func() bool { return whoAnswer(url)(t.Context()) == want })
		}
	}
	upAs(t, r.URL, "web3")
	all("web1 web2 web3")
	leave[0]()
	all("web2 web3")
	leave[1]()
	all("web3")
	upAs(t, r.URL, "web4")
	all("web3 web4")
	for name, l := range loads {
		l.stop()
		if l.failed.Load() > 0 || l.sent < 500 {
			t.Errorf("%s: %d of %d requests failed: %v", name, l.failed.Load(), l.sent, l.why)
		}
		t.Logf("%s: %d requests, %s", name, l.sent, l.late)
	}
}
