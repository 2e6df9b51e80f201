package grpcmm_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/balancer/leastrequest" // the balancers that the tests name
	_ "google.golang.org/grpc/balancer/ringhash"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
	"github.com/redismm/matchmaker/grpcmm"
	"github.com/redismm/matchmaker/integration"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds the wait for what is to come.
const patience = 20 * time.Second

// greeter is a service with one method, Greet, which answers a name.
type greeter interface {
	greet(ctx context.Context, name string) (string, error)
}

const greet = "/greeter/Greet"

var greeterDesc = grpc.ServiceDesc{
	ServiceName: "greeter",
	HandlerType: (*greeter)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Greet", Handler: func(s any, ctx context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var name wrapperspb.StringValue
		if err := read(&name); err != nil {
			return nil, err
		}
		said, err := s.(greeter).greet(ctx, name.GetValue())
		return wrapperspb.String(said), err
	}}},
}

// host is a server on the loopback interface that answers its name, and counts.
type host struct {
	name, addr string
	server     *grpc.Server
	accepted   atomic.Int64  // connections
	calls      atomic.Int64  // begun
	held       atomic.Int64  // of them, those for "slow" that wait
	slow       chan struct{} // what a call for "slow" waits for
}

func (h *host) greet(ctx context.Context, name string) (string, error) {
	h.calls.Add(1)
	if name == "slow" {
		h.held.Add(1)
		defer h.held.Add(-1)
		select {
		case <-h.slow:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return h.name, nil
}

// serve starts a server that is stopped with the test.
func serve(t *testing.T, name string) *host {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{name: name, addr: lis.Addr().String(), server: grpc.NewServer(), slow: make(chan struct{})}
	h.server.RegisterService(&greeterDesc, h)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = h.server.Serve(counting{lis, &h.accepted})
	}()
	t.Cleanup(func() { h.server.Stop(); <-served })
	return h
}

type counting struct {
	net.Listener
	accepted *atomic.Int64
}

func (c counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.accepted.Add(1)
	}
	return conn, err
}

// at is the registration of a host under a topic.
func (h *host) at(topic string) core.Registration {
	return core.Registration{Topic: topic, Host: h.name, Addr: h.addr}
}

// open returns a matchmaker over b that beats, and is closed with the test.
func open(t *testing.T, b core.Backend) *core.HeartbeatMatchMaker {
	t.Helper()
	mm, err := core.NewHeartbeat(b, core.HeartbeatConfig{Freq: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mm.Close() })
	mm.StartHeartbeat()
	return mm
}

// inMemory is open over a registry of the test's own.
func inMemory(t *testing.T) (*core.HeartbeatMatchMaker, *coretest.Memory) {
	t.Helper()
	m := coretest.NewMemory()
	return open(t, m), m
}

// register returns when hosts are registered; what a busy machine did not do in time is tried again by heartbeats.
func register(t *testing.T, mm *core.HeartbeatMatchMaker, rs ...core.Registration) {
	t.Helper()
	if err := mm.Register(t.Context(), rs...); err != nil && !errors.Is(err, core.ErrUnavailable) {
		t.Fatal(err)
	}
	integration.Eventually(t, patience, "hosts are registered", func() bool {
		return !slices.ContainsFunc(mm.Registrations(), func(s core.Status) bool { return s.Standing != "valid" })
	})
}

// startHosts serves and registers hosts, named node1 and so on.
func startHosts(t *testing.T, mm *core.HeartbeatMatchMaker, topic string, n int) []*host {
	t.Helper()
	hosts := make([]*host, n)
	for i := range hosts {
		hosts[i] = serve(t, "node"+strconv.Itoa(i+1))
		register(t, mm, hosts[i].at(topic))
	}
	return hosts
}

// told counts what a channel is told.
type told struct {
	resolver.ClientConn
	updates, errors *atomic.Int64
}

func (c told) UpdateState(s resolver.State) error {
	c.updates.Add(1)
	return c.ClientConn.UpdateState(s)
}

func (c told) ReportError(err error) {
	c.errors.Add(1)
	c.ClientConn.ReportError(err)
}

// channel is a channel to a target, and what it was told.
type channel struct {
	*grpc.ClientConn
	t               *testing.T
	builder         resolver.Builder
	updates, errors atomic.Int64
}

func (c *channel) Scheme() string { return c.builder.Scheme() }

func (c *channel) Build(target resolver.Target, cc resolver.ClientConn, o resolver.BuildOptions) (resolver.Resolver, error) {
	return c.builder.Build(target, told{cc, &c.updates, &c.errors}, o)
}

// dial returns a channel that is closed with the test.
func dial(t *testing.T, w core.Watcher, target, policy string, more ...grpc.DialOption) *channel {
	t.Helper()
	c := &channel{t: t, builder: grpcmm.NewBuilder(w)}
	cc, err := grpc.NewClient(target, append(more,
		grpc.WithResolvers(c),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{`+policy+`}]}`))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	c.ClientConn = cc
	return c
}

// call greets, and returns who answered.
func (c *channel) call(ctx context.Context, name string, options ...grpc.CallOption) (string, error) {
	var answer wrapperspb.StringValue
	err := c.Invoke(ctx, greet, wrapperspb.String(name), &answer, options...)
	return answer.GetValue(), err
}

// answers waits until somebody answers.
func (c *channel) answers() string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	who, err := c.call(ctx, "", grpc.WaitForReady(true))
	if err != nil {
		c.t.Fatal(err)
	}
	return who
}

// fails makes a call that must fail with Unavailable, and returns what it says and how long it took.
func (c *channel) fails() (string, time.Duration) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	began := time.Now()
	who, err := c.call(ctx, "")
	if status.Code(err) != codes.Unavailable {
		c.t.Fatalf("answered %q, %v; want Unavailable", who, err)
	}
	return status.Convert(err).Message(), time.Since(began)
}

// spread makes calls, and returns how many each host answered.
func (c *channel) spread(n int, with func(i int) context.Context) map[string]int {
	c.t.Helper()
	by := make(map[string]int)
	for i := range n {
		who, err := c.call(with(i), "")
		if err != nil {
			c.t.Fatal(err)
		}
		by[who]++
	}
	return by
}

const (
	pickFirst    = `"pick_first": {}`
	roundRobin   = `"round_robin": {}`
	ringHash     = `"ring_hash_experimental": {"requestHashHeader": "key"}`
	leastRequest = `"least_request_experimental": {}`
)

var policies = map[string]string{"pick_first": pickFirst, "round_robin": roundRobin, "ring_hash": ringHash, "least_request": leastRequest}

// keyed is the context of a call with a key of its own, for ring_hash.
func keyed(i int) context.Context {
	return metadata.AppendToOutgoingContext(context.Background(), "key", strconv.Itoa(i))
}

// processed is how many commands a Redis has executed.
func processed(t *testing.T, c *redis.Client) int {
	t.Helper()
	text, err := c.Info(t.Context(), "stats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "total_commands_processed:"); ok {
			count, err := strconv.Atoi(n)
			if err != nil {
				t.Fatal(err)
			}
			return count
		}
	}
	t.Fatalf("INFO says nothing of commands: %q", text)
	return 0
}
