package httpmm_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/httpmm"
)

// run serves node1 of the topic compute as a program does, until end is called. What Serve returned comes from
// done.
func run(t *testing.T, mm *core.HeartbeatMatchMaker, srv *http.Server, f core.Farewell) (end func(), done chan error) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := httpmm.Service(srv, lis)
	s.Farewell = f
	ctx, end := context.WithCancel(context.Background())
	done = make(chan error, 1)
	r := core.Registration{Topic: "compute", Host: "node1", Addr: lis.Addr().String()}
	go func() { done <- mm.Serve(ctx, s, r) }()
	t.Cleanup(func() { end(); srv.Close() })
	shows(t, mm, func(v *core.View) bool { return len(v.Members) == 1 })
	return end, done
}

// slow answers /slow once it may.
type slow struct{ begun, may chan struct{} }

func newSlow() slow { return slow{make(chan struct{}), make(chan struct{})} }

func (s slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/slow" {
		close(s.begun)
		select {
		case <-s.may:
		case <-r.Context().Done():
		}
	}
	_, _ = io.WriteString(w, "done")
}

func TestServiceAnswersWhatIsInFlightBeforeItEnds(t *testing.T) {
	mm, _ := inMemory(t)
	s := newSlow()
	end, done := run(t, mm, &http.Server{Handler: s}, core.Farewell{Propagation: 50 * time.Millisecond})
	c, _ := client(t, mm)
	answer := make(chan string, 1)
	go func() { answer <- get(t, c, "http://compute/slow") }()
	<-s.begun
	end()
	shows(t, mm, func(v *core.View) bool { return v.Members[0].State == core.Draining })
	select {
	case err := <-done:
		t.Errorf("it has ended while a request was in flight: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	close(s.may)
	if got := <-answer; got != "done" {
		t.Errorf("the request in flight: %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	shows(t, mm, func(v *core.View) bool { return len(v.Members) == 0 })
}

func TestServiceCutsOffWhatOutlivesTheDrain(t *testing.T) {
	mm, _ := inMemory(t)
	s := newSlow()
	end, done := run(t, mm, &http.Server{Handler: s}, core.Farewell{Propagation: -1, Drain: 50 * time.Millisecond})
	c, _ := client(t, mm)
	answer := make(chan string, 1)
	go func() {
		req, _ := http.NewRequest(http.MethodPost, "http://compute/slow", nil)
		answer <- do(c, req)
	}()
	<-s.begun
	end()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "requests in flight were cut off: context deadline exceeded") {
		t.Errorf("ended with %v", err)
	}
	if got := <-answer; !strings.Contains(got, "EOF") {
		t.Errorf("the request in flight: %q", got)
	}
	shows(t, mm, func(v *core.View) bool { return len(v.Members) == 0 })
}

func TestServiceSpeaksTLSIfTheServerIsToldTo(t *testing.T) {
	mm, _ := inMemory(t)
	donor := httptest.NewUnstartedServer(nil)
	donor.StartTLS()
	defer donor.Close()
	srv := &http.Server{Handler: newSlow(), TLSConfig: &tls.Config{Certificates: donor.TLS.Certificates}}
	end, done := run(t, mm, srv, core.Farewell{Propagation: -1})
	base := donor.Client().Transport.(*http.Transport)
	c := &http.Client{Transport: httpmm.NewTransport(mm.Live(), base)}
	if got := get(t, c, "https://compute/"); got != "done" {
		t.Errorf("answered %q", got)
	}
	base.CloseIdleConnections()
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
