package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/integration"
)

func TestClusterClientFollowsFailovers(t *testing.T) {
	t.Parallel()
	c := integration.StartCluster(t)
	client := c.Dial()
	puts(t, client, "k", "v")
	old := c.Primary("k")
	if now := c.Failover("k"); now == old || now != c.Primary("k") || c.Replica("k") != old {
		t.Fatal("the roles are not exchanged")
	}
	eventuallyReads(t, client, "k", "v")

	c.FailoverToLaggingReplica("k", func() { puts(t, client, "k", "lost") })
	eventuallyReads(t, client, "k", "v")
}

func TestClusterSlotIsMovedUnderLoad(t *testing.T) {
	t.Parallel()
	c := integration.StartCluster(t)
	client := c.Dial()
	const n = 20
	var pairs []any
	for i := range n {
		pairs = append(pairs, fmt.Sprintf("{tag}%d", i), "v")
	}
	if err := client.MSet(t.Context(), pairs...).Err(); err != nil {
		t.Fatal(err)
	}
	var rounds atomic.Int64
	load := integration.Record(t, time.Millisecond, func(ctx context.Context) error {
		rounds.Add(1)
		key := fmt.Sprintf("{tag}%d", rounds.Load()%n)
		return errors.Join(client.Set(ctx, key, "v", 0).Err(), client.Get(ctx, key).Err())
	})
	from := c.Primary("{tag}")
	finish := c.MigrateSlot("{tag}")
	if err := client.MGet(t.Context(), "{tag}0", "{tag}1", "{tag}2").Err(); err == nil || !redis.HasErrorPrefix(err, "TRYAGAIN") {
		t.Errorf("several keys of a slot under way: %v, want TRYAGAIN", err)
	}
	seen := rounds.Load()
	integration.Eventually(t, 5*time.Second, "single keys are served meanwhile", func() bool { return rounds.Load() > seen+50 })
	finish()
	if c.Primary("{tag}") == from {
		t.Error("the slot is where it was")
	}
	if got, err := client.MGet(t.Context(), "{tag}0", "{tag}1", "{tag}2").Result(); err != nil || fmt.Sprint(got) != "[v v v]" {
		t.Errorf("after the move: %v, %v", got, err)
	}
	for _, s := range load.Stop() {
		if s.Answer != nil {
			t.Fatalf("a single key while its slot moves: %v", s.Answer)
		}
	}
}
