package checks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/redismm/matchmaker/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestACheckIsReadFromOneWord(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"http://127.0.0.1:8080/healthz":    "http://127.0.0.1:8080/healthz",
		"http://:8080/healthz?deep=1":      "http://127.0.0.1:8080/healthz?deep=1",
		"http://:8080":                     "http://127.0.0.1:8080",
		"http://app/":                      "http://app:80/",
		"https://app.example/x":            "https://app.example:443/x",
		"tcp://[::1]:6379":                 "tcp://[::1]:6379",
		"tcp://:6379":                      "tcp://127.0.0.1:6379",
		"grpc://:50051":                    "grpc://127.0.0.1:50051",
		"grpc://10.0.0.1:50051/pkg.Orders": "grpc://10.0.0.1:50051/pkg.Orders",
	} {
		got, err := Parse(text)
		if err != nil || got.String() != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%s is read again as %s, %v", got, again, err)
		}
	}
	for _, text := range []string{"", "8080", ":8080", "127.0.0.1:8080", "tcp://host", "tcp://host:0", "tcp://host:70000", "tcp://:80/x",
		"ftp://host:21", "http:host", "http://u:p@host/", "grpc://host", "grpc://host:1/?x=y", "http://[::1", "tcp:80", "http://host:x/"} {
		if got, err := Parse(text); !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), "want http://HOST:PORT/PATH") {
			t.Errorf("%q: %s, %v, want it refused", text, got, err)
		}
	}
}

// asked asks a check that is read from a word, and waits for longer than a busy machine takes.
func asked(t *testing.T, text string) error { return askedFor(t, 20*time.Second, text) }

func askedFor(t *testing.T, long time.Duration, text string) error {
	t.Helper()
	c, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	return c.Ask(ctx)
}

// wants compares an error with the end of what it ought to say; "" is none.
func wants(t *testing.T, err error, end string) {
	t.Helper()
	if (err == nil) != (end == "") || err != nil && !strings.HasSuffix(err.Error(), end) {
		t.Errorf("%v, want %q", err, end)
	}
}

func TestAnHTTPCheckPassesByItsStatus(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		if status == 302 {
			w.Header().Set("Location", "http://127.0.0.1:1/") // to be followed by nobody
		}
		w.WriteHeader(status)
		w.Write(make([]byte, 1<<20))
	}))
	defer s.Close()
	for status, end := range map[int]string{200: "", 204: "", 302: "", 399: "", 400: "status 400 Bad Request",
		404: "status 404 Not Found", 503: "status 503 Service Unavailable"} {
		wants(t, asked(t, fmt.Sprintf("%s/%d", s.URL, status)), end)
	}
}

// silence is the address of a server that accepts and says nothing.
func silence(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// nowhere is an address where nobody listens.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestWhoAcceptsAndSaysNothingPassesByTCPAlone(t *testing.T) {
	t.Parallel()
	at := silence(t)
	wants(t, asked(t, "tcp://"+at), "")
	wants(t, askedFor(t, time.Second, "http://"+at), "http://"+at+": no answer in time")
	wants(t, askedFor(t, time.Second, "grpc://"+at), "grpc://"+at+": no answer in time")
}

func TestNobodyThereFailsEveryCheck(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"tcp", "http", "grpc"} {
		if err := asked(t, scheme+"://"+nowhere(t)); err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: %v, want connection refused", scheme, err)
		}
	}
}

func TestAGRPCCheckAsksTheHealthService(t *testing.T) {
	t.Parallel()
	serve := func(with *health.Server) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer()
		if with != nil {
			grpc_health_v1.RegisterHealthServer(s, with)
		}
		go s.Serve(l)
		t.Cleanup(s.Stop)
		return "grpc://" + l.Addr().String()
	}
	h := health.NewServer()
	at := serve(h)
	h.SetServingStatus("orders", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	wants(t, asked(t, at), "")
	wants(t, asked(t, at+"/orders"), "status NOT_SERVING")
	wants(t, asked(t, at+"/nosuch"), `the server knows no service "nosuch"`)
	h.SetServingStatus("orders", grpc_health_v1.HealthCheckResponse_SERVING)
	wants(t, asked(t, at+"/orders"), "")
	wants(t, asked(t, serve(nil)), "the server has no health service, grpc.health.v1.Health")
}
