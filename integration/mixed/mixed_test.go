package mixed_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/integration"
)

var previous = flag.String("previous", "", "the matchmaker of the release before")

// tests are those of the package, and removing the binary that they built.
type tests struct{ *testing.M }

func (t tests) Run() int { return integration.Main(t.M) }

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{m}) }

// The heartbeat of every process.
const (
	freq = 500 * time.Millisecond
	ttl  = 1500 * time.Millisecond
	soon = 15 * time.Second
)

// release is a matchmaker's binary; "" is this one's.
type release string

// pair is a Redis, and who shares it.
type pair struct {
	*testing.T
	redis    *integration.Redis
	one, two release
}

// bothWays runs a test twice: with the release before as the first of the two, and as the second.
func bothWays(t *testing.T, f func(p *pair)) {
	t.Parallel()
	if *previous == "" {
		t.Skip("needs the binary of the release before: make mixed")
	}
	for name, p := range map[string]pair{"old beside new": {one: release(*previous)}, "new beside old": {two: release(*previous)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.T, p.redis = t, integration.StartRedis(t)
			f(&p)
		})
	}
}

func (p *pair) command(as release, args ...string) integration.Command {
	c := integration.Matchmaker(args...).With("MATCHMAKER_REDIS_URL="+p.redis.URL, "MATCHMAKER_HEARTBEAT_FREQ="+freq.String(),
		"MATCHMAKER_HEARTBEAT_TTL="+ttl.String())
	c.Path = string(as)
	return c
}

// keeps starts a sidecar that keeps a host of the topic compute.
func (p *pair) keeps(as release, host string) *integration.Process {
	p.Helper()
	return p.command(as, "sidecar", "--register", "compute="+host+",addr=10.0.0.1:80,zone=a,label.rack=r7").Start(p.T)
}

func (p *pair) asks(as release, args ...string) integration.Result {
	p.Helper()
	return p.command(as, args...).Run(p.T)
}

// finds waits until a release lists these hosts.
func (p *pair) finds(as release, hosts ...string) {
	p.Helper()
	integration.Eventually(p.T, soon, fmt.Sprintf("%q lists %q", as, hosts), func() bool {
		found := strings.Fields(p.asks(as, "resolve", "fanout~compute").Out)
		slices.Sort(found)
		return slices.Equal(found, hosts)
	})
}

// leaves ends a process as an operator does.
func (p *pair) leaves(s *integration.Process) {
	p.Helper()
	s.Signal(syscall.SIGTERM)
	if code := s.Wait(soon); code != 0 {
		p.Errorf("%s: exit code %d, want 0", s, code)
	}
}

func TestWhatOneRegistersTheOtherFindsAndSeesLeave(t *testing.T) {
	bothWays(t, func(p *pair) {
		kept := p.keeps(p.one, "node1")
		p.finds(p.two, "node1")
		for _, part := range []string{`"host":"node1"`, `"addr":"10.0.0.1:80"`, `"zone":"a"`, `"rack":"r7"`} {
			if got := p.asks(p.two, "resolve", "compute", "--json"); !strings.Contains(got.Out, part) {
				p.Errorf("resolved %v, want %s", got, part)
			}
		}
		for verb, want := range map[string]int{"alive compute node1": 0, "ack compute node1": 0, "why compute node1": 0, "alive compute node2": 3} {
			if got := p.asks(p.two, strings.Fields(verb)...); got.Code != want {
				p.Errorf("%s: %v, want exit code %d", verb, got, want)
			}
		}
		if got := p.asks(p.two, "doctor", "--watch", "0"); got.Code != 0 {
			p.Errorf("the doctor: %v", got)
		}
		p.asks(p.two, "expire", "compute", "node1")
		p.finds(p.two, "node1") // its owner lives
		p.leaves(kept)
		if got := p.asks(p.two, "resolve", "compute"); got.Code != 3 {
			p.Errorf("after it has left: %v, want exit code 3", got)
		}
	})
}

func TestOneIsSupersededByTheOtherAndIsBackAfterIt(t *testing.T) {
	bothWays(t, func(p *pair) {
		first := p.keeps(p.one, "node1")
		p.finds(p.two, "node1")
		second := p.keeps(p.two, "node1")
		first.Says(soon, "superseded")
		p.leaves(second)
		first.Says(soon, "returned")
		p.finds(p.two, "node1")
		if got := p.asks(p.two, "unregister", "compute", "node1"); got.Code != 0 {
			p.Errorf("unregister by name: %v", got)
		}
		first.Says(soon, "removed")
		p.finds(p.one)
	})
}

func TestOneWatchesWhatBecomesOfTheOther(t *testing.T) {
	bothWays(t, func(p *pair) {
		p.keeps(p.one, "node0")
		p.finds(p.one, "node0")
		watch := p.command(p.one, "watch", "compute").Start(p.T)
		watch.Says(soon, "node0")
		kept := p.keeps(p.two, "node1")
		watch.Says(soon, "joined   compute  node1")
		if got := p.asks(p.two, "drain", "compute", "node1", "--reason", "upgrade"); got.Code != 0 {
			p.Errorf("drain: %v", got)
		}
		watch.Says(soon, "draining")
		p.leaves(kept)
		watch.Says(soon, "left     compute  node1")
	})
}

// Who sweeps takes out the dead of the other release, and nobody else.
func TestOneSweepsBesideTheOther(t *testing.T) {
	bothWays(t, func(p *pair) {
		p.keeps(p.one, "node1") // the first sweeps
		p.finds(p.two, "node1")
		p.keeps(p.two, "node2")
		dying := p.keeps(p.two, "node3")
		p.finds(p.one, "node1", "node2", "node3")
		dying.Kill()
		client := p.redis.Client()
		gone := time.Now().Add(ttl)
		integration.Eventually(p.T, soon, "the dead is taken out of the set", func() bool {
			hosts := client.SMembers(p.Context(), "mm:{compute}").Val()
			if !slices.Contains(hosts, "node1") || !slices.Contains(hosts, "node2") {
				p.Errorf("the set is %q", hosts)
			}
			return !slices.Contains(hosts, "node3")
		})
		if time.Now().Before(gone) {
			p.Error("the dead was taken out before its TTL")
		}
		for end := time.Now().Add(2 * ttl); time.Now().Before(end); time.Sleep(freq / 4) {
			if hosts := client.SMembers(p.Context(), "mm:{compute}").Val(); len(hosts) != 2 {
				p.Fatalf("the set is %q, want those who live", hosts)
			}
		}
		p.finds(p.one, "node1", "node2")
		p.finds(p.two, "node1", "node2")
	})
}
