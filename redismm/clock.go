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

// notAfter is when, in Redis's time, a call under ctx must not be executed any more: its caller has given
// up by then. bound serves a ctx without deadline. It returns false before the first reply.
func (c *clock) notAfter(ctx context.Context, bound time.Duration) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := bound
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(deadline))
	}
	return c.redis + (time.Since(c.at) + left).Microseconds(), !c.at.IsZero()
}
