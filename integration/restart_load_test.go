package integration_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/grpcmm"
	"github.com/redismm/matchmaker/httpmm"
	"github.com/redismm/matchmaker/integration"
)

// client sends requests to a topic, each once, and counts the connections that it makes.
type client struct {
	send  func(ctx context.Context) error
	dials atomic.Int64
}

func (c *client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c.dials.Add(1)
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// grpcClient calls with retries off.
func grpcClient(t *testing.T, w core.Watcher, topic string) *client {
	t.Helper()
	c := new(client)
	cc, err := grpc.NewClient("matchmaker:///"+topic,
		grpc.WithResolvers(grpcmm.NewBuilder(w)), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry(),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return c.dial(ctx, "tcp", addr) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	calls := healthpb.NewHealthClient(cc)
	c.send = func(ctx context.Context) error {
		_, err := calls.Check(ctx, new(healthpb.HealthCheckRequest))
		return err
	}
	return c
}

// connections is how many connections an HTTP client has to each host. All are made before a load begins.
const connections = 8

// httpClient posts bodies that can be read once: what was sent is not sent again. As gRPC does without retries,
// the transport tries another host for what was not.
func httpClient(t *testing.T, w core.Watcher, topic string) *client {
	t.Helper()
	c := new(client)
	base := &http.Transport{DialContext: c.dial, MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}
	tr := httpmm.NewTransport(w, base)
	tr.Policy = core.RoundRobin
	t.Cleanup(base.CloseIdleConnections)
	c.send = func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+topic+"/", io.MultiReader(strings.NewReader("x")))
		if err != nil {
			return err
		}
		return succeeds(tr, req)
	}
	return c
}

// succeeds sends a request and reads the answer, which is not OK with an error.
func succeeds(tr http.RoundTripper, req *http.Request) error {
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", resp.Status)
	}
	return err
}

// warm sends requests until the client has made n connections, and needs no more.
func (c *client) warm(t *testing.T, n int) {
	t.Helper()
	integration.Eventually(t, soon, fmt.Sprintf("there are %d connections", n), func() bool {
		var warming sync.WaitGroup
		for range 4 * n {
			warming.Go(func() { _ = c.send(t.Context()) })
		}
		warming.Wait()
		return c.dials.Load() >= int64(n)
	})
}

// load is requests at a rate that does not depend on the answers.
type load struct {
	end          context.CancelFunc
	began        time.Time
	took         time.Duration
	ended        chan struct{}
	sent         int
	done, failed atomic.Int64
	mu           sync.Mutex
	late         delays
	why          map[string]int // requests failed
}

// begin sends so many requests a second until it is stopped.
func (c *client) begin(rate int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{end: cancel, began: time.Now(), ended: make(chan struct{}), why: make(map[string]int)}
	go func() {
		defer close(l.ended)
		var flying sync.WaitGroup
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			for due := int(time.Since(l.began) * time.Duration(rate) / time.Second); l.sent < due; l.sent++ {
				at := l.began.Add(time.Duration(l.sent) * time.Second / time.Duration(rate))
				flying.Go(func() { l.one(c, at) })
			}
			<-tick.C
		}
		flying.Wait()
		l.took = time.Since(l.began)
	}()
	return l
}

// anyAddr is an address in what an error says.
var anyAddr = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)

// requestTimeout bounds a request.
const requestTimeout = 10 * time.Second

// one sends a request that was due at a time.
func (l *load) one(c *client, due time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	err := c.send(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late = append(l.late, time.Since(due))
	if err == nil {
		l.done.Add(1)
		return
	}
	l.failed.Add(1)
	l.why[anyAddr.ReplaceAllString(err.Error(), "ADDR")]++
}

// stop ends the load, and waits for what is in flight.
func (l *load) stop() {
	l.end()
	<-l.ended
}

// achieved is the share of the rate that was answered well, in percent.
func (l *load) achieved(rate int) float64 {
	return 100 * float64(l.done.Load()) / (float64(rate) * l.took.Seconds())
}
