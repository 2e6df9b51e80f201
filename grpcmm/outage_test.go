package grpcmm_test

import (
	"context"
	"fmt"
	"iter"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/grpcmm"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// freq is short, so that an outage of a second is one of several TTLs.
const freq = 100 * time.Millisecond

// onRedis opens a matchmaker on a Redis, as a process of its own would.
func onRedis(t *testing.T, url string) *core.HeartbeatMatchMaker {
	t.Helper()
	mm, err := redismm.Open(t.Context(), url, redismm.Config{HeartbeatConfig: core.HeartbeatConfig{Freq: freq}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mm.Close() })
	mm.StartHeartbeat()
	return mm
}

func TestRegistryThatIsDownIsReportedWithinASecond(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for what, addr := range map[string]string{"connection refused": refused.Addr().String(), "timeout": silent.Addr().String()} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := dial(t, onRedis(t, "redis://"+addr).Live(), "matchmaker:///compute", roundRobin)
			said, took := c.fails()
			if took > 1500*time.Millisecond {
				t.Errorf("reported after %s, want 1s", took)
			}
			if !strings.Contains(said, `cannot tell: topic "compute"`) || what == "connection refused" && !strings.Contains(said, what) {
				t.Errorf("reported %q, want the topic and the cause", said)
			}
		})
	}
}

func TestChannelConnectsWhenTheRegistryComes(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	r.Stop()
	servers, client := onRedis(t, r.URL), onRedis(t, r.URL)
	h := serve(t, "node1")
	_ = servers.Register(t.Context(), h.at("compute")) // kept
	c := dial(t, client.Live(), "matchmaker:///compute", roundRobin)
	c.fails()
	time.Sleep(2 * time.Second) // many attempts
	r.Restart()
	if who := c.answers(); who != "node1" {
		t.Errorf("answered by %q", who)
	}
}

func TestRedisThatIsLostChangesNothing(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := integration.StartRedis(t)
			servers, client := onRedis(t, r.URL), onRedis(t, r.URL)
			hosts := startHosts(t, servers, "compute", 3)
			await(t, client, "compute", 3)
			c := dial(t, client.Live(), "matchmaker:///compute", policy)
			c.answers()
			c.everywhere(policy, hosts)
			accepted, updates := connections(hosts), c.updates.Load()
			calls := keepCalling(c)
			r.Kill()
			time.Sleep(10 * freq)
			r.RestartEmpty()
			await(t, client, "compute", 3)
			time.Sleep(10 * freq)
			r.FlushAll()
			time.Sleep(10 * freq)
			made, failed := calls.stop()
			if failed != nil || made < 100 {
				t.Errorf("%d calls, %v; want more than 100, and none that failed", made, failed)
			}
			if n := connections(hosts) - accepted; n != 0 {
				t.Errorf("%d new connections", n)
			}
			if n := c.updates.Load() - updates; n != 0 {
				t.Errorf("the channel was told of hosts %d times", n)
			}
		})
	}
}

// await waits until a client's view shows n hosts that are up.
func await(t *testing.T, mm *core.HeartbeatMatchMaker, topic string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := mm.Live().WaitFor(ctx, topic, n); err != nil {
		t.Fatal(err)
	}
}

// everywhere calls until every host that the policy connects to has answered.
func (c *channel) everywhere(policy string, hosts []*host) {
	c.t.Helper()
	i := 0
	integration.Eventually(c.t, patience, "the channel is connected", func() bool {
		i++
		_, err := c.call(keyed(i), "")
		return err == nil && (policy == pickFirst || !slices.ContainsFunc(hosts, func(h *host) bool { return h.calls.Load() == 0 }))
	})
}

func connections(hosts []*host) (n int64) {
	for _, h := range hosts {
		n += h.accepted.Load()
	}
	return n
}

// calling makes calls all the time.
type calling struct {
	end  context.CancelFunc
	made atomic.Int64
	done chan error
}

func keepCalling(c *channel) *calling {
	ctx, cancel := context.WithCancel(context.Background())
	k := &calling{end: cancel, done: make(chan error, 1)}
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := c.call(keyed(i), ""); err != nil {
				k.done <- fmt.Errorf("call %d: %w", i, err)
				return
			}
			k.made.Add(1)
			<-tick.C
		}
		k.done <- nil
	}()
	return k
}

func (k *calling) stop() (made int64, failed error) {
	k.end()
	failed = <-k.done
	return k.made.Load(), failed
}

func TestHeartbeatsDoNotReachTheChannel(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	servers, client := onRedis(t, r.URL), onRedis(t, r.URL)
	hosts := startHosts(t, servers, "compute", 2)
	await(t, client, "compute", 2)
	c := dial(t, client.Live(), "matchmaker:///compute", roundRobin)
	c.answers()
	c.everywhere(roundRobin, hosts)
	accepted, updates := connections(hosts), c.updates.Load()
	for range 1000 {
		if err := servers.SendHeartbeats(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	again := hosts[0].at("compute") // a new instance, which says something that channels are not told
	again.Labels = map[string]string{"version": "2"}
	register(t, servers, again)
	integration.Eventually(t, patience, "the new instance is seen", func() bool {
		v, err := client.Live().Members(t.Context(), "compute")
		return err == nil && v.Members[0].Labels["version"] == "2"
	})
	register(t, servers, core.Registration{Topic: "compute", Host: "node3", Addr: serve(t, "node3").addr})
	integration.Eventually(t, patience, "the channel is told of a third host", func() bool { return c.updates.Load() > updates })
	if n, errs := c.updates.Load()-updates, c.errors.Load(); n != 1 || errs != 0 {
		t.Errorf("told of hosts %d times and of errors %d times, want 1 and 0", n, errs)
	}
	if n := connections(hosts) - accepted; n != 0 {
		t.Errorf("%d new connections", n)
	}
}

// watched counts the watches of a backend.
type watched struct {
	*redismm.Store
	watches atomic.Int64
}

func (w *watched) Watch(ctx context.Context, topic string) iter.Seq[*core.View] {
	w.watches.Add(1)
	return w.Store.Watch(ctx, topic)
}

func TestAThousandChannelsShareAWatch(t *testing.T) {
	r := integration.StartRedis(t)
	servers := onRedis(t, r.URL)
	h := serve(t, "node1")
	register(t, servers, h.at("compute"))
	store, err := redismm.OpenStore(r.URL, redismm.Config{HeartbeatConfig: core.HeartbeatConfig{Freq: freq}})
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{Store: store}
	ctx, cancel := context.WithCancel(context.Background())
	live := core.NewLive(ctx, w, nil)
	t.Cleanup(func() { cancel(); live.Wait(); store.Close() })

	info := r.Client()
	commands := func() int { // in ten intervals at rest
		before := processed(t, info)
		time.Sleep(10 * freq)
		return processed(t, info) - before
	}
	dial(t, live, "matchmaker:///compute", pickFirst).answers()
	one := commands()
	channels := make([]*channel, 999)
	for i := range channels {
		channels[i] = dial(t, live, "matchmaker:///compute", pickFirst)
		channels[i].Connect()
	}
	for _, c := range channels {
		c.answers()
	}
	thousand := commands()
	if n := w.watches.Load(); n != 1 {
		t.Errorf("%d watches, want 1", n)
	}
	if thousand > one+one/2 { // an interval more or less
		t.Errorf("%d commands in a second with a thousand channels, %d with one", thousand, one)
	}
	t.Logf("%d commands in a second with a thousand channels, %d with one", thousand, one)
}

func TestChannelFindsHostsInMemoryAfterItWasIdleOrClosed(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	servers, client := onRedis(t, r.URL), onRedis(t, r.URL)
	startHosts(t, servers, "compute", 2)
	await(t, client, "compute", 2)
	idles := dial(t, client.Live(), "matchmaker:///compute", roundRobin, grpc.WithIdleTimeout(50*time.Millisecond))
	idles.answers()
	r.Kill()
	integration.Eventually(t, patience, "the channel is idle", func() bool { return idles.GetState().String() == "IDLE" })
	if _, err := idles.call(t.Context(), ""); err != nil {
		t.Errorf("after idling: %v", err)
	}
	idles.Close()
	soonest := patience
	for range 20 {
		began := time.Now()
		rec, res := record(t, client.Live(), "matchmaker:///compute")
		rec.next(t)
		soonest = min(soonest, time.Since(began))
		if states, errs := rec.told(); states != 1 || errs != 0 {
			t.Fatalf("told of hosts %d times and of errors %d times; want 1 and 0", states, errs)
		}
		res.Close()
	}
	if soonest > 10*time.Millisecond {
		t.Errorf("hosts came after %s, want 10ms", soonest)
	}
}

func TestNothingIsToldAfterClose(t *testing.T) {
	mm, _ := inMemory(t)
	register(t, mm, core.Registration{Topic: "compute", Host: "node1", Addr: "10.0.0.1:80"})
	for range 50 { // some closes meet a change
		rec, res := record(t, mm.Live(), "matchmaker:///compute")
		rec.next(t)
		var change sync.WaitGroup
		change.Go(func() {
			_ = mm.Register(t.Context(), core.Registration{Topic: "compute", Host: "node2", Addr: "10.0.0.2:80"})
		})
		began := time.Now()
		res.Close()
		res.Close()
		if took := time.Since(began); took > time.Second {
			t.Errorf("closing took %s", took)
		}
		states, errs := rec.told()
		change.Wait()
		leave(t, mm, "compute", "node1")
		register(t, mm, core.Registration{Topic: "compute", Host: "node1", Addr: "10.0.0.1:80"})
		if s, e := rec.told(); s != states || e != errs {
			t.Fatalf("told of hosts %d times and of errors %d times after Close", s-states, e-errs)
		}
		res.ResolveNow(resolver.ResolveNowOptions{})
	}
}

// busy is a channel that takes its time.
type busy struct {
	*recorder
	begun, may chan struct{}
}

func (b busy) UpdateState(s resolver.State) error {
	close(b.begun)
	<-b.may
	return b.recorder.UpdateState(s)
}

func TestCloseWaitsForWhatIsBeingTold(t *testing.T) {
	mm, _ := inMemory(t)
	register(t, mm, core.Registration{Topic: "compute", Host: "node1", Addr: "10.0.0.1:80"})
	cc := busy{newRecorder(), make(chan struct{}), make(chan struct{})}
	target := resolver.Target{URL: url.URL{Scheme: grpcmm.Scheme, Path: "/compute"}}
	r, err := grpcmm.NewBuilder(mm.Live()).Build(target, cc, resolver.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	<-cc.begun
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		r.Close()
	}()
	select {
	case <-closed:
		t.Error("closed while the channel was being told")
	case <-time.After(50 * time.Millisecond):
	}
	close(cc.may)
	<-closed
}
