package integration

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ScriptFlush makes the server forget all scripts.
func (r *Redis) ScriptFlush() {
	r.t.Helper()
	r.tell("SCRIPT FLUSH", func(ctx context.Context, c *redis.Client) error {
		var left *redis.BoolSliceCmd
		_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.ScriptLoad(ctx, "return 1")
			p.ScriptFlush(ctx)
			left = p.ScriptExists(ctx, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db")
			return nil
		})
		if err == nil && left.Val()[0] {
			err = errors.New("a script is left")
		}
		return err
	})
}

// KillSubscriptions ends the connections that subscribe, and no others. There must be one that is not a
// sentinel's.
func (r *Redis) KillSubscriptions() {
	r.t.Helper()
	if r.killSubscriptions() == 0 {
		r.t.Fatalf("redis-server at %s has no subscription to kill", r.Addr)
	}
}

func (r *Redis) killSubscriptions() (killed int) {
	r.t.Helper()
	list, _ := r.do("CLIENT", "LIST", "TYPE", "pubsub").(string)
	for line := range strings.Lines(list) {
		if strings.Contains(line, " name=sentinel-") {
			continue
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(line, "id="), " ")
		if n, _ := r.do("CLIENT", "KILL", "ID", id).(int64); n == 1 {
			killed++
		}
	}
	return killed
}

// MakeReadonly makes a single server the replica of none that there is: it keeps its data, and answers
// writes with READONLY.
func (r *Redis) MakeReadonly() {
	r.t.Helper()
	r.do("REPLICAOF", "127.0.0.1", "1")
	r.refuses("READONLY ", "DEL", beside("", "none"))
}

// MakeWritable ends MakeReadonly.
func (r *Redis) MakeWritable() {
	r.t.Helper()
	r.do("REPLICAOF", "NO", "ONE")
	r.do("DEL", beside("", "none"))
}

// SetUser applies ACL rules to a user, whose open connections obey them too. The default user is "default".
func (r *Redis) SetUser(user string, rules ...string) {
	r.t.Helper()
	args := []any{"ACL", "SETUSER", user}
	for _, rule := range rules {
		args = append(args, rule)
	}
	r.do(args...)
}

// RevokeChannels takes the permission to publish and to subscribe from a user; connections that subscribe
// are closed. SetUser with "allchannels", or with the channels that there were, gives it back.
func (r *Redis) RevokeChannels(user string) {
	r.t.Helper()
	r.SetUser(user, "resetchannels")
	if is, _ := r.do("ACL", "GETUSER", user).(map[any]any); is["channels"] != "" {
		r.t.Fatalf("user %s at %s may still use the channels %v", user, r.Addr, is["channels"])
	}
}
