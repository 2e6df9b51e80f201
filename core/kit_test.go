package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	freq = time.Second
	ttl  = 3 * freq
)

var errDown = errors.New("connection refused")

// process is a matchmaker with heartbeat, and what it has reported.
type process struct {
	*core.HeartbeatMatchMaker
	t      *testing.T
	mu     sync.Mutex
	events []core.Event
}

// start returns a process over b that does not beat yet and is closed with the test.
func start(t *testing.T, b core.Backend) *process {
	t.Helper()
	p := &process{t: t}
	h, err := core.NewHeartbeat(b, core.HeartbeatConfig{Freq: freq, Observe: p.observe})
	if err != nil {
		t.Fatal(err)
	}
	p.HeartbeatMatchMaker = h
	t.Cleanup(func() { h.Close() })
	return p
}

func (p *process) observe(e core.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
}

// event returns the event reported at i.
func (p *process) event(i int) core.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.events[i]
}

// reported returns the kinds of events so far, with the hosts they concern.
func (p *process) reported() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var kinds []string
	for _, e := range p.events {
		if e.Member != nil {
			kinds = append(kinds, fmt.Sprintf("%s %s", e.Member.Host, e.Kind))
		} else {
			kinds = append(kinds, e.Kind.String())
		}
	}
	return strings.Join(kinds, ", ")
}

func (p *process) wantReported(want ...string) {
	p.t.Helper()
	if got := p.reported(); got != strings.Join(want, ", ") {
		p.t.Errorf("reported %s, want %s", got, strings.Join(want, ", "))
	}
}

func (p *process) register(topic, host string) {
	p.t.Helper()
	if err := p.Register(p.t.Context(), core.Registration{Topic: topic, Host: host}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) wantStanding(want ...string) {
	p.t.Helper()
	var got []string
	for _, s := range p.Registrations() {
		got = append(got, s.Member.Host+" "+s.Standing)
	}
	if !slices.Equal(got, want) {
		p.t.Errorf("registrations stand %q, want %q", got, want)
	}
}

func (p *process) wantErr(err, want error) {
	p.t.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		p.t.Errorf("error %v, want %v", err, want)
	}
}

// members returns who is live in a registry.
func members(t *testing.T, d core.Directory, topic string) []string {
	t.Helper()
	v, err := d.Members(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for i := range v.Members {
		hosts = append(hosts, v.Members[i].Host)
	}
	return hosts
}

func wantMembers(t *testing.T, d core.Directory, topic string, want ...string) {
	t.Helper()
	if got := members(t, d, topic); !slices.Equal(got, want) {
		t.Errorf("members of %s: %q, want %q", topic, got, want)
	}
}

// call is one call of a backend that is about to be made.
type call struct {
	ctx    context.Context
	verb   string
	claims []*core.Claim
	make   func() ([]core.Outcome, error)
}

// fails is a call that failed.
func (c call) fails(err error) ([]core.Outcome, error) {
	return make([]core.Outcome, len(c.claims)), fmt.Errorf("%w: %w", core.ErrUnavailable, err)
}

// hangs is a call that nobody answers.
func (c call) hangs() ([]core.Outcome, error) {
	<-c.ctx.Done()
	return c.fails(c.ctx.Err())
}

// loses is a call that is carried out and whose answer is lost.
func (c call) loses() ([]core.Outcome, error) {
	c.make()
	return c.fails(errDown)
}

// registry is a Memory whose writing calls a test may take into its own hands.
type registry struct {
	*coretest.Memory
	take atomic.Pointer[func(call) ([]core.Outcome, error)]
}

func newRegistry() *registry { return &registry{Memory: coretest.NewMemory()} }

// intercept lets f make the calls; nil ends it.
func (r *registry) intercept(f func(call) ([]core.Outcome, error)) {
	if f == nil {
		r.take.Store(nil)
		return
	}
	r.take.Store(&f)
}

func (r *registry) made(c call) ([]core.Outcome, error) {
	if f := r.take.Load(); f != nil {
		return (*f)(c)
	}
	return c.make()
}

func (r *registry) BackendRegister(ctx context.Context, ttl time.Duration, cs []*core.Claim) ([]core.Outcome, error) {
	return r.made(call{ctx, "register", cs, func() ([]core.Outcome, error) { return r.Memory.BackendRegister(ctx, ttl, cs) }})
}

func (r *registry) AckAlive(ctx context.Context, ttl time.Duration, cs []*core.Claim) ([]core.Outcome, error) {
	return r.made(call{ctx, "beat", cs, func() ([]core.Outcome, error) { return r.Memory.AckAlive(ctx, ttl, cs) }})
}

func (r *registry) BackendUnregister(ctx context.Context, ttl time.Duration, cs []*core.Claim) ([]core.Outcome, error) {
	return r.made(call{ctx, "leave", cs, func() ([]core.Outcome, error) { return r.Memory.BackendUnregister(ctx, ttl, cs) }})
}
