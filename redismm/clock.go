package redismm

import (
	"context"
	"sync"
	"time"
)

// clock estimates Redis's time from its last reply and this process's own monotonic clock. The clocks of
// hosts are never compared.
type clock struct {
	mu    sync.Mutex
	redis int64 // microseconds
	at    time.Time
}

func (c *clock) heard(microseconds int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.redis, c.at = microseconds, time.Now()
}

// notAfter is when, in Redis's time, a call that is sent now under ctx must not be executed any more: its
// caller, who waits for a reply no longer than patience, has given up by then. It is 0 before the first reply.
func (c *clock) notAfter(ctx context.Context, patience time.Duration) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return 0
	}
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(deadline))
	}
	return c.redis + (time.Since(c.at) + patience).Microseconds()
}
