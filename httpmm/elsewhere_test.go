package httpmm_test

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/httpmm"
)

func TestWhatBreaksGoesToAnotherHostWhateverThePolicy(t *testing.T) {
	mm, _ := inMemory(t)
	for _, host := range []string{"node1", "node2"} {
		register(t, mm, core.Registration{Topic: "compute", Host: host, Addr: host + ":80"})
	}
	for name, policy := range map[string]core.Policy{"default": nil, "weighted": core.Weighted, "round robin": core.RoundRobin, "rendezvous": core.Rendezvous} {
		broke := 0
		tr := httpmm.NewTransport(mm.Live(), fake(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "node2:80" {
				broke++
				return nil, io.EOF
			}
			return answering(r)
		}))
		tr.Policy = policy
		for i := range 100 {
			ctx := core.WithAffinity(t.Context(), strings.Repeat("k", 1+i))
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://compute/", nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := do(&http.Client{Transport: tr}, req); strings.HasPrefix(got, "error") {
				t.Fatalf("%s: %s", name, got)
			}
		}
		if broke == 0 {
			t.Errorf("%s: nobody was sent to the host that breaks", name)
		}
	}
}

// resetting accepts connections and cuts them off.
func resetting(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

func TestAHandshakeThatFailsIsAConnectionThatWasNotMade(t *testing.T) {
	good := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer good.Close()
	plain := httptest.NewUnstartedServer(http.NotFoundHandler())
	plain.Config.ErrorLog = log.New(io.Discard, "", 0)
	plain.Start()
	defer plain.Close()
	for what, addr := range map[string]string{"speaks no TLS": plain.Listener.Addr().String(), "resets": resetting(t)} {
		mm, _ := inMemory(t)
		register(t, mm, core.Registration{Topic: "compute", Host: "good", Addr: good.Listener.Addr().String()})
		register(t, mm, core.Registration{Topic: "compute", Host: "bad", Addr: addr})
		base := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		tries := 0
		tr := httpmm.NewTransport(mm.Live(), fake(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == addr {
				tries++
			}
			return base.RoundTrip(r)
		}))
		tr.Policy = core.RoundRobin
		for range 20 {
			req, err := http.NewRequest(http.MethodPost, "https://compute/", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			if got := do(&http.Client{Transport: tr}, req); strings.HasPrefix(got, "error") {
				t.Fatalf("%s: %s", what, got)
			}
		}
		if tries != 1 {
			t.Errorf("%s: it was tried %d times, want 1 and to be left alone then", what, tries)
		}
		base.CloseIdleConnections()
	}
}
