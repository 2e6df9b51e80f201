package coretest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

// process is one process on the registry under test. Its methods fail the test.
type process struct {
	*testing.T
	Harness
	backend core.Backend
	ttl     time.Duration
}

func newProcess(t *testing.T, h Harness) *process { return &process{t, h, h.Backend(), h.TTL()} }

// another is one more process on the same registry.
func (p *process) another() *process { return newProcess(p.T, p.Harness) }

// lasting is the same process with registrations that do not lapse during the test.
func (p *process) lasting() *process { return &process{p.T, p.Harness, p.backend, time.Minute} }

// soon is how long anything may take that takes no time.
const soon = 10 * time.Second

func claim(topic, host string) *core.Claim {
	return &core.Claim{Registration: core.Registration{Topic: topic, Host: host}}
}

func (p *process) registers(want core.Outcome, claims ...*core.Claim) {
	p.Helper()
	p.call("register", p.backend.BackendRegister, want, claims)
}

func (p *process) beats(want core.Outcome, claims ...*core.Claim) {
	p.Helper()
	p.call("beat", p.backend.AckAlive, want, claims)
}

func (p *process) leaves(want core.Outcome, claims ...*core.Claim) {
	p.Helper()
	p.call("leave", p.backend.BackendUnregister, want, claims)
}

type writing func(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error)

func (p *process) call(verb string, f writing, want core.Outcome, claims []*core.Claim) {
	p.Helper()
	for i, got := range p.outcomes(verb, f, claims) {
		if got != want {
			p.Fatalf("%s of claim %d, %s: %s, want %s", verb, i, core.DirectKey(claims[i].Topic, claims[i].Host), got, want)
		}
	}
}

func (p *process) outcomes(verb string, f writing, claims []*core.Claim) []core.Outcome {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), soon)
	defer cancel()
	outcomes, err := f(ctx, p.ttl, claims)
	if err != nil {
		p.Fatalf("%s: %v", verb, err)
	}
	if len(outcomes) != len(claims) {
		p.Fatalf("%s: %d outcomes for %d claims", verb, len(outcomes), len(claims))
	}
	return outcomes
}

func (p *process) expires(want core.Outcome, topic, host string) {
	p.Helper()
	got, err := p.backend.Expire(p.Context(), topic, host)
	if err != nil || got != want {
		p.Fatalf("expire %s: %s, %v, want %s", core.DirectKey(topic, host), got, err, want)
	}
}

func (p *process) remaining(topic, host string) time.Duration {
	p.Helper()
	left, err := p.backend.Remaining(p.Context(), topic, host)
	if err != nil || left < 0 || left > p.ttl {
		p.Fatalf("remaining of %s: %s, %v, want 0 to %s", core.DirectKey(topic, host), left, err, p.ttl)
	}
	return left
}

// members returns the view of a topic, which shows hosts and no others, in order.
func (p *process) members(topic string, hosts ...string) *core.View {
	p.Helper()
	v, err := p.backend.Members(p.Context(), topic)
	if err != nil {
		p.Fatalf("members of %q: %v", topic, err)
	}
	if v.Topic != topic || v.Stale != nil {
		p.Errorf("members of %q: topic %q, stale %v", topic, v.Topic, v.Stale)
	}
	if got := hostsOf(v); !slices.Equal(got, hosts) {
		p.Fatalf("members of %q: %q, want %q", topic, got, hosts)
	}
	return v
}

func hostsOf(v *core.View) []string {
	var hosts []string
	for i := range v.Members {
		hosts = append(hosts, v.Members[i].Host)
	}
	return hosts
}

// lapse waits until a registration has lapsed: a store may count the last millisecond as none.
func (p *process) lapse(topic, host string) {
	p.Helper()
	p.until(p.ttl+soon, "lapsed", func() bool {
		if p.remaining(topic, host) > 0 {
			return false
		}
		v, err := p.backend.Members(p.Context(), topic)
		return err == nil && !slices.Contains(hostsOf(v), host)
	})
}

// until waits for a condition.
func (p *process) until(within time.Duration, what string, holds func() bool) {
	p.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.Fatalf("not within %s: %s", within, what)
		}
	}
}
