package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// Hosts are n simulated processes, each of which registers one host: node1, node2 and so on.
type Hosts struct {
	Topic string
	N     int
	// Freq is the interval of their heartbeats; 0 means 250 ms. Their TTL is three of it.
	Freq time.Duration
	// URL is the DSN of a registry that is there, for Start; "" starts a redis-server.
	URL string
}

// Registry is a registry with hosts. Its methods end the test if it does not do as it is told; they are for
// one goroutine at a time.
type Registry struct {
	// MatchMaker answers lookups from memory. It registers nothing by itself.
	MatchMaker *core.HeartbeatMatchMaker
	// URL is the registry's DSN; "" in memory.
	URL string

	t     testing.TB
	hosts Hosts
	where place
	open  map[string]*core.HeartbeatMatchMaker
}

// place is where a registry is kept.
type place interface {
	store(redismm.Config) (*redismm.Store, error)
	client() *redis.Client
	down()
	up()
	flush()
}

// Start starts a redis-server, unless there is a registry at URL, and the hosts, and returns when all are
// registered. All ends with the test.
func Start(t testing.TB, hosts Hosts) *Registry {
	t.Helper()
	if hosts.URL != "" {
		return start(t, hosts, elsewhere{t, hosts.URL}, hosts.URL)
	}
	server := integration.StartRedis(t)
	return start(t, hosts, served{elsewhere{t, server.URL}, server}, server.URL)
}

// InMemory is Start without a server: it needs nothing but Go, and takes the time of the testing/synctest
// bubble in which it is called. What needs a server of its own uses Client.
func InMemory(t testing.TB, hosts Hosts) *Registry {
	t.Helper()
	return start(t, hosts, newMemory(t), "")
}

func start(t testing.TB, hosts Hosts, where place, url string) *Registry {
	t.Helper()
	if hosts.Freq == 0 {
		hosts.Freq = 250 * time.Millisecond
	}
	r := &Registry{URL: url, t: t, hosts: hosts, where: where, open: make(map[string]*core.HeartbeatMatchMaker)}
	r.MatchMaker = r.process()
	var names []string
	for i := range hosts.N {
		names = append(names, fmt.Sprintf("node%d", i+1))
	}
	r.Start(names...)
	return r
}

// process is one more process that uses the registry.
func (r *Registry) process() *core.HeartbeatMatchMaker {
	r.t.Helper()
	config := core.HeartbeatConfig{Freq: r.hosts.Freq}
	store, err := r.where.store(redismm.Config{HeartbeatConfig: config})
	if err != nil {
		r.t.Fatalf("open the registry: %v", err)
	}
	mm, err := core.NewHeartbeat(store, config)
	if err != nil {
		r.t.Fatalf("open the registry: %v", err)
	}
	r.t.Cleanup(func() { mm.Close() })
	return mm
}

// patience bounds the wait for the registry to do as it is told.
const patience = 10 * time.Second

// Client returns a client of the registry's Redis, for redismm.NewStore or for commands that nobody else
// would send. It is closed when the test ends.
func (r *Registry) Client() *redis.Client { return r.where.client() }

// Start starts processes that register these hosts and send heartbeats, and returns when all are registered.
// None of them runs yet.
func (r *Registry) Start(hosts ...string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	errs := make([]error, len(hosts))
	var going sync.WaitGroup
	for i, h := range hosts {
		if r.open[h] != nil {
			r.t.Fatalf("start %s: it runs already", h)
		}
		mm := r.process()
		r.open[h] = mm
		going.Go(func() {
			errs[i] = mm.Register(ctx, core.Registration{Topic: r.hosts.Topic, Host: h})
			mm.StartHeartbeat()
		})
	}
	going.Wait()
	for i, h := range hosts {
		if errors.Is(errs[i], core.ErrInvalid) {
			r.t.Fatalf("start %s: %v", h, errs[i])
		}
		integration.Eventually(r.t, patience, h+" is registered", func() bool { // what failed now is tried again
			all := r.open[h].Registrations()
			return len(all) == 1 && all[0].Standing == "valid"
		})
	}
}

// Host returns the process of a host, for all that is not a verb here: it may drain, or cease to beat.
func (r *Registry) Host(host string) *core.HeartbeatMatchMaker {
	r.t.Helper()
	mm := r.open[host]
	if mm == nil {
		r.t.Fatalf("host %q does not run; want one of those started and not killed or stopped", host)
	}
	return mm
}

// Kill ends the processes of hosts as kill -9 does: they say nothing, and are registered until their TTL is
// over.
func (r *Registry) Kill(hosts ...string) {
	r.t.Helper()
	for _, h := range hosts {
		r.Host(h).Close()
		delete(r.open, h)
	}
}

// Stop ends the processes of hosts as SIGTERM does: they leave at once.
func (r *Registry) Stop(hosts ...string) {
	r.t.Helper()
	for _, h := range hosts {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // Run leaves
		if err := r.Host(h).Run(ctx); err != nil {
			r.t.Fatalf("stop %s: %v", h, err)
		}
		r.Kill(h)
	}
}

// Running returns the hosts whose processes run, in order.
func (r *Registry) Running() []string {
	var hosts []string
	for h := range r.open {
		hosts = append(hosts, h)
	}
	slices.Sort(hosts)
	return hosts
}

// Settle waits until MatchMaker lists the hosts that run and nobody else, which takes two TTLs after a Kill.
func (r *Registry) Settle() {
	r.t.Helper()
	want := r.Running()
	integration.Eventually(r.t, patience+10*r.hosts.Freq, "the hosts listed are "+strings.Join(want, " "), func() bool {
		return slices.Equal(r.listed(), want)
	})
}

func (r *Registry) listed() []string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	routes, _ := r.MatchMaker.Resolve(ctx, "fanout~"+r.hosts.Topic)
	var hosts []string
	for _, route := range routes {
		hosts = append(hosts, route.Host)
	}
	slices.Sort(hosts)
	return hosts
}

// Down makes the registry unreachable until Up: nobody can connect, and connections end. Its data is kept.
func (r *Registry) Down() { r.t.Helper(); r.where.down() }

// Up ends Down.
func (r *Registry) Up() { r.t.Helper(); r.where.up() }

// FlushAll makes the registry lose all data.
func (r *Registry) FlushAll() { r.t.Helper(); r.where.flush() }
