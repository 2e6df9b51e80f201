package redismm

import (
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

// conforming is the registry as coretest's suite wants it.
type conforming struct{ *registry }

func (c conforming) Backend() core.Backend { return c.store() }
func (c conforming) Flush()                { c.Helper(); c.do("FLUSHALL") }

// slow is a registry on a busy machine: miniredis takes long for 1500 claims under the race detector.
func slow(r *registry) coretest.Harness {
	r.patience = 30 * time.Second
	return conforming{r}
}

func (c conforming) TTL() time.Duration { return c.config.TTL }

func TestConformsOnMiniredisInABubble(t *testing.T) {
	t.Parallel()
	coretest.ExerciseInBubble(t, func(t *testing.T) coretest.Harness { return slow(bubbled(t)) })
}

func TestConformsOnMiniredisInRealTime(t *testing.T) {
	t.Parallel()
	coretest.Exercise(t, func(t *testing.T) coretest.Harness { return slow(timed(t)) })
}

func TestConformsOnARedisServer(t *testing.T) {
	t.Parallel()
	coretest.Exercise(t, func(t *testing.T) coretest.Harness { return slow(served(t)) })
}
