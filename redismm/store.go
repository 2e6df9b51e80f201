package redismm

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// Store is the [core.Backend] on Redis. Its exchanges and Members ask Redis each time and are exact at the
// TTL; Watch follows a topic. All methods may be called at once.
type Store struct {
	clients
	config    Config
	keys      keys
	sweeps    *sweeper
	strangers *strangers
	names     names
	lists     lists
	counts    counts
	// toldDenied: that Redis refuses channels was reported.
	toldDenied atomic.Bool
	// apart: Redis refuses scripts for several topics.
	apart atomic.Bool

	going sync.WaitGroup // the followers

	mu      sync.Mutex
	follows map[string]*follower
	ears    map[string]*ear // by address
	closed  bool
	wakes   func()
	tells   func(core.Event)
}

// Alert is the store's part of [core.Alerter].
func (s *Store) Alert(beat func(), tell func(core.Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakes, s.tells = beat, tell
}

// wake asks for a round of beats.
func (s *Store) wake() {
	s.mu.Lock()
	beat := s.wakes
	s.mu.Unlock()
	if beat != nil {
		beat()
	}
}

// report tells an event that is not of a registration.
func (s *Store) report(e core.Event) {
	s.mu.Lock()
	tell := s.tells
	s.mu.Unlock()
	if tell != nil {
		tell(e)
	}
}

// graceful is how long calls under way may take to end before their connections are closed.
const graceful = 100 * time.Millisecond

// Close ends what the store does in the background and closes the clients it made.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	for _, f := range s.follows {
		f.end()
	}
	ears := slices.Collect(maps.Values(s.ears))
	s.mu.Unlock()
	s.sweeps.stop()
	s.strangers.end()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for _, e := range ears {
			e.stop() // waits while its connection is made
		}
		s.sweeps.going.Wait()
		s.going.Wait() // the followers, which may begin to listen until they end
		for _, e := range ears {
			e.going.Wait()
		}
	}()
	select {
	case <-ended:
	case <-time.After(graceful):
	}
	err := s.clients.close()
	<-ended
	return err
}

// life is how long a topic is remembered that nobody tells anything. Every script that writes begins it anew but touch.lua,
// since each who touches tells the whole once a minute.
const life = 24 * time.Hour

func (s *Store) life() int64 { return max(life, 2*s.config.TTL).Milliseconds() }

// unavailable says that Redis could not answer, and which Redis.
func (s *Store) unavailable(err error) error {
	if err != nil && !errors.Is(err, core.ErrUnavailable) && !errors.Is(err, context.Canceled) {
		s.counts.errors.Add(1)
		s.lookAround()
	}
	return s.clients.unavailable(err)
}

// BackendRegister takes places over: the hook backend_register. The stamp of a claim is drawn once; a claim
// that has one keeps it.
func (s *Store) BackendRegister(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	return s.beat(ctx, ttl, claims, s.ticket(ctx, claims))
}

func stamped(c *core.Claim) bool   { return c.Instance != "" }
func unstamped(c *core.Claim) bool { return c.Instance == "" }

// ticket draws the stamps of claims that have none.
func (s *Store) ticket(ctx context.Context, claims []*core.Claim) error {
	fresh := slices.DeleteFunc(slices.Clone(claims), stamped)
	bs := batches(fresh, together)
	calls := make([]*call, len(bs))
	for i, b := range bs {
		calls[i] = &call{script: ticketScript, keys: s.topicKeys(b.topic, b.hosts()...)[2:]}
	}
	s.inPipelines(ctx, calls)
	var failed error
	for i, b := range bs {
		reply, err := calls[i].texts(1 + len(b.claims))
		if err != nil {
			failed = s.unavailable(err)
			continue
		}
		b.hear(reply[0], calls[i].at)
		for j, c := range b.claims {
			generation, _ := strconv.ParseInt(reply[j+1], 10, 64)
			c.Instance = newStamp(generation)
		}
	}
	return failed
}

// AckAlive beats: the hook ack_alive.
func (s *Store) AckAlive(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	return apart(claims,
		func(own []*core.Claim) ([]core.Outcome, error) { return s.beat(ctx, ttl, own, nil) },
		func(named []*core.Claim) ([]core.Outcome, error) { return s.ack(ctx, ttl, named) })
}

// apart makes one call for the claims that have a stamp, and one for those that stand for whoever holds the
// place.
func apart(claims []*core.Claim, own, named func([]*core.Claim) ([]core.Outcome, error)) ([]core.Outcome, error) {
	if !slices.ContainsFunc(claims, unstamped) {
		return own(claims)
	}
	var some [2][]*core.Claim
	var at [2][]int
	for i, c := range claims {
		kind := 0
		if !stamped(c) {
			kind = 1
		}
		some[kind], at[kind] = append(some[kind], c), append(at[kind], i)
	}
	out := make([]core.Outcome, len(claims))
	var failed error
	for kind, call := range []func([]*core.Claim) ([]core.Outcome, error){own, named} {
		if len(some[kind]) == 0 {
			continue
		}
		outcomes, err := call(some[kind])
		failed = errors.Join(failed, err)
		for j, o := range outcomes {
			out[at[kind][j]] = o
		}
	}
	return out, failed
}

// ack renews whoever holds the places.
func (s *Store) ack(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	calls := make([]*call, len(claims))
	for i, c := range claims {
		calls[i] = &call{script: ackScript, keys: []string{s.keys.liveness(c.Topic, c.Host)}, args: []any{ttl.Milliseconds()}}
	}
	s.inPipelines(ctx, calls)
	return s.outcomes(calls, func(reply any) core.Outcome {
		if list, ok := reply.([]any); ok && len(list) == 1 && list[0] == int64(1) {
			return core.Kept
		}
		return core.Absent
	})
}

// Remaining returns how long a host stays registered without another beat; 0 if it is not.
func (s *Store) Remaining(ctx context.Context, topic, host string) (time.Duration, error) {
	key := s.keys.liveness(topic, host)
	pipe := s.read.Pipeline()
	get, left := pipe.Get(ctx, key), pipe.PTTL(ctx, key)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return 0, s.unavailable(err)
	}
	v, err := parseValue(get.Val())
	if err != nil {
		return 0, s.unavailable(err)
	}
	if v.kind != live {
		return 0, nil
	}
	return max(left.Val(), time.Millisecond), nil // in the last of them PTTL says 0
}

// Topics returns the topics heard of, in order.
func (s *Store) Topics(ctx context.Context) ([]string, error) {
	pipe := s.read.Pipeline() // alone, a client of a cluster would ask what kind of command it is
	told := pipe.SMembers(ctx, s.keys.topics())
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, s.unavailable(err)
	}
	names := told.Val()
	slices.Sort(names)
	pipe = s.read.Pipeline()
	known := make([]*redis.IntCmd, len(names))
	for i, n := range names {
		known[i] = pipe.Exists(ctx, s.keys.version(n))
	}
	if _, err := pipe.Exec(ctx); err != nil && len(names) > 0 {
		return nil, s.unavailable(err)
	}
	heard, forgotten := names[:0], []any(nil)
	for i, n := range names {
		if known[i].Val() > 0 {
			heard = append(heard, n)
		} else {
			forgotten = append(forgotten, n)
		}
	}
	if len(forgotten) > 0 { // best effort; one that is back meanwhile is told again within a minute
		pipe = s.write.Pipeline()
		pipe.SRem(ctx, s.keys.topics(), forgotten...)
		pipe.Exec(ctx)
	}
	return heard, nil
}
