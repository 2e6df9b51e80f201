package integration_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// Whether a sweeper has died is seen at its lease: the test takes it, so that all are content, and lets it go.
func TestBudgetDeadSweepersHeirsDoNotGrowWithTheProcesses(t *testing.T) {
	parallel(t, true)
	beat, few, many, deaths := core.HeartbeatConfig{Freq: 500 * time.Millisecond, TTL: 1500 * time.Millisecond}, 10, 40, 3
	if fullSize() {
		few, many, deaths = 100, 1000, 8
	}
	r := integration.StartRedis(t)
	attempts := make(map[int]float64)
	for _, n := range []int{few, many} {
		all := startCrews(t, 2)
		all.open(t, r.URL, n/2, beat)
		topic := fmt.Sprint("compute", n)
		all.keep(t, topic, "node", n/2, 1)
		registered(t, r, topic, n)
		most := 0
		for range deaths {
			a := attemptsAfterDeath(t, r, topic, beat.Freq)
			most = max(most, a)
			attempts[n] += float64(a) / float64(deaths)
		}
		for _, c := range all {
			c.kill()
		}
		note(t, fmt.Sprintf("attempts at the lease of a dead sweeper, %d processes", n),
			fmt.Sprintf("mean %.1f, most %d", attempts[n], most))
	}
	judge(t, fmt.Sprintf("attempts of %d processes beside those of %d", many, few),
		fmt.Sprintf("%.1f beside %.1f", attempts[many], attempts[few]), "at most 30", attempts[many] <= 30)
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
