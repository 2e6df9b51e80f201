package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// listens is the address at which a process says that it listens, by the flag that asked for it.
func listens(t *testing.T, p *integration.Process, flag string) string {
	t.Helper()
	p.Says(soon, `"message":"`+flag+`"`)
	return regexp.MustCompile(`"address":"([^"]*)"[^\n]*"message":"` + flag + `"`).FindStringSubmatch(p.Err())[1]
}

// dig asks an address as dig does, and returns the words of what it prints, one a line, in order.
func dig(t *testing.T, at string, question ...string) func(context.Context) string {
	t.Helper()
	tool := integration.Program(t, "dig", "dig is not installed: `make setup` installs it")
	host, port, _ := net.SplitHostPort(at)
	return func(ctx context.Context) string {
		out, err := exec.CommandContext(ctx, tool, append([]string{"@" + host, "-p", port, "+tries=1", "+time=3"}, question...)...).Output()
		if err != nil {
			return fmt.Sprintf("%v: %s", err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
}

// status is the code of an answer that dig asked for.
func status(t *testing.T, at string, question ...string) func(context.Context) string {
	t.Helper()
	ask := dig(t, at, append(question, "+noall", "+comments")...)
	return func(ctx context.Context) string {
		text := ask(ctx)
		if found := regexp.MustCompile(`status: (\w+)`).FindStringSubmatch(text); found != nil {
			return found[1]
		}
		return text
	}
}

// goResolver is Go's own, which asks nobody but an address.
func goResolver(at string) *net.Resolver {
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, at)
	}}
}

func TestDNSIsReadByDigAndByGo(t *testing.T) {
	if testing.Short() {
		t.Skip("dig is more than Go")
	}
	t.Parallel()
	r := integration.StartRedis(t)
	p := beatingSidecar(r, beating, "web=web1,addr=127.0.0.1:8080,weight=3", "--register", "web=web2,addr=127.0.0.2:8081",
		"--listen", "off", "--listen-dns", "127.0.0.1:0").Start(t)
	at := listens(t, p, "listen-dns")
	keep(t, r.URL, "web") // and so what follows is followed by somebody else too
	becomes(t, soon, dig(t, at, "+short", "web.matchmaker"), "127.0.0.1\n127.0.0.2")
	becomes(t, soon, dig(t, at, "+short", "_web._tcp.matchmaker", "SRV"), "0 1 8081 web2.web.matchmaker.\n0 3 8080 web1.web.matchmaker.")
	becomes(t, soon, dig(t, at, "+short", "+tcp", "web2.web.matchmaker"), "127.0.0.2")
	becomes(t, soon, status(t, at, "nosuch.matchmaker"), "NXDOMAIN")
	becomes(t, soon, status(t, at, "example.org"), "REFUSED")
	becomes(t, soon, status(t, at, "web.matchmaker", "TXT"), "NOERROR")

	its := goResolver(at)
	name, srv, err := its.LookupSRV(t.Context(), "web", "tcp", "matchmaker")
	if err != nil || name != "_web._tcp.matchmaker." || len(srv) != 2 {
		t.Fatalf("Go finds %v at %s, %v", srv, name, err)
	}
	for _, s := range srv {
		want := map[uint16]string{8080: "[127.0.0.1]", 8081: "[127.0.0.2]"}[s.Port]
		if ips, err := its.LookupHost(t.Context(), s.Target); err != nil || fmt.Sprint(ips) != want {
			t.Errorf("Go finds %v at %s, %v", ips, s.Target, err)
		}
	}
	var missing *net.DNSError
	if _, err := its.LookupHost(t.Context(), "nosuch.matchmaker."); !errors.As(err, &missing) || !missing.IsNotFound {
		t.Errorf("Go is told %v of a topic never heard of", err)
	}

	big := open(t, r.URL, calm)
	var rs []core.Registration
	for i := range 500 {
		rs = append(rs, core.Registration{Topic: "big", Host: fmt.Sprintf("node%03d", i), Addr: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250+1)})
	}
	if err := big.Register(t.Context(), rs...); err != nil {
		t.Fatal(err)
	}
	for _, question := range [][]string{{"+short", "big.matchmaker"}, {"+short", "+tcp", "big.matchmaker"}, {"+short", "big.matchmaker", "SRV"}} {
		ask := dig(t, at, question...) // which asks again by TCP
		becomes(t, soon, func(ctx context.Context) string { return fmt.Sprint(strings.Count(ask(ctx), "\n") + 1) }, "500")
	}
	if ips, err := its.LookupHost(t.Context(), "big.matchmaker."); err != nil || len(ips) != 500 {
		t.Errorf("Go finds %d of 500, %v", len(ips), err)
	}

	r.Kill()
	becomes(t, soon, status(t, at, "nosuch.matchmaker"), "SERVFAIL")
	for _, name := range []string{"other.matchmaker", "web9.web.matchmaker"} {
		began := time.Now()
		if got := status(t, at, name)(t.Context()); got != "SERVFAIL" || time.Since(began) > time.Second+slack {
			t.Errorf("%s in an outage: %s after %s", name, got, time.Since(began))
		}
	}
	if got := dig(t, at, "+short", "web.matchmaker")(t.Context()); got != "127.0.0.1\n127.0.0.2" {
		t.Errorf("in an outage: %q", got)
	}
	if _, err := its.LookupHost(t.Context(), "other.matchmaker."); !errors.As(err, &missing) || missing.IsNotFound || !missing.IsTemporary {
		t.Errorf("Go is told %v of a topic never asked for, in an outage", err)
	}
}

// answering is an HTTP server that says its name.
func answering(t *testing.T, addr, name string) *http.Server {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Addr: l.Addr().String(), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return s
}

// whoAnswer are the names that a URL answers with, of some requests.
func whoAnswer(url string) func(context.Context) string {
	return func(ctx context.Context) string {
		var names []string
		for range 30 {
			body := bodyOf(ctx, url)
			if !slices.Contains(names, body) {
				names = append(names, body)
			}
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
}

// nginxOf writes the configuration of an nginx into a directory of its own and starts it. Its http section is given.
func nginxOf(t *testing.T, section string) *integration.Process {
	t.Helper()
	program := integration.Program(t, "nginx", "nginx is not installed: `make setup` installs it")
	dir := t.TempDir()
	put(t, dir+"/nginx.conf", "daemon off;\nworker_processes 1;\npid "+dir+"/pid;\nerror_log stderr;\nevents { worker_connections 512; }\nhttp {\n"+
		"access_log off;\nclient_body_temp_path "+dir+"/b;\nproxy_temp_path "+dir+"/p;\nfastcgi_temp_path "+dir+"/f;\nuwsgi_temp_path "+dir+"/u;\nscgi_temp_path "+dir+"/s;\n"+
		section+"\n}\n")
	return integration.Command{Path: program, Args: []string{"-p", dir, "-c", dir + "/nginx.conf"}}.Start(t)
}

// nginx resolves a name of proxy_pass again each time it has lapsed, if a variable has it. Debian's nginx has no other way:
// the parameter resolve of an upstream's server came with 1.27.3.
func TestNginxFollowsDNS(t *testing.T) {
	if testing.Short() {
		t.Skip("nginx is more than Go")
	}
	t.Parallel()
	r := integration.StartRedis(t)
	port, front := port(t), port(t)
	for i := range 3 {
		answering(t, fmt.Sprintf("127.0.0.%d:%s", i+1, port), fmt.Sprintf("web%d", i+1))
	}
	p := beatingSidecar(r, beating, "web=web1,addr=127.0.0.1:"+port, "--listen", "off", "--listen-dns", "127.0.0.1:0").Start(t)
	at := listens(t, p, "listen-dns")
	nginxOf(t, fmt.Sprintf(`
	resolver %s valid=1s ipv6=off;
	server { listen 127.0.0.1:%s; location / { set $web web.matchmaker; proxy_pass http://$web:%s; } }`, at, front, port))
	url := "http://127.0.0.1:" + front + "/"
	becomes(t, soon, whoAnswer(url), "web1")
	var more []*integration.Process
	for i := 2; i <= 3; i++ {
		more = append(more, beatingSidecar(r, beating, fmt.Sprintf("web=web%d,addr=127.0.0.%d:%s", i, i, port), "--listen", "off").Start(t))
	}
	becomes(t, soon, whoAnswer(url), "web1 web2 web3")
	more[0].Kill()
	becomes(t, soon, whoAnswer(url), "web1 web3")
	r.Kill()
	p.Says(soon, event(core.Degraded))
	stays(t, 2*time.Second, whoAnswer(url), "web1 web3") // longer than the name is remembered
}
