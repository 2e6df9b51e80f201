package redismm

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// sweeper finds members that do not beat any more, in the topics that this process registers in or watches.
// One process sweeps a topic at a time; a lease says which. The lease promises nothing: two that sweep do no
// harm, since what a sweep writes is checked where it is written.
//
// The first time a member is absent it is announced as a suspect and nothing is removed. It is unlisted when
// it was absent at every sweep for a TTL of Redis's time, without a gap, on one connection: a Redis that
// stood still, or lost keys, gives every healthy host a TTL to come back.
type sweeper struct {
	store *Store
	id    string
	ctx   context.Context
	end   context.CancelFunc
	going sync.WaitGroup

	now chan struct{} // holds a token when a topic is watched that nobody sweeps

	mu     sync.Mutex
	topics map[string]tended
	runs   bool
}

// tended is a topic that this process takes an interest in.
type tended struct {
	mine   int // registrations of this process
	others bool
	share  float64 // of attempts at the lease that this process makes
	last   time.Time
	lease  lease // as the last beat or poll saw it
	leased time.Time
}

// lease says whether somebody sweeps a topic.
type lease uint8

const (
	leaseUnknown lease = iota // it was not asked
	leaseFree
	leaseTaken
	leaseMine
)

func newSweeper(s *Store) *sweeper {
	ctx, end := context.WithCancel(context.Background())
	return &sweeper{store: s, id: rand.Text(), ctx: ctx, end: end, topics: make(map[string]tended), now: make(chan struct{}, 1)}
}

// contenders is how many attempts at the lease of a topic all its registrants make in a period, however
// many they are.
const contenders = 3

// impatience is by how much more a registrant tries for a lease that it has seen free for a period: n counts
// those who died too.
const impatience = 8

// tend notes that this process beats mine of the topic's n members, and how it
// saw the lease. A topic in which it beats all needs no sweep; one that it watches has mine 0.
func (w *sweeper) tend(topic string, mine, n int, l lease) {
	t := tended{mine: mine, others: mine < n || mine == 0, share: 1, last: time.Now(), lease: l}
	if mine > 0 && n > 0 {
		t.share = min(1, contenders*float64(mine)/float64(n))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil {
		return
	}
	if old, ok := w.topics[topic]; ok && mine == 0 && old.mine > 0 && t.last.Sub(old.last) < 2*w.store.config.Freq {
		return // it registers there as well
	} else if ok && mine > 0 && l == leaseFree && old.lease == leaseFree && old.mine > 0 {
		t.share = max(t.share, min(1, old.share))
	}
	t.leased = w.topics[topic].leased
	w.topics[topic] = t
	if !w.runs {
		w.runs = true
		w.going.Go(w.run)
	}
	if mine == 0 && l == leaseFree { // registrants are too many to try at once
		select {
		case w.now <- struct{}{}:
		default:
		}
	}
}

// keeps says whether registrations of this process are beaten under a topic.
func (w *sweeper) keeps(topic string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.topics[topic].mine > 0
}

// stop ends the sweeps; going tells when they have ended.
func (w *sweeper) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end()
}

// due returns the topics to sweep in this period, and forgets those that nobody tends any more.
func (w *sweeper) due() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.topics, func(_ string, t tended) bool { return time.Since(t.last) > 3*w.store.config.Freq })
	var due []string
	for name, t := range w.topics {
		if t.others {
			due = append(due, name)
		}
	}
	return due
}

// tries says whether this process tries for the lease of a topic in this period.
func (w *sweeper) tries(topic string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.topics[topic]
	if time.Since(t.leased) < w.leaseTTL() { // and what it saw was its own
		return true
	}
	if t.lease == leaseTaken {
		return false
	}
	tries := mathrand.Float64() < t.share
	t.share *= impatience
	w.topics[topic] = t
	return tries
}

func (w *sweeper) run() {
	freq := w.store.config.Freq
	all := make(map[*redis.Client]*sweeping)
	defer func() {
		w.giveUp(all)
		for _, s := range all {
			s.conn.Close()
		}
	}()
	var took time.Duration
	for {
		if !w.rest(restOf(freq, took)) {
			return
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(w.ctx, freq)
		w.store.confirm(ctx, freq/4)
		w.rounds(ctx, all)
		cancel()
		took = time.Since(began)
	}
}

// rest waits for d, or for half an interval where a topic is watched that nobody sweeps, and says whether the
// sweeper is still on.
func (w *sweeper) rest(d time.Duration) bool {
	timer, least := time.NewTimer(d), time.NewTimer(w.store.config.Freq/2)
	defer timer.Stop()
	defer least.Stop()
	var now chan struct{}
	for {
		select {
		case <-least.C:
			now = w.now
		case <-now:
			return w.ctx.Err() == nil
		case <-timer.C:
			return w.ctx.Err() == nil
		case <-w.ctx.Done():
			return false
		}
	}
}

// giveUp lets others sweep at once what this process swept, as far as can be said in a moment.
func (w *sweeper) giveUp(all map[*redis.Client]*sweeping) {
	ctx, cancel := context.WithTimeout(context.Background(), graceful/2)
	defer cancel()
	for _, s := range all {
		pipe := s.conn.Pipeline()
		for topic := range s.memories {
			pipe.Eval(ctx, giveUpLua, []string{w.store.keys.sweeper(topic)}, w.id)
		}
		if pipe.Len() > 0 {
			pipe.Exec(ctx)
		}
	}
}

// sweeping is one connection to a server that keeps topics which this process sweeps, and what was seen on it of
// each.
type sweeping struct {
	conn     *redis.Conn
	memories map[string]*memory
}

// rounds sweeps the topics of every server, of each by itself.
func (w *sweeper) rounds(ctx context.Context, all map[*redis.Client]*sweeping) {
	due := make(map[*redis.Client][]string)
	for _, topic := range w.due() {
		if node, err := w.store.node(ctx, topic); err == nil {
			due[node] = append(due[node], topic)
		}
	}
	for node := range due {
		if all[node] == nil {
			all[node] = &sweeping{node.Conn(), make(map[string]*memory)}
		}
	}
	var going sync.WaitGroup
	var mu sync.Mutex
	for node, s := range maps.Clone(all) {
		going.Go(func() {
			if len(due[node]) > 0 && w.round(ctx, s.conn, due[node], s.memories) == nil {
				return
			}
			s.conn.Close() // what was seen on it does not count any more
			mu.Lock()
			defer mu.Unlock()
			delete(all, node)
		})
	}
	going.Wait()
}

// round sweeps every topic of those due whose lease this process has, or gets.
func (w *sweeper) round(ctx context.Context, conn *redis.Conn, due []string, memories map[string]*memory) error {
	slices.Sort(due)
	maps.DeleteFunc(memories, func(topic string, _ *memory) bool {
		_, is := slices.BinarySearch(due, topic)
		return !is
	})
	from := mathrand.IntN(len(due)) // another each time, since a round may not come to the last
	due = slices.Concat(due[from:], due[:from])
	for _, topic := range due {
		if end, ok := ctx.Deadline(); ok && time.Until(end) < w.store.config.Freq/4 { // the others are for the next round
			return nil
		}
		mine, err := w.lease(ctx, conn, topic, memories[topic] != nil)
		if err == nil && mine {
			if memories[topic] == nil {
				memories[topic] = newMemory()
			}
			err = w.sweep(ctx, conn, topic, memories[topic])
		}
		if ofTopic(err) {
			mine, err = false, nil
		}
		if err != nil {
			return err
		}
		if !mine {
			delete(memories, topic)
		}
	}
	return nil
}

// ofTopic says whether an error means that one topic cannot be swept, and nothing of the connection.
func ofTopic(err error) bool {
	var refused redis.Error
	return errors.As(err, &refused) && slices.ContainsFunc([]string{"WRONGTYPE", "MMLAYOUT", "NOPERM", "MOVED ", "ASK ", "TRYAGAIN"},
		func(word string) bool { return strings.Contains(err.Error(), word) })
}

// lease says whether this process sweeps the topic in this period.
func (w *sweeper) lease(ctx context.Context, conn *redis.Conn, topic string, had bool) (bool, error) {
	if !had && !w.tries(topic) {
		return false, nil
	}
	held, err := one(ctx, conn, leaseScript, []string{w.store.keys.sweeper(topic)}, w.id, w.leaseTTL().Milliseconds())
	mine := err == nil && held == int64(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if t, tended := w.topics[topic]; tended {
		t.leased = time.Time{}
		if mine {
			t.leased = time.Now()
		}
		w.topics[topic] = t
	}
	return mine, err
}

// leaseTTL leaves a round that takes long the lease, and others no longer without than they must be.
func (w *sweeper) leaseTTL() time.Duration { return 2 * w.store.config.Freq }

// sweep looks at a topic once.
func (w *sweeper) sweep(ctx context.Context, conn *redis.Conn, topic string, m *memory) error {
	s := w.store
	snap, err := s.snapshot(ctx, conn, topic, nil)
	if err != nil {
		return err
	}
	if snap.unknown() {
		return nil
	}
	suspects, gone := m.note(snap, s.config.Freq, s.config.TTL)
	var calls []*call
	if len(suspects) == 0 && !snap.whole() && (len(snap.hosts) > 0 || snap.time-m.lost >= s.config.TTL.Microseconds()) {
		// A new epoch. Who lives opens it by beating: an empty set says that nobody is there only after a TTL.
		calls = append(calls, s.suspectCall(topic, nil))
	}
	for some := range slices.Chunk(suspects, batchSize) {
		calls = append(calls, s.suspectCall(topic, some))
	}
	notAfter := snap.time + (s.config.Freq / 2).Microseconds()
	for some := range slices.Chunk(gone, batchSize) {
		calls = append(calls, s.pruneCall(topic, some, m.seen, notAfter))
	}
	if len(calls) == 0 {
		return nil
	}
	run(ctx, conn, calls)
	for _, c := range calls {
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

func (s *Store) suspectCall(topic string, hosts []string) *call {
	args := []any{s.config.TTL.Milliseconds(), s.life(), newNonce(), s.keys.channel(topic)}
	for _, h := range hosts {
		args = append(args, h)
	}
	return &call{script: suspectScript, keys: s.topicKeys(topic, hosts...), args: args}
}

func (s *Store) pruneCall(topic string, hosts []string, stamps map[string]string, notAfter int64) *call {
	args := []any{notAfter, s.config.TTL.Milliseconds(), s.life(), newNonce(), s.keys.channel(topic)}
	for _, h := range hosts {
		args = append(args, h, stamps[h])
	}
	return &call{script: pruneScript, keys: s.topicKeys(topic, hosts...), args: args}
}
