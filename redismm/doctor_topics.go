package redismm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// What the topics tell.

// layout is what the scripts of this release write, as topic.lua has it.
const layout = "1"

// diagnoseTopics looks at who wrote the topics, at what is among their keys that no matchmaker leaves there, and at
// how many keys are not ours.
func (s *Store) diagnoseTopics(ctx context.Context, all []*patient) ([]Finding, error) {
	topics, err := s.Topics(ctx)
	if denied(err) != nothingDenied {
		return nil, nil // permissions have said so
	}
	if redis.HasErrorPrefix(err, "WRONGTYPE") {
		return []Finding{strange([]string{s.keys.topics()})}, nil
	}
	if err != nil {
		return nil, err
	}
	pipe := s.read.Pipeline()
	layouts, sets, beside := make([]*redis.StringCmd, len(topics)), make([]*redis.StringSliceCmd, len(topics)), make([]*redis.IntCmd, len(topics))
	for i, t := range topics {
		layouts[i], sets[i] = pipe.HGet(ctx, s.keys.version(t), "l"), pipe.SMembers(ctx, s.keys.set(t))
		beside[i] = existing(ctx, pipe, append(s.topicKeys(t), s.keys.drains(t), s.keys.sweeper(t)))
	}
	if _, err := pipe.Exec(ctx); err != nil && len(topics) > 0 && !refused(err) {
		return nil, err
	}
	others, hosts := make(map[string][]string), make(map[string][]string)
	var foreign []string
	members, ours := int64(0), int64(1)
	for i, t := range topics {
		if l := layouts[i].Val(); l != "" && l != layout {
			others[l] = append(others[l], t)
		}
		for key, err := range map[string]error{s.keys.version(t): layouts[i].Err(), s.keys.set(t): sets[i].Err()} {
			if redis.HasErrorPrefix(err, "WRONGTYPE") {
				foreign = append(foreign, key)
			}
		}
		hosts[t] = sets[i].Val()
		members += int64(len(hosts[t]))
		ours += int64(len(hosts[t])) + beside[i].Val()
	}
	found := s.judgeLayouts(others, len(topics), members)
	if len(foreign) > 0 {
		found = append(found, strange(foreign))
	}
	lasting, err := s.lasting(ctx, hosts)
	if len(lasting) > 0 {
		found = append(found, Finding{"keys", Bad, "", "without a TTL, and so listed dead or alive: " + someOf(lasting),
			"matchmaker expire TOPIC HOST: who lives is back with its next heartbeat; `matchmaker why TOPIC HOST` shows what the key is"})
	}
	if expiring, seen := expiringKeys(all, s.keys.db); seen {
		found = append(found, Finding{"keys", Fine, "", fmt.Sprintf(
			"other keys with a TTL: about %d; any number is fine, since deaths are found by looking, never by expired events",
			max(0, expiring-ours)), ""})
	}
	return found, err
}

// strange is the finding of keys that something else wrote.
func strange(keys []string) Finding {
	slices.Sort(keys)
	return Finding{"keys", Bad, "", "something other than a matchmaker wrote " + someOf(keys) + ": of these topics nobody can tell",
		"TYPE tells what they are; RENAME or DEL them, or use another --prefix"}
}

// lasting returns those of some topics' hosts whose liveness keys do not expire, in order.
func (s *Store) lasting(ctx context.Context, hosts map[string][]string) ([]string, error) {
	var found []string
	for topic, all := range hosts {
		for some := range slices.Chunk(all, batchSize) {
			pipe := s.read.Pipeline()
			left := make([]*redis.DurationCmd, len(some))
			for i, h := range some {
				left[i] = pipe.PTTL(ctx, s.keys.liveness(topic, h))
			}
			if _, err := pipe.Exec(ctx); err != nil && !refused(err) {
				return found, err
			}
			for i, h := range some {
				if left[i].Val() == noTTL {
					found = append(found, core.DirectKey(topic, h))
				}
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

func (s *Store) judgeLayouts(others map[string][]string, topics int, hosts int64) []Finding {
	if len(others) == 0 {
		return []Finding{{"layout", Fine, "", fmt.Sprintf("topics: %d, hosts: %d, all of layout %s, which this release writes", topics, hosts, layout), ""}}
	}
	var found []Finding
	for l, topics := range others {
		found = append(found, Finding{"layout", Bad, "",
			fmt.Sprintf("topics %s have layout %s, and this release writes layout %s: it cannot register there", someOf(topics), l, layout),
			"use the release that wrote them, or another --prefix"})
	}
	return found
}

// someOf names a few.
func someOf(names []string) string {
	const few = 5
	if len(names) > few {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
	}
	return strings.Join(names, ", ")
}

func expiringKeys(all []*patient, db int) (n int64, seen bool) {
	for _, p := range all {
		n, seen = n+p.keysWithTTL(db), seen || p.info != nil
	}
	return n, seen
}

// mostWatched bounds how many topics are watched for contests.
const mostWatched = 10_000

// Contests listens to all topics for a while, and finds hosts that processes take from each other: a newer
// instance takes a place once, and a place that changes hands again and again has two who restart.
func (s *Store) Contests(ctx context.Context, d time.Duration) ([]Finding, error) {
	topics, err := s.Topics(ctx)
	if refused(err) {
		return deafTo(err), nil
	}
	if err != nil {
		return nil, err
	}
	topics = topics[:min(len(topics), mostWatched)]
	byNode := make(map[*redis.Client][]string)
	for _, t := range topics {
		node, err := s.node(ctx, t)
		if err != nil {
			return nil, s.unavailable(err)
		}
		byNode[node] = append(byNode[node], s.keys.channel(t))
	}
	w := &contest{from: make(map[string]string), taken: make(map[string]int)}
	var going sync.WaitGroup
	for node, channels := range byNode {
		going.Go(func() { w.listen(ctx, node, channels, s.config.RoundTimeout(), d) })
	}
	going.Wait()
	if refused(w.err) {
		return deafTo(w.err), nil
	}
	if w.err != nil {
		return nil, s.unavailable(w.err)
	}
	return w.judge(len(topics), d), nil
}

func deafTo(err error) []Finding {
	return []Finding{{"contests", Warning, "", "nothing can be heard of the topics: " + err.Error(), "see permissions and channels"}}
}

// contest is what was heard of each place.
type contest struct {
	mu    sync.Mutex
	from  map[string]string // stamp last heard of, by channel and host
	taken map[string]int    // how often another came
	err   error
}

// listen hears channels for d, from when Redis has confirmed all of them.
func (w *contest) listen(ctx context.Context, node *redis.Client, channels []string, confirm, d time.Duration) {
	sub := node.Subscribe(ctx, channels...)
	defer sub.Close()
	var end time.Time
	for confirmed := 0; ; {
		wait := confirm
		if confirmed == len(channels) {
			if end.IsZero() {
				end = time.Now().Add(d)
			}
			if wait = time.Until(end); wait <= 0 {
				return
			}
		}
		got, err := sub.ReceiveTimeout(ctx, wait)
		if isTimeout(err) && !end.IsZero() && ctx.Err() == nil {
			return
		}
		w.mu.Lock()
		switch got := got.(type) {
		case *redis.Subscription:
			confirmed++
		case *redis.Message:
			if m, err := parseMessage(got.Payload); err == nil {
				w.hear(got.Channel, m)
			}
		}
		if err != nil {
			w.err = err
		}
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (w *contest) hear(channel string, m *message) {
	for _, c := range m.Changes {
		if c[0] != "up" {
			continue
		}
		topic := channel[strings.Index(channel, "{")+1 : strings.LastIndex(channel, "}")]
		place := topic + "." + c[1]
		if was := w.from[place]; was != "" && was != c[2] {
			w.taken[place]++
		}
		w.from[place] = c[2]
	}
}

func (w *contest) judge(topics int, d time.Duration) []Finding {
	var contested []string
	for place, n := range w.taken {
		if n > 1 {
			contested = append(contested, fmt.Sprintf("%s (%d times)", place, n))
		}
	}
	if len(contested) == 0 {
		return []Finding{{"contests", Fine, "", fmt.Sprintf("topics: %d; no host changed hands twice within %s", topics, d), ""}}
	}
	slices.Sort(contested)
	return []Finding{{"contests", Bad, "", "processes take hosts from each other: " + someOf(contested),
		"see with `matchmaker ls TOPIC` where each registers from, and give one of them another host name"}}
}
