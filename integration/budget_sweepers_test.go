package integration_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// Whether a sweeper has died is seen at its lease: the test takes it, so that all are content, and lets it go.
func TestBudgetDeadSweepersHeirsDoNotGrowWithTheProcesses(t *testing.T) {
	parallel(t, true)
	beat := core.HeartbeatConfig{Freq: 500 * time.Millisecond, TTL: 1500 * time.Millisecond}
	processes, deaths := []int{200}, 4
	if fullSize() {
		processes, deaths = []int{100, 1000}, 9
	}
	r := integration.StartRedis(t)
	for _, n := range processes {
		all := startCrews(t, 2)
		all.open(t, r.URL, n/2, beat)
		topic := fmt.Sprint("compute", n)
		all.keep(t, topic, "node", n/2, 1)
		registered(t, r, topic, n)
		var attempts []int
		for range deaths {
			attempts = append(attempts, attemptsAfterDeath(t, r, topic, beat.Freq))
		}
		for _, c := range all {
			c.kill()
		}
		slices.Sort(attempts)
		median := attempts[(len(attempts)-1)/2] // at times chance chooses nobody in the first period, and many in the next
		judge(t, fmt.Sprintf("attempts of %d processes at the lease of a dead sweeper", n),
			fmt.Sprintf("median %d, most %d", median, attempts[len(attempts)-1]), "a median of at most 12", median <= 12)
	}
}

// attemptsAfterDeath counts attempts from the moment that the lease is free until somebody has it and all
// have seen it.
func attemptsAfterDeath(t *testing.T, r *integration.Redis, topic string, freq time.Duration) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	c, lease := r.Client(), "mm:{"+topic+"}:w"
	if err := c.Set(ctx, lease, "somebody", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * freq / 2) // everybody has seen it
	heard := listenTo(t, r)
	if err := c.Del(ctx, lease).Err(); err != nil {
		t.Fatal(err)
	}
	integration.Eventually(t, soon, "somebody takes the lease", func() bool { return c.Exists(ctx, lease).Val() == 1 })
	time.Sleep(freq)
	return heard.stop().lease
}
