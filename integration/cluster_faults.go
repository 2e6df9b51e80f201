package integration

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Failover makes the replica of the server that has the slot of a key the primary while both run, and
// returns it when the other follows it.
func (c *Cluster) Failover(key string) *Redis {
	c.t.Helper()
	old, next := c.Primary(key), c.Replica(key)
	next.do("CLUSTER", "FAILOVER")
	now := c.PrimaryAfter(key, old)
	Eventually(c.t, failoverTimeout, "the cluster is whole after the failover", c.whole)
	return now
}

// FailoverToLaggingReplica keeps the replica of the server that has the slot of a key from following, calls
// write, kills the primary, and returns the new one when it leads the old one, which is started again: all
// that write wrote to it is lost.
func (c *Cluster) FailoverToLaggingReplica(key string, write func()) *Redis {
	c.t.Helper()
	old := c.Primary(key)
	catchUp := old.loseFollowers(Servers{c.Replica(key)})
	lost := beside(key, "lost")
	old.do("SET", lost, "1")
	write()
	old.Kill()
	catchUp()
	now := c.PrimaryAfter(key, old)
	now.lacks(lost)
	old.Restart()
	Eventually(c.t, failoverTimeout, "the cluster is whole after the failover", c.whole)
	return now
}

// MigrateSlot begins to move the slot of a key to another primary, and half of the slot's keys; the function
// that it returns moves the rest. Meanwhile who asks for what is not there any more is sent on with ASK, and
// who asks for keys of which some are there is told TRYAGAIN.
func (c *Cluster) MigrateSlot(key string) (finish func()) {
	c.t.Helper()
	from, slot := c.Primary(key), c.slot(key)
	to := c.primaryBeside(from)
	here, gone := beside(key, "here"), beside(key, "gone")
	from.do("SET", here, "1")
	to.do("CLUSTER", "SETSLOT", slot, "IMPORTING", c.id(from))
	from.do("CLUSTER", "SETSLOT", slot, "MIGRATING", c.id(to))
	for i, k := range from.keysIn(slot) {
		if i%2 == 0 && k != here {
			c.move(from, to, k)
		}
	}
	from.refuses("ASK ", "GET", gone)
	from.refuses("TRYAGAIN ", "MGET", here, gone)
	return func() {
		c.t.Helper()
		for keys := from.keysIn(slot); len(keys) > 0; keys = from.keysIn(slot) {
			c.move(from, to, keys...)
		}
		for _, r := range append(Servers{to}, c.primaries().without(to)...) {
			r.do("CLUSTER", "SETSLOT", slot, "NODE", c.id(to))
		}
		if now := c.PrimaryAfter(key, from); now != to {
			c.t.Fatalf("slot %d was moved to %s and is at %s", slot, to.Addr, now.Addr)
		}
		to.do("DEL", here)
	}
}

// beside names a key in the slot of another.
func beside(key, name string) string {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	return kit + ":" + name + ":{" + key + "}"
}

// primaries are the servers that say they are.
func (c *Cluster) primaries() Servers {
	var all Servers
	for _, r := range c.Servers {
		if r.role().name == "master" {
			all = append(all, r)
		}
	}
	return all
}

func (c *Cluster) primaryBeside(one *Redis) *Redis {
	c.t.Helper()
	others := c.primaries().without(one)
	if len(others) == 0 {
		c.t.Fatalf("no primary beside %s answers", one.Addr)
	}
	return others[0]
}

func (r *Redis) keysIn(slot int) (keys []string) {
	r.t.Helper()
	r.tell("CLUSTER GETKEYSINSLOT", func(ctx context.Context, c *redis.Client) (err error) {
		keys, err = c.ClusterGetKeysInSlot(ctx, slot, 1000).Result()
		return err
	})
	return keys
}

// move hands keys to another server.
func (c *Cluster) move(from, to *Redis, keys ...string) {
	c.t.Helper()
	host, port, _ := net.SplitHostPort(to.Addr)
	args := []any{"MIGRATE", host, port, "", 0, startTimeout.Milliseconds()}
	switch {
	case c.settings.admin != "":
		args = append(args, "AUTH2", c.settings.admin, c.settings.adminPassword)
	case c.settings.adminPassword != "":
		args = append(args, "AUTH", c.settings.adminPassword)
	}
	args = append(args, "KEYS")
	for _, k := range keys {
		args = append(args, k)
	}
	from.do(args...)
}

// refuses ends the test unless a command fails with an error that begins so.
func (r *Redis) refuses(prefix string, args ...any) {
	r.t.Helper()
	err := r.with(startTimeout, func(ctx context.Context, c *redis.Client) error { return c.Do(ctx, args...).Err() })
	if err == nil {
		err = errors.New("no error")
	}
	if !strings.HasPrefix(err.Error(), prefix) {
		r.t.Fatalf("%s at %s: %v, want %s…", spaced(args), r.Addr, err, prefix)
	}
}

// lacks ends the test if the server has a key.
func (r *Redis) lacks(key string) {
	r.t.Helper()
	if n := r.do("EXISTS", key); n != int64(0) {
		r.t.Fatalf("redis-server at %s has key %q, which was to be lost", r.Addr, key)
	}
}
