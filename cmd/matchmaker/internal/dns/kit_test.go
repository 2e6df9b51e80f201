package dns

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("connection refused")

// asked is a server over a registry in memory.
type asked struct {
	*Server
	t        testing.TB
	registry *coretest.Memory
	live     *core.Live
}

func serve(t testing.TB, changes ...func(*Config)) *asked {
	t.Helper()
	registry := coretest.NewMemory()
	return serveOver(t, registry, registry, changes...)
}

func serveOver(t testing.TB, registry *coretest.Memory, from core.Watcher, changes ...func(*Config)) *asked {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	live := core.NewLive(ctx, from, nil)
	c := Config{Domain: "matchmaker.", Members: live.Members}
	for _, change := range changes {
		change(&c)
	}
	s, err := Serve("127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		end()
		live.Wait()
	})
	return &asked{s, t, registry, live}
}

// put registers hosts of a topic as "host addr", and more after it.
func (s *asked) put(topic string, hosts ...core.Registration) {
	s.t.Helper()
	claims := make([]*core.Claim, len(hosts))
	for i, r := range hosts {
		r.Topic = topic
		claims[i] = &core.Claim{Registration: r}
	}
	if _, err := s.registry.BackendRegister(s.t.Context(), time.Hour, claims); err != nil {
		s.t.Fatal(err)
	}
}

func at(host, addr string) core.Registration { return core.Registration{Host: host, Addr: addr} }

func question(name string, kind uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, kind) }

// by asks by a network.
func (s *asked) by(network string, m *dns.Msg) *dns.Msg {
	s.t.Helper()
	c := &dns.Client{Net: network, Timeout: 10 * time.Second, UDPSize: dns.MaxMsgSize}
	r, _, err := c.Exchange(m, s.Addr().String())
	if err != nil {
		s.t.Fatalf("%v by %s: %v", m.Question, network, err)
	}
	return r
}

func (s *asked) ask(name string, kind uint16) *dns.Msg {
	s.t.Helper()
	return s.by("udp", question(name, kind))
}

// short is what a reply says: its code, the data of its answers in order, and whether the SOA is there.
func short(m *dns.Msg) string {
	parts := []string{dns.RcodeToString[m.Rcode]}
	var data []string
	for _, r := range m.Answer {
		data = append(data, strings.TrimPrefix(r.String(), r.Header().String()))
	}
	slices.Sort(data)
	parts = append(parts, data...)
	for _, r := range m.Ns {
		parts = append(parts, dns.TypeToString[r.Header().Rrtype])
	}
	return strings.Join(parts, ", ")
}

// says asks until the answer is as wanted: a registry's changes need a moment.
func (s *asked) says(name string, kind uint16, want string) *dns.Msg {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		m := s.ask(name, kind)
		if short(m) == want {
			return m
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s %s: %s, want %s", name, dns.TypeToString[kind], short(m), want)
		}
	}
}

// many are registrations of n hosts.
func many(n int) []core.Registration {
	rs := make([]core.Registration, n)
	for i := range rs {
		rs[i] = at(fmt.Sprintf("node%03d", i), fmt.Sprintf("10.0.%d.%d:80", i/250, i%250+1))
	}
	return rs
}
