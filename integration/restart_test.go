package integration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// fleet is servers of a topic on a Redis, and a client that loads them.
type fleet struct {
	t       *testing.T
	redis   *integration.Redis
	mm      *core.HeartbeatMatchMaker // the client's
	servers []*server
	client  *client
	size    fleetSize
}

// fleetSize is how large a fleet is, how hard it is loaded, and for how long.
type fleetSize struct {
	hosts, rate int // requests a second
	long        time.Duration
	freq        time.Duration
	farewell    core.Farewell
}

func sizeOfFleet() fleetSize {
	if fullSize() {
		return fleetSize{hosts: 10, rate: 2000, long: time.Minute}
	}
	return fleetSize{hosts: 3, rate: 100, long: 2 * time.Second, freq: 300 * time.Millisecond,
		farewell: core.Farewell{Propagation: time.Second}}
}

// onFleets runs a test over gRPC and over HTTP, where programs register themselves and where they are supervised.
func onFleets(t *testing.T, test func(t *testing.T, over string, f *fleet)) {
	for over, is := range map[string]serving{"gRPC": {}, "HTTP": {HTTP: true}, "HTTP, supervised": {HTTP: true, Supervised: true}} {
		t.Run(over, func(t *testing.T) {
			parallel(t, false)
			test(t, over, startFleet(t, is))
		})
	}
}

func startFleet(t *testing.T, is serving) *fleet {
	t.Helper()
	f := &fleet{t: t, redis: integration.StartRedis(t), size: sizeOfFleet()}
	all := make([]serving, f.size.hosts)
	for i := range all {
		is.URL, is.Topic, is.Host, is.Freq, is.Farewell = f.redis.URL, "compute", fmt.Sprintf("node%02d", i+1), f.size.freq, f.size.farewell
		all[i] = is
	}
	f.servers = startServers(t, all)
	mm, err := redismm.Open(t.Context(), f.redis.URL, redismm.Config{HeartbeatConfig: core.HeartbeatConfig{Freq: f.size.freq}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mm.Close() })
	f.mm = mm
	f.areUp("", "")
	if is.HTTP {
		f.client = httpClient(t, mm.Live(), "compute")
		f.client.warm(t, connections*f.size.hosts)
	} else {
		f.client = grpcClient(t, mm.Live(), "compute")
		f.client.warm(t, f.size.hosts)
	}
	return f
}

// areUp waits until the client sees all hosts up, and one of them as another instance than before.
func (f *fleet) areUp(host, before string) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	for v := range f.mm.Live().Watch(ctx, "compute") {
		up := 0
		for _, m := range v.Members {
			if m.State == core.Up && !m.Held && (m.Host != host || m.Instance != before) {
				up++
			}
		}
		if up == f.size.hosts {
			return
		}
	}
	f.t.Fatalf("%d hosts are not up within a minute", f.size.hosts)
}

// instance is which one the client sees of a host.
func (f *fleet) instance(host string) string {
	f.t.Helper()
	v, err := f.mm.Live().Members(f.t.Context(), "compute")
	if err != nil {
		f.t.Fatal(err)
	}
	for _, m := range v.Members {
		if m.Host == host {
			return m.Instance
		}
	}
	return ""
}

// rollingRestart restarts one server after the other, all of them at least, for as long as the load is to last.
// It returns how many it restarted.
func (f *fleet) rollingRestart(end func(*server)) (restarts int) {
	f.t.Helper()
	for began := time.Now(); restarts < f.size.hosts || time.Since(began) < f.size.long; restarts++ {
		s := f.servers[restarts%f.size.hosts]
		before := f.instance(s.is.Host)
		end(s)
		f.servers[restarts%f.size.hosts] = startServer(f.t, s.is)
		f.areUp(s.is.Host, before)
	}
	return restarts
}

// judged writes and judges what came of a load.
func (f *fleet) judged(what string, l *load, mayFail bool) {
	f.t.Helper()
	l.stop()
	note(f.t, what+": requests, and how late their answers came", fmt.Sprintf("%d, %s", l.sent, l.late))
	failed, bar := fmt.Sprintf("%d of %d", l.failed.Load(), l.sent), "0"
	if mayFail {
		note(f.t, what+": failed", failed)
	} else {
		judge(f.t, what+": failed", failed, bar, l.failed.Load() == 0)
	}
	for why, n := range l.why {
		f.t.Logf("%d times: %s", n, why)
	}
	achieved := l.achieved(f.size.rate)
	if fullSize() && !mayFail {
		judge(f.t, what+": rate achieved", fmt.Sprintf("%.1f %% of %d/s", achieved, f.size.rate), "95 %", achieved >= 95)
	} else {
		note(f.t, what+": rate achieved", fmt.Sprintf("%.1f %% of %d/s", achieved, f.size.rate))
	}
}

func TestRollingRestartFailsNoRequest(t *testing.T) {
	parallel(t, false)
	onFleets(t, func(t *testing.T, over string, f *fleet) {
		l := f.client.begin(f.size.rate)
		n := f.rollingRestart((*server).stop)
		f.judged(fmt.Sprintf("%d servers stopped and started, over %s", n, over), l, false)
	})
}

func TestRollingKillFailsFewRequests(t *testing.T) {
	parallel(t, false)
	onFleets(t, func(t *testing.T, over string, f *fleet) {
		l := f.client.begin(f.size.rate)
		n := f.rollingRestart((*server).kill)
		f.judged(fmt.Sprintf("%d servers killed (kill -9) and started, over %s", n, over), l, true)
		if failed := l.failed.Load(); failed > int64(l.sent)/4 {
			t.Errorf("%d of %d requests failed, want those that were under way at most", failed, l.sent)
		}
		for why, n := range l.why {
			if strings.Contains(why, "connection refused") { // it was not sent, and had others to go to
				t.Errorf("%d requests were sent to nobody else: %s", n, why)
			}
		}
	})
}

func TestOutageOfRedisFailsNoRequestAndMakesNoConnection(t *testing.T) {
	parallel(t, false)
	onFleets(t, func(t *testing.T, over string, f *fleet) {
		dials := f.client.dials.Load()
		l := f.client.begin(f.size.rate)
		f.redis.Kill()
		time.Sleep(f.size.long)
		f.redis.RestartEmpty()
		f.areUp("", "")
		time.Sleep(f.size.long / 4)
		f.judged(fmt.Sprintf("Redis gone for %s and back empty, over %s", f.size.long, over), l, false)
		made, most := f.client.dials.Load()-dials, int64(0)
		if over != "gRPC" && !fullSize() {
			most = connections // net/http gives one up where 50 ms pass between two of its goroutines
		}
		judge(t, "Redis gone and back empty, over "+over+": new connections", fmt.Sprint(made), fmt.Sprint(most), made <= most)
	})
}
