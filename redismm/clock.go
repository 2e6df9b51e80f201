package redismm

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// servertime estimates the time of the server that keeps a topic, from its last reply and this process's own
// monotonic clock. The clocks of hosts are never compared.
type servertime struct {
	redis int64 // microseconds
	at    time.Time
}

// readClock reads a reply that came at a time.
func readClock(microseconds string, at time.Time) servertime {
	n, _ := strconv.ParseInt(microseconds, 10, 64)
	return servertime{n, at}
}

// notAfter is when, in Redis's time, a call that is sent now under ctx must not be executed any more: its
// caller, who waits for a reply no longer than patience, has given up by then. It is 0 before the first reply.
func (r servertime) notAfter(ctx context.Context, patience time.Duration) int64 {
	if r.at.IsZero() {
		return 0
	}
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(deadline))
	}
	return r.redis + (time.Since(r.at) + patience).Microseconds()
}

// queueTime asks for the time of the server that keeps a topic: in a cluster, TIME alone is any server's.
func (s *Store) queueTime(ctx context.Context, pipe redis.Pipeliner, topic string) *redis.Cmd {
	return pipe.Eval(ctx, nowLua, []string{s.keys.set(topic)})
}

// microseconds is the reply of queueTime.
func microseconds(cmd *redis.Cmd) int64 {
	text, _ := cmd.Text()
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
