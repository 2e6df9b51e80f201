package page

import (
	"regexp"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// soon bounds the wait for what a process does at once, on a machine with much else to do.
const soon = 20 * time.Second

// quick are the heartbeats of tests that wait for a death.
var quick = core.HeartbeatConfig{Freq: 500 * time.Millisecond, TTL: 1500 * time.Millisecond}

// stage is a Redis, hosts, and a sidecar whose page is looked at.
type stage struct {
	t       testing.TB
	redis   *integration.Redis
	config  core.HeartbeatConfig
	sidecar *integration.Process
	url     string
}

// set sets a stage, with a sidecar that keeps registrations.
func set(t testing.TB, config core.HeartbeatConfig, registrations ...string) *stage {
	t.Helper()
	browse(t) // or skip, before anything is started
	s := &stage{t: t, redis: integration.StartRedis(t), config: config}
	s.sidecar, s.url = s.another(registrations...)
	return s
}

var (
	listens = regexp.MustCompile(`"address":"([^"]*)"[^\n]*"message":"listen"`)
	opens   = regexp.MustCompile(`"address":"([^"]*)"[^\n]*"message":"listen-ops"`)
)

// another starts another sidecar, and returns where it listens.
func (s *stage) another(registrations ...string) (*integration.Process, string) {
	s.t.Helper()
	args := []string{"sidecar", "--listen", "127.0.0.1:0", "--heartbeat-freq", s.config.Freq.String(), "--heartbeat-ttl", s.config.TTL.String()}
	for _, r := range registrations {
		args = append(args, "--register", r)
	}
	p := integration.Matchmaker(args...).With("MATCHMAKER_REDIS_URL=" + s.redis.URL).Start(s.t)
	p.Says(soon, `"message":"listen"`)
	return p, "http://" + listens.FindStringSubmatch(p.Err())[1] + "/"
}

// process is one more process that uses the registry, here.
func (s *stage) process(config core.HeartbeatConfig) *core.HeartbeatMatchMaker {
	s.t.Helper()
	mm, err := redismm.Open(s.t.Context(), s.redis.URL, redismm.Config{HeartbeatConfig: config})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { mm.Close() })
	return mm
}

// keep registers hosts from a process of their own, and keeps them.
func (s *stage) keep(config core.HeartbeatConfig, rs ...core.Registration) *core.HeartbeatMatchMaker {
	s.t.Helper()
	mm := s.process(config)
	if err := mm.Register(s.t.Context(), rs...); err != nil {
		s.t.Fatal(err)
	}
	mm.StartHeartbeat()
	return mm
}

// drain drains a host from outside.
func (s *stage) drain(topic, host string, d time.Duration, reason string) {
	s.t.Helper()
	store, err := redismm.OpenStore(s.redis.URL, redismm.Config{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer store.Close()
	if err := store.DrainFor(s.t.Context(), topic, host, d, reason); err != nil {
		s.t.Fatal(err)
	}
}
