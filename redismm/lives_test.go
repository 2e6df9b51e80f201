package redismm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

func TestLivesAreToldOfAllHostsInOneRoundTrip(t *testing.T) {
	onBoth(t, func(r *registry) {
		s := r.store()
		var hosts []string
		for i := range 2*batchSize + 1 {
			hosts = append(hosts, fmt.Sprintf("node%04d", i))
		}
		r.registers(s, core.Joined, claimsOf(hosts...)...)
		left, expired, drained := hosts[0], hosts[1], hosts[2]
		r.call("leave", s.BackendUnregister, core.Left, claimsOf(left))
		if _, err := s.Expire(r.Context(), compute, expired); err != nil {
			r.Fatal(err)
		}
		if err := s.DrainFor(r.Context(), compute, drained, time.Minute, "kernel update"); err != nil {
			r.Fatal(err)
		}
		l, err := s.Lives(r.Context(), compute, append(hosts, "nobody"))
		if err != nil {
			r.Fatal(err)
		}
		if len(l.Left) != len(hosts)-2 || l.Left[left] != 0 || l.Left[expired] != 0 {
			r.Errorf("%d hosts live, want %d; the one that left %s, the one that expired %s", len(l.Left), len(hosts)-2, l.Left[left], l.Left[expired])
		}
		for host, left := range l.Left {
			if left <= 0 || left > r.config.TTL {
				r.Errorf("%s has %s left, want at most %s", host, left, r.config.TTL)
			}
		}
		if d := l.Drains[drained]; len(l.Drains) != 1 || d.Reason != "kernel update" || d.Left <= 58*time.Second || d.Left > time.Minute {
			r.Errorf("drains %+v", l.Drains)
		}
		if err := s.DrainFor(r.Context(), compute, drained, 0, ""); err != nil {
			r.Fatal(err)
		}
		if l, err = s.Lives(r.Context(), compute, nil); err != nil || len(l.Left)+len(l.Drains) > 0 {
			r.Errorf("of nobody: %+v, %v", l, err)
		}
		r.raw.Del(r.Context(), keysOf.drains(compute))
		r.do("set", keysOf.drains(compute), "foreign")
		if l, err := s.Lives(r.Context(), compute, hosts); err == nil || !strings.Contains(err.Error(), "cannot tell") {
			r.Errorf("beside a key of another type: %+v, %v", l, err)
		}
	})
}
