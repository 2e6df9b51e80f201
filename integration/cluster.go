package integration

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Cluster is three primaries, each with a third of the slots and a replica. Its methods end the test if the
// servers do not do as they are told; they are for one goroutine at a time.
type Cluster struct {
	// URL is the DSN, as redis.ParseClusterURL reads it.
	URL string
	// Servers are all six, whoever is a primary.
	Servers Servers

	t        testing.TB
	settings settings
	ids      map[string]*Redis
}

const slots = 16384

// StartCluster starts them all, each as [StartRedis] does, and returns when each finds that all slots are
// served. A primary that does not answer is replaced after about two seconds.
func StartCluster(t testing.TB, options ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t, ids: make(map[string]*Redis)}
	for range 6 {
		r := newPeer(t, append([]string{"cluster-enabled yes", "cluster-node-timeout 2000",
			"cluster-replica-validity-factor 0", "cluster-allow-replica-migration no"}, options...))
		if r.settings.tls != nil {
			r.settings.lines = append(r.settings.lines, "tls-cluster yes")
		}
		c.Servers = append(c.Servers, r)
	}
	launchAll(t, c.Servers, "cluster-port %d")
	c.settings = c.Servers[0].settings
	c.URL = c.As(c.settings.user, c.settings.password)
	c.introduce()
	c.assign()
	Eventually(t, failoverTimeout, "every server finds that all slots are served and all replicas follow", c.whole)
	return c
}

// introduce makes the servers known to each other.
func (c *Cluster) introduce() {
	c.t.Helper()
	for i, r := range c.Servers {
		c.ids[r.do("CLUSTER", "MYID").(string)] = r
		r.do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
		if r.proxy != nil {
			host, port, _ := net.SplitHostPort(r.proxy.Addr)
			name := "cluster-announce-port"
			if r.settings.tls != nil {
				name = "cluster-announce-tls-port"
			}
			r.do("CONFIG", "SET", "cluster-announce-ip", host, name, port)
			r.do("CONFIG", "REWRITE")
		}
		for _, other := range c.Servers[:i] {
			host, port, _ := net.SplitHostPort(other.Addr)
			r.do("CLUSTER", "MEET", host, port, other.config("cluster-port"))
		}
	}
}

// assign gives the first three the slots, and each a replica.
func (c *Cluster) assign() {
	c.t.Helper()
	for i, r := range c.Servers[:3] {
		r.do("CLUSTER", "ADDSLOTSRANGE", i*slots/3, (i+1)*slots/3-1)
	}
	for i, r := range c.Servers[3:] {
		id := c.Servers[i].do("CLUSTER", "MYID")
		Eventually(c.t, startTimeout, fmt.Sprintf("%s knows %s", r.Addr, c.Servers[i].Addr), func() bool {
			return r.with(lookTimeout, func(ctx context.Context, c *redis.Client) error { // refused until it knows
				return c.ClusterReplicate(ctx, id.(string)).Err()
			}) == nil
		})
	}
}

// whole says whether every server finds that all slots are served, and every primary has its replica.
func (c *Cluster) whole() bool {
	leading := 0
	for _, r := range c.Servers {
		ok := false
		_ = r.with(lookTimeout, func(ctx context.Context, client *redis.Client) error {
			info, err := client.ClusterInfo(ctx).Result()
			ok = strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:6")
			return err
		})
		if !ok {
			return false
		}
		leading += r.role().replicas
	}
	return leading == 3
}

// As returns the DSN for a user, or for the default user if that is "".
func (c *Cluster) As(user, password string) string {
	u := url.URL{Scheme: c.settings.scheme(), Host: c.Servers[0].At(), User: userinfo(user, password)}
	q := url.Values{}
	for _, r := range c.Servers[1:] {
		q.Add("addr", r.At())
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// Primary returns the server that has the slot of a key, as all servers that answer say. It waits for one.
func (c *Cluster) Primary(key string) *Redis { c.t.Helper(); return c.PrimaryAfter(key, nil) }

// PrimaryAfter waits until another server than old has the slot of a key, and returns it.
func (c *Cluster) PrimaryAfter(key string, old *Redis) *Redis {
	c.t.Helper()
	slot := c.slot(key)
	var now *Redis
	Eventually(c.t, failoverTimeout, fmt.Sprintf("the cluster agrees on who has key %q", key), func() bool {
		now = c.named(slot)
		return now != nil && now != old && now.role().name == "master"
	})
	return now
}

// slot returns the slot of a key, by the first server that answers.
func (c *Cluster) slot(key string) int {
	c.t.Helper()
	var slot int64
	Eventually(c.t, startTimeout, "a server of the cluster answers", func() bool {
		return slices.ContainsFunc(c.Servers, func(r *Redis) bool {
			return r.with(lookTimeout, func(ctx context.Context, c *redis.Client) (err error) {
				slot, err = c.ClusterKeySlot(ctx, key).Result()
				return err
			}) == nil
		})
	})
	return int(slot)
}

// named returns the server that most servers say has a slot, or nil if those that answer do not agree.
func (c *Cluster) named(slot int) *Redis {
	votes, id := 0, ""
	for _, r := range c.Servers {
		says := r.owner(slot)
		if says == "" {
			continue
		}
		if votes > 0 && says != id {
			return nil
		}
		votes, id = votes+1, says
	}
	if votes < 4 {
		return nil
	}
	return c.ids[id]
}

// owner is the id of the server that has a slot, as this one knows it, or "".
func (r *Redis) owner(slot int) string {
	for _, line := range r.nodes() {
		for _, of := range line[8:] {
			first, last, isRange := strings.Cut(of, "-")
			from, err := strconv.Atoi(first)
			if !isRange {
				last = first
			}
			to, lerr := strconv.Atoi(last)
			if err == nil && lerr == nil && from <= slot && slot <= to { // not [slot->-id], which is under way
				return line[0]
			}
		}
	}
	return ""
}

// nodes is what a server answers to CLUSTER NODES: id, address, flags, primary and so on, and from the ninth
// on slots. It is empty if the server does not answer.
func (r *Redis) nodes() (lines [][]string) {
	_ = r.with(lookTimeout, func(ctx context.Context, c *redis.Client) error {
		text, err := c.ClusterNodes(ctx).Result()
		for line := range strings.Lines(text) {
			if fields := strings.Fields(line); len(fields) >= 8 {
				lines = append(lines, fields)
			}
		}
		return err
	})
	return lines
}

// Replica returns a server that follows the one that has the slot of a key, as both say. It waits for one.
func (c *Cluster) Replica(key string) *Redis {
	c.t.Helper()
	primary := c.Primary(key)
	var follower *Redis
	Eventually(c.t, startTimeout, fmt.Sprintf("a replica follows %s, which has key %q", primary.Addr, key), func() bool {
		for _, line := range primary.nodes() {
			if r := c.ids[line[0]]; r != nil && line[3] == c.id(primary) && r.role().name == "slave" {
				follower = r
			}
		}
		return follower != nil
	})
	return follower
}

func (c *Cluster) id(of *Redis) string {
	for id, r := range c.ids {
		if r == of {
			return id
		}
	}
	return ""
}
