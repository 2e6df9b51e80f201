package integration_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/integration"
)

func TestSentinelClientFollowsAFailover(t *testing.T) {
	t.Parallel()
	s := integration.StartSentinel(t)
	c := s.Dial()
	puts(t, c, "k", "v")
	old := s.Primary()
	if now := s.Failover(""); now == old {
		t.Fatal("the primary is the same")
	}
	eventuallyReads(t, c, "k", "v")
	puts(t, c, "k", "w")

	old = s.Primary()
	old.Kill()
	s.PrimaryAfter(old)
	eventuallyReads(t, c, "k", "w")
}

func TestSentinelFailoverToLaggingReplicaLosesTheLastWrites(t *testing.T) {
	t.Parallel()
	s := integration.StartSentinel(t)
	c := s.Dial()
	puts(t, c, "k", "v")
	s.FailoverToLaggingReplica("", func() { puts(t, c, "k", "w") })
	eventuallyReads(t, c, "k", "v")
}

func puts(t *testing.T, c redis.UniversalClient, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, value, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func eventuallyReads(t *testing.T, c redis.UniversalClient, key, want string) {
	t.Helper()
	integration.Eventually(t, 15*time.Second, key+" is "+want, func() bool { return c.Get(t.Context(), key).Val() == want })
}
