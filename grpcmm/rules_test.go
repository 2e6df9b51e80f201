package grpcmm_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/experimental/balancer/weight"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/grpcmm"
	"github.com/redismm/matchmaker/integration"
)

func TestMalformedTargetIsAllThatBuildFailsFor(t *testing.T) {
	mm, memory := inMemory(t)
	memory.Break(errors.New("connection refused"))
	for _, good := range []string{
		"matchmaker:///compute", "Matchmaker:///compute", "matchmaker:compute", "matchmaker:///a%2Fb.c%20d",
		"matchmaker:///compute?zone=a", "matchmaker:///compute?label=k=v&label=l=", "matchmaker:///compute?zone=a&label=k=v",
	} {
		if err := build(mm, good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"matchmaker://compute":                         "three slashes",
		"matchmaker:///":                               `topic ""`,
		"matchmaker:///fanout~compute":                 "fanout",
		"matchmaker:///compute?zone=a&zone=b":          "zone=b",
		"matchmaker:///compute?region=a":               "region=a",
		"matchmaker:///compute?label=gpu":              `label "gpu"`,
		"matchmaker:///compute?label=k=v&label=k=w":    "twice",
		"matchmaker:///compute#1":                      "%23",
		"matchmaker:///compute?zone=%zz":               "zz",
		"matchmaker:///" + strings.Repeat("long", 100): "255 bytes",
	} {
		err := build(mm, bad)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "matchmaker:///TOPIC") {
			t.Errorf("%s: %v; want %q and the right form in it", bad, err, want)
		}
	}
}

// build makes a channel leave idle, and returns why its resolver could not be built.
func build(mm *core.HeartbeatMatchMaker, target string) error {
	spy := &spy{builder: grpcmm.NewBuilder(mm.Live())}
	cc, err := grpc.NewClient(target, grpc.WithResolvers(spy), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer cc.Close()
	cc.Connect()
	return spy.failed
}

// spy keeps why a builder failed.
type spy struct {
	builder resolver.Builder
	failed  error
}

func (s *spy) Scheme() string { return s.builder.Scheme() }

func (s *spy) Build(target resolver.Target, cc resolver.ClientConn, o resolver.BuildOptions) (resolver.Resolver, error) {
	r, err := s.builder.Build(target, cc, o)
	s.failed = err
	return r, err
}

func TestCallsFailAtOnceWithTheTopicWhenNobodyIsThere(t *testing.T) {
	const nobody = `no live hosts for topic "compute"`
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mm, _ := inMemory(t)
			c := dial(t, mm.Live(), "matchmaker:///compute", policy)
			if said, _ := c.fails(); !strings.Contains(said, `topic was never heard of: "compute"`) {
				t.Errorf("before anybody: %q", said)
			}
			for round := range 2 { // a channel that has seen nobody; one that had somebody
				register(t, mm, core.Registration{Topic: "compute", Host: "gone", Addr: "127.0.0.1:9"})
				leave(t, mm, "compute", "gone")
				c.says(nobody)
				waits := make(chan error, 1)
				go func() {
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					defer cancel()
					_, err := c.call(ctx, "", grpc.WaitForReady(true))
					waits <- err
				}()
				for range 50 { // whatever the balancer tries meanwhile
					if said, took := c.fails(); !strings.Contains(said, nobody) || took > time.Second {
						t.Fatalf("round %d: %q after %s; want %q at once", round, said, took, nobody)
					}
					time.Sleep(2 * time.Millisecond)
				}
				h := serve(t, "node1")
				register(t, mm, h.at("compute"))
				if err := <-waits; err != nil {
					t.Errorf("round %d: a call that waits for ready: %v", round, err)
				}
				leave(t, mm, "compute", "node1")
				c.says(nobody)
			}
			integration.Eventually(t, patience, "the channel has given the host up", func() bool {
				return c.GetState() == connectivity.TransientFailure
			})
		})
	}
}

func leave(t *testing.T, mm *core.HeartbeatMatchMaker, topic, host string) {
	t.Helper()
	if err := mm.Unregister(t.Context(), topic, host); err != nil {
		t.Fatal(err)
	}
}

// says waits until calls fail with a text.
func (c *channel) says(text string) {
	c.t.Helper()
	integration.Eventually(c.t, patience, "calls fail with "+text, func() bool {
		_, err := c.call(c.t.Context(), "")
		return err != nil && strings.Contains(err.Error(), text)
	})
}

// recorder is a channel that only remembers what it is told.
type recorder struct {
	mu     sync.Mutex
	states []resolver.State
	errs   []error
	more   chan struct{}
}

func newRecorder() *recorder { return &recorder{more: make(chan struct{}, 100)} }

func (r *recorder) UpdateState(s resolver.State) error {
	r.mu.Lock()
	r.states = append(r.states, s)
	r.mu.Unlock()
	r.more <- struct{}{}
	return nil
}

func (r *recorder) ReportError(err error) {
	r.mu.Lock()
	r.errs = append(r.errs, err)
	r.mu.Unlock()
	r.more <- struct{}{}
}

func (*recorder) NewAddress([]resolver.Address) {}

func (*recorder) ParseServiceConfig(string) *serviceconfig.ParseResult { return nil }

// next waits until the channel is told something.
func (r *recorder) next(t *testing.T) {
	t.Helper()
	select {
	case <-r.more:
	case <-time.After(patience):
		t.Fatalf("told nothing within %s", patience)
	}
}

func (r *recorder) last() resolver.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.states[len(r.states)-1]
}

// told is how often the channel was told of hosts, and of errors.
func (r *recorder) told() (states, errs int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.states), len(r.errs)
}

// record follows a target for a recorder until it is closed.
func record(t *testing.T, w core.Watcher, target string) (*recorder, resolver.Resolver) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	rec := newRecorder()
	r, err := grpcmm.NewBuilder(w).Build(resolver.Target{URL: *u}, rec, resolver.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return rec, r
}

func TestEndpointsAreOneForEachHostInOrder(t *testing.T) {
	mm, _ := inMemory(t)
	register(t, mm,
		core.Registration{Topic: "compute", Host: "node3", Addr: "10.0.0.3:80", Zone: "a", Weight: 7},
		core.Registration{Topic: "compute", Host: "node1", Addr: "10.0.0.1:80"},
		core.Registration{Topic: "compute", Host: "node2", Addr: "10.0.0.1:80"}, // the address of node1
		core.Registration{Topic: "compute", Host: "node4"})
	rec, _ := record(t, mm.Live(), "matchmaker:///compute")
	rec.next(t)
	s := rec.last()
	var got []string
	for _, e := range s.Endpoints {
		for _, a := range e.Addresses {
			if a.ServerName != "" || a.Attributes != nil {
				t.Errorf("%s says more than its address: %v", a.Addr, a)
			}
			got = append(got, a.Addr+" "+grpcmm.Zone(e)+" "+string('0'+rune(weight.FromEndpoint(e).Weight)))
		}
	}
	if want := []string{"10.0.0.1:80  1", "10.0.0.3:80 a 7"}; !slices.Equal(got, want) {
		t.Errorf("endpoints %q, want %q", got, want)
	}
	if s.ServiceConfig != nil || s.Addresses != nil || s.Attributes != nil {
		t.Errorf("told more than endpoints: %+v", s)
	}
	register(t, mm, core.Registration{Topic: "dumb", Host: "node1"}, core.Registration{Topic: "dumb", Host: "node2"})
	c := dial(t, mm.Live(), "matchmaker:///dumb", roundRobin)
	if said, _ := c.fails(); !strings.Contains(said, `no live hosts with an address for topic "dumb": node1, node2 registered without`) {
		t.Errorf("hosts without address: %q", said)
	}
}

func TestTargetChoosesByZoneAndLabel(t *testing.T) {
	mm, _ := inMemory(t)
	at := func(host, zone, gpu string) core.Registration {
		return core.Registration{Topic: "compute", Host: host, Addr: host + ":80", Zone: zone, Labels: map[string]string{"gpu": gpu}}
	}
	register(t, mm, at("node1", "a", "yes"), at("node2", "b", "yes"), at("node3", "a", "no"))
	for query, want := range map[string]string{
		"":                      "node1:80 node2:80 node3:80",
		"?zone=a":               "node1:80 node3:80",
		"?zone=c":               "node1:80 node2:80 node3:80",
		"?label=gpu=yes":        "node1:80 node2:80",
		"?label=gpu=yes&zone=b": "node2:80",
		"?label=gpu=no&zone=b":  "node3:80",
	} {
		rec, _ := record(t, mm.Live(), "matchmaker:///compute"+query)
		rec.next(t)
		var got []string
		for _, e := range rec.last().Endpoints {
			got = append(got, e.Addresses[0].Addr)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	c := dial(t, mm.Live(), "matchmaker:///compute?label=gpu=maybe", roundRobin)
	said, _ := c.fails()
	if want := `no live hosts of those wanted for topic "compute" (labels wanted: map[gpu:maybe])`; !strings.Contains(said, want) {
		t.Errorf("a label that nobody has: %q, want %q", said, want)
	}
}

func TestHostThatDrainsGetsNoCallsAndFinishesThoseItHas(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mm, _ := inMemory(t)
			hosts := startHosts(t, mm, "compute", 2)
			c := dial(t, mm.Live(), "matchmaker:///compute", policy)
			c.answers()
			type answer struct {
				who string
				err error
			}
			finished := make(chan answer, 1)
			go func() {
				who, err := c.call(context.Background(), "slow")
				finished <- answer{who, err}
			}()
			draining, other := whoHolds(t, hosts)
			told := c.updates.Load()
			if err := mm.Drain(t.Context(), "compute", draining.name); err != nil {
				t.Fatal(err)
			}
			integration.Eventually(t, patience, "the channel is told", func() bool { return c.updates.Load() > told })
			before := draining.calls.Load()
			for range 20 {
				if who := c.answers(); who != other.name {
					t.Errorf("%s answers, which drains", who)
				}
			}
			if n := draining.calls.Load() - before; n != 0 {
				t.Errorf("%d calls reached the host that drains", n)
			}
			close(draining.slow)
			if a := <-finished; a.err != nil || a.who != draining.name {
				t.Errorf("the call in flight: %q, %v; want %s", a.who, a.err, draining.name)
			}
		})
	}
}

// whoHolds waits until one of two hosts has a slow call in flight.
func whoHolds(t *testing.T, hosts []*host) (holds, other *host) {
	t.Helper()
	integration.Eventually(t, patience, "the slow call has begun", func() bool {
		for i, h := range hosts {
			if h.held.Load() > 0 {
				holds, other = h, hosts[1-i]
			}
		}
		return holds != nil
	})
	return holds, other
}
