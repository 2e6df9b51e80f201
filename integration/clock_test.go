package integration_test

import (
	"testing"
	"time"

	"github.com/redismm/matchmaker/integration"
)

func TestKeysLapseByTheClockThatATestSets(t *testing.T) {
	t.Parallel()
	at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	r, clock := integration.StartStill(t, at)
	c := r.Client()
	if err := c.Set(t.Context(), "key", "x", 10*time.Second).Err(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after, left time.Duration
	}{
		{0, 10 * time.Second},
		{time.Second, 9 * time.Second},
		{-time.Hour, time.Hour + 10*time.Second},
		{10 * time.Second, 0},
		{10*time.Second + time.Millisecond, -2}, // it is gone
	} {
		clock.Set(at.Add(step.after))
		if left := c.PTTL(t.Context(), "key").Val(); left != step.left {
			t.Errorf("after %s the key has %s left, want %s", step.after, left, step.left)
		}
	}
}
