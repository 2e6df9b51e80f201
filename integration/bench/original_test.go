package bench

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// original is the algorithm of oslo.messaging's Redis matchmaker, in Go: a set of members a topic, and a key of each
// member, whose TTL is its life. Members are topic.host.
type original struct {
	c   *redis.Client
	ttl time.Duration
}

// queue registers a member, but for its TTL.
func (o original) queue(ctx context.Context, pipe redis.Pipeliner, topic, member string) {
	pipe.SAdd(ctx, topic, member)
	pipe.SAdd(ctx, member, "")
}

// all registers many in pipelines: only to be quickly there.
func (o original) all(ctx context.Context, topic string, hosts []string) error {
	for some := range slices.Chunk(hosts, 512) {
		_, err := o.c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, h := range some {
				o.queue(ctx, pipe, topic, topic+"."+h)
				pipe.PExpire(ctx, topic+"."+h, o.ttl)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// beat is one EXPIRE.
func (o original) beat(ctx context.Context, member string) error {
	return o.c.Expire(ctx, member, o.ttl).Err()
}

var errNobody = errors.New("the original finds nobody")

// topic draws until somebody lives: SRANDMEMBER, then TTL.
func (o original) topic(ctx context.Context, topic string) error {
	for {
		member, err := o.c.SRandMember(ctx, topic).Result()
		if err != nil {
			return err
		}
		left, err := o.c.TTL(ctx, member).Result()
		if err != nil || left > 0 {
			return err
		}
	}
}

// fanout lists a topic: SMEMBERS, then a TTL for each.
func (o original) fanout(ctx context.Context, topic string) (alive int, err error) {
	members, err := o.c.SMembers(ctx, topic).Result()
	for _, m := range members {
		left, err := o.c.TTL(ctx, m).Result()
		if err != nil {
			return 0, err
		}
		if left > 0 {
			alive++
		}
	}
	return alive, err
}

// pipelined is fanout as it could have been: all TTLs in one pipeline.
func (o original) pipelined(ctx context.Context, topic string) (alive int, err error) {
	members, err := o.c.SMembers(ctx, topic).Result()
	if err != nil {
		return 0, err
	}
	pipe := o.c.Pipeline()
	left := make([]*redis.DurationCmd, len(members))
	for i, m := range members {
		left[i] = pipe.TTL(ctx, m)
	}
	_, err = pipe.Exec(ctx)
	for _, l := range left {
		if l.Val() > 0 {
			alive++
		}
	}
	return alive, err
}

// pexpire renews keys with a TTL each, in pipelines of 512: the original's beats at their best, and the least that
// anybody can do who keeps a TTL for each host.
func pexpire(ctx context.Context, c *redis.Client, keys []string, ttl time.Duration) error {
	for some := range slices.Chunk(keys, 512) {
		cmds, err := c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, k := range some {
				pipe.PExpire(ctx, k, ttl)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, cmd := range cmds {
			if !cmd.(*redis.BoolCmd).Val() {
				return errNobody
			}
		}
	}
	return nil
}

// bare is SMEMBERS and MGET: the least that anybody can do who keeps a key for each host.
func bare(ctx context.Context, c *redis.Client, set, prefix string) (alive int, err error) {
	hosts, err := c.SMembers(ctx, set).Result()
	if err != nil {
		return 0, err
	}
	keys := make([]string, len(hosts))
	for i, h := range hosts {
		keys[i] = prefix + h
	}
	for some := range slices.Chunk(keys, 1000) {
		values, err := c.MGet(ctx, some...).Result()
		if err != nil {
			return 0, err
		}
		for _, v := range values {
			if v != nil {
				alive++
			}
		}
	}
	return alive, nil
}

// hashed is a registry with a hash for each service, as other registries on Redis have it in Go: a field a host, whose
// value is JSON with the time of the last beat; who reads leaves out who is old.
type hashed struct {
	c   *redis.Client
	ttl time.Duration
}

type hashedHost struct {
	core.Registration
	Beat int64
}

func (h hashed) all(ctx context.Context, rs []core.Registration) error {
	for some := range slices.Chunk(rs, 512) {
		_, err := h.c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, r := range some {
				text, err := json.Marshal(hashedHost{r, time.Now().UnixMilli()})
				if err != nil {
					return err
				}
				pipe.HSet(ctx, "service:"+r.Topic, r.Host, text)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (h hashed) fanout(ctx context.Context, topic string) (alive int, err error) {
	all, err := h.c.HGetAll(ctx, "service:"+topic).Result()
	for _, text := range all {
		var host hashedHost
		if err := json.Unmarshal([]byte(text), &host); err != nil {
			return 0, err
		}
		if time.Since(time.UnixMilli(host.Beat)) < h.ttl {
			alive++
		}
	}
	return alive, err
}
