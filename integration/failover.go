package integration

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// failoverTimeout bounds the wait for another primary.
const failoverTimeout = time.Minute

// lookTimeout bounds one look at a server that may not answer.
const lookTimeout = time.Second

// role is what a server says of itself: master, slave or sentinel, and how many replicas follow it.
type role struct {
	name     string
	replicas int
}

// role returns the zero role if the server does not answer.
func (r *Redis) role() (is role) {
	_ = r.with(lookTimeout, func(ctx context.Context, c *redis.Client) error {
		reply, err := c.Do(ctx, "ROLE").Slice()
		if err != nil || len(reply) < 2 {
			return err
		}
		is.name, _ = reply[0].(string)
		if followers, ok := reply[len(reply)-1].([]any); ok && is.name == "master" {
			is.replicas = len(followers)
		}
		return nil
	})
	return is
}

// watched is what a sentinel knows of the primary.
func (r *Redis) watched() (known map[string]string, err error) {
	err = r.with(lookTimeout, func(ctx context.Context, c *redis.Client) error {
		cmd := redis.NewMapStringStringCmd(ctx, "SENTINEL", "MASTER", master)
		err := c.Process(ctx, cmd)
		known = cmd.Val()
		return err
	})
	return known, err
}

// Primary returns the server that is the primary and that all sentinels that answer, two at least, name. It
// waits for one.
func (s *Sentinel) Primary() *Redis { s.t.Helper(); return s.PrimaryAfter(nil) }

// PrimaryAfter waits until another server than old is the primary, and returns it.
func (s *Sentinel) PrimaryAfter(old *Redis) *Redis {
	s.t.Helper()
	var now *Redis
	Eventually(s.t, failoverTimeout, "the sentinels agree on a primary", func() bool {
		now = s.named()
		return now != nil && now != old && now.role().name == "master"
	})
	return now
}

// named returns the server that the sentinels name, or nil if they do not agree.
func (s *Sentinel) named() *Redis {
	votes, addr := 0, ""
	for _, r := range s.Sentinels {
		known, err := r.watched()
		if err != nil {
			continue
		}
		at := known["ip"] + ":" + known["port"]
		if votes > 0 && at != addr {
			return nil
		}
		votes, addr = votes+1, at
	}
	i := slices.IndexFunc(s.Servers, func(r *Redis) bool { return r.At() == addr })
	if votes < 2 || i < 0 {
		return nil
	}
	return s.Servers[i]
}

// Replicas returns the servers but the primary.
func (s *Sentinel) Replicas() Servers { s.t.Helper(); return s.Servers.without(s.Primary()) }

// Failover has the sentinels make a replica the primary, for all keys, while all run, and returns the new
// primary when the old one follows it.
func (s *Sentinel) Failover(string) *Redis {
	s.t.Helper()
	old := s.Primary()
	var err error
	Eventually(s.t, failoverTimeout, "a sentinel starts a failover", func() bool { // one may still be under way
		err = s.Sentinels[0].with(lookTimeout, func(ctx context.Context, c *redis.Client) error {
			return c.Do(ctx, "SENTINEL", "FAILOVER", master).Err()
		})
		return err == nil
	})
	now := s.PrimaryAfter(old)
	Eventually(s.t, failoverTimeout, fmt.Sprintf("%s, who was the primary, is a replica", old.Addr), func() bool { return old.role().name == "slave" })
	return now
}

// FailoverToLaggingReplica keeps the replicas from following, calls write, kills the primary, and returns
// the new one when it leads the old one, which is started again: all that write wrote is lost, whatever the key.
func (s *Sentinel) FailoverToLaggingReplica(_ string, write func()) *Redis {
	s.t.Helper()
	old := s.Primary()
	catchUp := old.loseFollowers(s.Servers.without(old))
	lost := beside("", "lost")
	old.do("SET", lost, "1")
	write()
	old.Kill()
	catchUp()
	now := s.PrimaryAfter(old)
	now.lacks(lost)
	old.Restart()
	Eventually(s.t, failoverTimeout, "all follow the new primary", func() bool { return now.role().replicas == 2 })
	return now
}

// Partition cuts the primary off from the sentinels, the replicas and the clients of URL, until Heal, and
// returns it and the primary that the others choose. Who uses the old one's Client is on its side, where it
// goes on as primary. The servers were started with [Proxied].
func (s *Sentinel) Partition() (old, now *Redis) {
	s.t.Helper()
	old = s.Primary()
	old.Proxy().Blackhole()
	now = s.PrimaryAfter(old)
	Eventually(s.t, startTimeout, "the primary that is cut off goes on as one", func() bool { return old.role().name == "master" })
	return old, now
}

// Heal ends the faults of all proxies, and returns when the replicas follow the primary.
func (s *Sentinel) Heal() {
	s.t.Helper()
	for _, r := range slices.Concat(s.Servers, s.Sentinels) {
		r.Proxy().Heal()
	}
	Eventually(s.t, failoverTimeout, "two replicas follow the primary", func() bool {
		now := s.named()
		return now != nil && now.role().replicas == 2
	})
}

// loseFollowers makes replicas unable to follow a primary, until the function that it returns is called:
// they have a wrong password for it.
func (r *Redis) loseFollowers(followers Servers) (catchUp func()) {
	r.t.Helper()
	for _, f := range followers {
		f.do("CONFIG", "SET", "masterauth", kit+"-wrong")
	}
	r.do("CLIENT", "KILL", "TYPE", "replica")
	Eventually(r.t, startTimeout, "no replica follows "+r.Addr, func() bool { is := r.role(); return is.name == "master" && is.replicas == 0 })
	return func() {
		r.t.Helper()
		for _, f := range followers {
			f.do("CONFIG", "SET", "masterauth", f.settings.adminPassword)
		}
	}
}
