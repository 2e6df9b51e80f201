package coretest_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type memory struct {
	*coretest.Memory
	ttl time.Duration
}

func (m memory) Backend() core.Backend { return m.Memory }
func (m memory) Flush()                { m.Lose() }
func (m memory) TTL() time.Duration    { return m.ttl }

func TestMemoryIsABackend(t *testing.T) {
	coretest.ExerciseInBubble(t, func(*testing.T) coretest.Harness { return memory{coretest.NewMemory(), 15 * time.Second} })
}

func TestMemoryIsABackendByTheRealClock(t *testing.T) {
	coretest.Exercise(t, func(*testing.T) coretest.Harness { return memory{coretest.NewMemory(), 300 * time.Millisecond} })
}
