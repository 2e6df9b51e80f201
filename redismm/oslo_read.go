package redismm

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// Remaining returns how long a host stays registered without another beat; 0 if it is not, and then its topic's set
// does not list it any more: the original's is_alive, which took the key of a member for the host.
func (o *Oslo) Remaining(ctx context.Context, topic, host string) (time.Duration, error) {
	left, err := o.alive(ctx, topic, []string{host})
	if err != nil {
		return 0, err
	}
	return left[0], nil
}

// alive asks for hosts of a topic, and takes the dead out of its set.
func (o *Oslo) alive(ctx context.Context, topic string, hosts []string) ([]time.Duration, error) {
	claims := make([]*core.Claim, len(hosts))
	for i, h := range hosts {
		claims[i] = &core.Claim{Registration: core.Registration{Topic: topic, Host: h}}
	}
	told, err := o.ask(ctx, osloAliveScript, o.config.TTL, claims)
	if err != nil {
		return nil, err
	}
	left := make([]time.Duration, len(hosts))
	for i, ms := range told {
		left[i] = time.Duration(ms) * time.Millisecond
	}
	return left, nil
}

// Members returns who lives now, in two round trips, or three where some of the set are dead. Members of the set
// that do not begin with the topic are somebody else's.
func (o *Oslo) Members(ctx context.Context, topic string) (*core.View, error) {
	hosts, err := o.hosts(ctx, topic)
	if err != nil {
		return nil, err
	}
	return osloView(topic, hosts, len(hosts) > 0), nil
}

// osloView is a view of hosts in order. Its version is the same in every process that sees them; it is that of a
// topic never heard of unless known.
func osloView(topic string, hosts []string, known bool) *core.View {
	v := &core.View{Topic: topic, AsOf: time.Now()}
	sum := fnv.New128a()
	for _, h := range hosts {
		sum.Write([]byte(h + "\x00"))
		v.Members = append(v.Members, &core.Member{Registration: core.Registration{Topic: topic, Host: h}})
	}
	if known {
		v.Version = core.Version{Epoch: LayoutOslo, Change: fmt.Sprintf("%x", sum.Sum(nil))}
	}
	return v
}

// hosts returns who lives, in order.
func (o *Oslo) hosts(ctx context.Context, topic string) ([]string, error) {
	members, err := o.read.SMembers(ctx, topic).Result()
	if err != nil {
		return nil, o.unavailable(err)
	}
	var live, doubtful []string
	for some := range slices.Chunk(members, 1000) {
		pipe := o.read.Pipeline()
		left := make([]*redis.DurationCmd, len(some))
		for i, m := range some {
			left[i] = pipe.PTTL(ctx, m)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, o.unavailable(err)
		}
		for i, m := range some {
			host, ours := strings.CutPrefix(m, core.DirectKey(topic, ""))
			switch {
			case !ours:
			case left[i].Val() >= 0:
				live = append(live, host)
			default:
				doubtful = append(doubtful, host)
			}
		}
	}
	if len(doubtful) > 0 {
		left, err := o.alive(ctx, topic, doubtful)
		if err != nil {
			return nil, err
		}
		for i, h := range doubtful {
			if left[i] > 0 {
				live = append(live, h)
			}
		}
	}
	slices.Sort(live)
	return live, nil
}

// FanoutExchange answers every live host of the key's topic: the original's RedisFanoutExchange. The host is what
// follows the topic, where the original took what follows the first dot.
func (o *Oslo) FanoutExchange(ctx context.Context, key string) ([]core.Route, error) {
	topic, ok := core.FanoutTopic(key)
	if !ok {
		return nil, core.Invalid("key", key, "a fanout exchange wants fanout~topic")
	}
	return routesOf(o.Members(ctx, topic))
}

// DirectExchange answers the host that the key names, and asks nobody: the original's DirectExchange.
func (o *Oslo) DirectExchange(ctx context.Context, key string) ([]core.Route, error) {
	return core.DirectExchange(ctx, key)
}

// TopicExchange answers one live host at random, in one round trip: the original's RedisTopicExchange.
func (o *Oslo) TopicExchange(ctx context.Context, key string) ([]core.Route, error) {
	begins := core.DirectKey(key, "")
	reply, err := one(ctx, o.read, osloPickScript, []string{key}, o.config.TTL.Milliseconds(), begins)
	if err != nil {
		return nil, o.unavailable(err)
	}
	drawn, err := texts(reply)
	if err != nil {
		return nil, o.unavailable(err)
	}
	if host, ours := strings.CutPrefix(strings.Join(drawn, ""), begins); ours {
		return []core.Route{route(&core.Member{Registration: core.Registration{Topic: key, Host: host}})}, nil
	}
	if len(drawn) == 0 {
		return nil, osloView(key, nil, false).Err()
	}
	routes, err := routesOf(o.Members(ctx, key)) // most of the set is somebody else's
	if err != nil {
		return nil, err
	}
	i := rand.IntN(len(routes))
	return routes[i : i+1 : i+1], nil
}

// Topics returns the topics that have members, in order. The layout has no list of them: every key of the database
// is looked at.
func (o *Oslo) Topics(ctx context.Context) ([]string, error) {
	topics := make(map[string]bool)
	for cursor := uint64(0); ; {
		keys, next, err := o.read.ScanType(ctx, cursor, "", 1000, "set").Result()
		if err != nil {
			return nil, o.unavailable(err)
		}
		if err := o.addTopics(ctx, keys, topics); err != nil {
			return nil, err
		}
		if cursor = next; cursor == 0 {
			return slices.Sorted(maps.Keys(topics)), nil
		}
	}
}

// addTopics adds those of some sets that have a member called as members of theirs are. Of any two members one is, if
// nobody else writes there: the other may be the mark of a liveness key.
func (o *Oslo) addTopics(ctx context.Context, keys []string, topics map[string]bool) error {
	if len(keys) == 0 {
		return nil
	}
	pipe := o.read.Pipeline()
	some := make([]*redis.StringSliceCmd, len(keys))
	for i, k := range keys {
		some[i] = pipe.SRandMemberN(ctx, k, 2)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return o.unavailable(err)
	}
	for i, k := range keys {
		if slices.ContainsFunc(some[i].Val(), func(m string) bool { return strings.HasPrefix(m, core.DirectKey(k, "")) }) {
			topics[k] = true
		}
	}
	return nil
}
