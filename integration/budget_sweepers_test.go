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

// periods is how long sweepers die: long enough for all to see it, and to lose patience once.
const periods = 2

func TestBudgetDeadSweepersHeirsDoNotGrowWithTheProcesses(t *testing.T) {
	parallel(t, true)
	beat := core.HeartbeatConfig{Freq: 500 * time.Millisecond, TTL: 1500 * time.Millisecond}
	processes := []int{200}
	if fullSize() {
		processes = []int{100, 1000}
	}
	r := integration.StartRedis(t)
	for _, n := range processes {
		all := startCrews(t, 2)
		all.open(t, r.URL, n/2, beat)
		topic := fmt.Sprint("compute", n)
		all.keep(t, topic, "node", n/2, 1)
		registered(t, r, topic, n)
		var attempts []int
		for range 3 {
			attempts = append(attempts, attemptsAfterDeaths(t, r, topic, beat.Freq))
		}
		for _, c := range all {
			c.Kill()
		}
		slices.Sort(attempts)
		judge(t, fmt.Sprintf("attempts of %d processes at the lease in %d periods without a sweeper", n, periods),
			fmt.Sprintf("median %d, most %d", attempts[1], attempts[2]), "a median of at most 60", attempts[1] <= 60)
	}
}

// attemptsAfterDeaths takes the lease, so that all are content, then takes it from whoever gets it: sweepers
// that die at once. It returns how often that was tried.
func attemptsAfterDeaths(t *testing.T, r *integration.Redis, topic string, freq time.Duration) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	c, lease := r.Client(), "mm:{"+topic+"}:w"
	if err := c.Set(ctx, lease, "somebody", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * freq / 2) // everybody has seen it
	heard := listenTo(t, r)
	for end := time.Now().Add(periods * freq); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err := c.Del(ctx, lease).Err(); err != nil {
			t.Fatal(err)
		}
	}
	return heard.stop().lease
}
