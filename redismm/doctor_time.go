package redismm

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// trips is how many round trips are measured, for at most measured.
const (
	trips    = 50
	measured = 500 * time.Millisecond
)

// latency measures round trips, and compares them with the time that a round of beats has.
func (p *patient) latency(ctx context.Context, conn *redis.Conn) error {
	var took []time.Duration
	for began := time.Now(); len(took) < trips && (len(took) == 0 || time.Since(began) < measured); {
		sent := time.Now()
		if err := conn.Ping(ctx).Err(); err != nil && !refused(err) {
			return err
		}
		took = append(took, time.Since(sent))
	}
	slices.Sort(took)
	median, worst := took[len(took)/2], took[len(took)-1]
	c := p.store.config
	as, fix := judgeLatency(median, worst, c.HeartbeatConfig)
	p.finds("latency", as, fix, "%s median, %s worst of %d round trips; a round of heartbeats has %s, a host %s",
		shortly(median), shortly(worst), len(took), c.RoundTimeout(), c.TTL)
	return nil
}

// judgeLatency asks that a round of beats, a few round trips, is far from its end.
func judgeLatency(median, worst time.Duration, c core.HeartbeatConfig) (Severity, string) {
	const fix = "look at SLOWLOG GET and at the network, or lengthen --heartbeat-freq and --heartbeat-ttl"
	switch round := c.RoundTimeout(); {
	case median > round/4:
		return Bad, fix
	case worst > round/4:
		return Warning, fix
	}
	return Fine, ""
}

// clock compares clocks. Nothing depends on it: only Redis's counts.
func (p *patient) clock(ctx context.Context, conn *redis.Conn) error {
	before := time.Now()
	now, err := conn.Time(ctx).Result()
	if err != nil {
		if refused(err) {
			return nil // permissions have said so
		}
		return err
	}
	ahead := now.Sub(before.Add(time.Since(before) / 2)).Round(time.Millisecond)
	than := "ahead of"
	if ahead < 0 {
		than = "behind"
	}
	p.finds("clock", Fine, "", "Redis's clock is %s %s this machine's; nothing depends on it", ahead.Abs(), than)
	return nil
}

// shortly is a duration as people read it.
func shortly(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
