package integration

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Evict makes the server short of memory until it has evicted keys of database 0, which must be there. Those
// that nobody has used for longest go first, which these are made to look like; where the server has many
// keys, others may go too.
func (r *Redis) Evict(keys ...string) {
	r.t.Helper()
	short := map[string]string{"maxmemory-policy": "allkeys-lru", "maxmemory-samples": "64", "notify-keyspace-events": "Ee", "maxmemory": ""}
	for name, value := range short {
		was := r.config(name)
		defer r.do("CONFIG", "SET", name, was)
		if value != "" {
			r.do("CONFIG", "SET", name, value)
		}
	}
	err := r.with(failoverTimeout, func(ctx context.Context, c *redis.Client) error {
		heard := c.Subscribe(ctx, "__keyevent@0__:evicted")
		defer heard.Close()
		if _, err := heard.Receive(ctx); err != nil {
			return err
		}
		left := make(map[string]bool)
		for _, k := range keys {
			left[k] = true
			if n, err := unused.Run(ctx, c, []string{k}).Int(); err != nil || n == 0 {
				return fmt.Errorf("key %q: found %d: %w", k, n, err)
			}
		}
		limit, err := used(ctx, c)
		limit += 64 << 10 // some of it comes and goes with commands
		for step := 512; len(left) > 0 && err == nil; step += 8 {
			if err := squeeze(ctx, c, limit); err != nil {
				return err
			}
			limit -= step
			if err := strike(ctx, heard, left); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		r.t.Fatalf("eviction at %s: %v", r.Addr, err)
	}
}

// unused makes a key look like one that nobody has used for months.
var unused = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('RESTORE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), 0), redis.call('DUMP', KEYS[1]), 'REPLACE', 'IDLETIME', 10000000)
return 1`)

// used is how many bytes the server uses.
func used(ctx context.Context, c *redis.Client) (int, error) {
	info, err := c.Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(info, "used_memory:")
	text, _, _ := strings.Cut(rest, "\r\n")
	return strconv.Atoi(text)
}

// squeeze lets the server have no more than so many bytes, for one command.
func squeeze(ctx context.Context, c *redis.Client, limit int) error {
	_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ConfigSet(ctx, "maxmemory", strconv.Itoa(max(limit, 1)))
		p.Ping(ctx)
		p.ConfigSet(ctx, "maxmemory", "0")
		return nil
	})
	return err
}

// strike takes the keys out of left that a subscription names until now.
func strike(ctx context.Context, heard *redis.PubSub, left map[string]bool) error {
	if err := heard.Ping(ctx); err != nil {
		return err
	}
	for {
		said, err := heard.Receive(ctx)
		switch said := said.(type) {
		case *redis.Message:
			delete(left, said.Payload)
		case *redis.Pong:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// config is the value of an option that the server uses now.
func (r *Redis) config(name string) string {
	r.t.Helper()
	pair, _ := r.do("CONFIG", "GET", name).(map[any]any)
	return fmt.Sprint(pair[name])
}
