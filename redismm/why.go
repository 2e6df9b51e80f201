package redismm

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// Why is everything that Redis holds about one place, and what follows from it.
type Why struct {
	Topic string `json:"topic"`
	Host  string `json:"host"`
	// Listed says whether the topic's set has the host.
	Listed bool `json:"listed"`
	// Key says what the liveness key holds: "live", "left", "removed by name", "absent" or "foreign".
	Key string `json:"key"`
	// TTL is how long the key stays without another write, in seconds; -1 for ever.
	TTL float64 `json:"ttl_seconds,omitempty"`
	// Instance is the stamp in the key, Revision how often its record was written, and Since when, by Redis's
	// clock, the stamp was drawn.
	Instance string     `json:"instance,omitempty"`
	Revision uint64     `json:"revision,omitempty"`
	Since    *time.Time `json:"since,omitempty"`
	// Member is what the record says, for a live host, with the drain from outside merged in.
	Member *core.Member `json:"member,omitempty"`
	// DrainLeft is how long the host is drained from outside, in seconds, and DrainReason why.
	DrainLeft   float64 `json:"drain_seconds,omitempty"`
	DrainReason string  `json:"drain_reason,omitempty"`
	// Version is the topic's; Counted is how many hosts it counts and Hosts how many the set has.
	Version core.Version `json:"version"`
	Counted int          `json:"counted"`
	Hosts   int          `json:"hosts"`
	// Sentence says what follows.
	Sentence string `json:"sentence"`
}

// Why reads everything that Redis holds about a place, in one round trip.
func (s *Store) Why(ctx context.Context, topic, host string) (*Why, error) {
	if err := errors.Join(core.CheckTopic(topic), core.CheckHost(host)); err != nil {
		return nil, err
	}
	key := s.keys.liveness(topic, host)
	pipe := s.read.Pipeline()
	listed, hosts := pipe.SIsMember(ctx, s.keys.set(topic), host), pipe.SCard(ctx, s.keys.set(topic))
	text, left, kept := pipe.Get(ctx, key), pipe.PTTL(ctx, key), s.queueVersion(ctx, pipe, topic)
	drain, now := pipe.HGet(ctx, s.keys.drains(topic), host), s.queueTime(ctx, pipe, topic)
	if _, err := pipe.Exec(ctx); err != nil && now.Err() == nil && now.Val() == nil {
		return nil, s.unavailable(err) // no connection was had
	}
	for _, cmd := range []redis.Cmder{listed, hosts, left, kept, now} {
		if cmd.Err() != nil {
			return nil, s.unavailable(cmd.Err())
		}
	}
	v, parsed := parseValue(text.Val())
	w := &Why{Topic: topic, Host: host, Listed: listed.Val(), Hosts: int(hosts.Val()), Version: readVersion(kept).core()}
	w.Counted, _ = strconv.Atoi(readVersion(kept).n)
	if text.Err() != nil && !errors.Is(text.Err(), redis.Nil) {
		parsed = text.Err()
	}
	w.key(v, parsed, left.Val())
	if d := drainLeft(drain.Val(), microseconds(now)); d > 0 {
		w.DrainLeft = d.Seconds()
		_, w.DrainReason, _ = strings.Cut(drain.Val(), " ")
	}
	if v.kind == live && w.Key == "live" {
		m := v.member(topic, host)
		if m.State == core.Up && w.DrainLeft > 0 {
			m.State = core.Draining
		}
		w.Member = &m
	}
	w.Sentence = w.sentence()
	return w, nil
}

// noTTL is what PTTL answers of a key that stays, as go-redis has it.
const noTTL = time.Duration(-1)

func (w *Why) key(v value, err error, left time.Duration) {
	switch {
	case err != nil:
		w.Key = "foreign"
		return
	case v.kind == absent:
		w.Key = "absent"
		return
	case v.kind == live:
		w.Key = "live"
	case strings.HasSuffix(v.record, "name"):
		w.Key = "removed by name"
	default:
		w.Key = "left"
	}
	w.TTL, w.Instance, w.Revision = left.Seconds(), v.stamp, v.rev
	if left == noTTL {
		w.TTL = -1
	}
	if microseconds, err := strconv.ParseInt(v.stamp[:generationSize], 10, 64); err == nil {
		since := time.UnixMicro(microseconds)
		w.Since = &since
	}
}

// sentence says what a lookup answers, and why.
func (w *Why) sentence() string {
	ttl := time.Duration(w.TTL * float64(time.Second)).Round(100 * time.Millisecond)
	switch {
	case w.Key == "foreign":
		return "Something other than a matchmaker wrote the liveness key, so the host cannot register; delete that key."
	case w.Key == "live" && w.TTL < 0:
		return "Its key has no TTL, which no matchmaker leaves so: it counts as alive for ever, unless a living process beats it; `matchmaker expire` ends it."
	case w.Key == "live" && !w.Listed:
		return "It lives, and Redis has lost it from the topic's set: lookups miss it until its next heartbeat."
	case w.Key == "live" && w.Member.State == core.Draining && w.DrainLeft > 0:
		return fmt.Sprintf("It lives and is drained from outside for another %s: it is listed, and not picked while others are up.",
			time.Duration(w.DrainLeft*float64(time.Second)).Round(time.Second))
	case w.Key == "live" && w.Member.State != core.Up:
		return fmt.Sprintf("It lives and says that it is %s: it is listed, and not picked while others are up.", w.Member.State)
	case w.Key == "live":
		return fmt.Sprintf("It lives and can be picked; without another heartbeat it lapses in %s.", ttl)
	case w.Key == "left":
		return fmt.Sprintf("It said that it left; for another %s late heartbeats of it, and older instances, are refused.", ttl)
	case w.Key == "removed by name":
		return fmt.Sprintf("Somebody removed it by name; its process is told so for another %s, and stops keeping it.", ttl)
	case w.Listed:
		return "Its TTL has lapsed, or Redis lost its key: lookups that ask Redis do not list it, watchers hold it until it beats or a TTL has passed."
	case w.Version == core.Version{}:
		return "The topic was never heard of, or not for a day: nobody registers under this name in this database and with this prefix."
	}
	return "Nobody has registered it, or it has been gone for longer than a TTL."
}
