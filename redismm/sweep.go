package redismm

import (
	"context"
	"crypto/rand"
	"maps"
	mathrand "math/rand/v2"
	"slices"
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
}

func newSweeper(s *Store) *sweeper {
	ctx, end := context.WithCancel(context.Background())
	return &sweeper{store: s, id: rand.Text(), ctx: ctx, end: end, topics: make(map[string]tended)}
}

// contenders is how many attempts at the lease of a topic all its registrants make in a period, however
// many they are.
const contenders = 3

// tend notes that this process beats mine of the topic's n members. A topic in which it beats all needs no
// sweep; one that it watches has mine 0.
func (w *sweeper) tend(topic string, mine, n int) {
	t := tended{mine: mine, others: mine < n || mine == 0, share: 1, last: time.Now()}
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
	}
	w.topics[topic] = t
	if !w.runs {
		w.runs = true
		w.going.Go(w.run)
	}
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
	slices.Sort(due)
	return due
}

func (w *sweeper) share(topic string) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.topics[topic].share
}

func (w *sweeper) run() {
	freq := w.store.config.Freq
	memories := make(map[string]*memory)
	var conn *redis.Conn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for {
		timer := time.NewTimer(freq - mathrand.N(freq/10))
		select {
		case <-timer.C:
		case <-w.ctx.Done():
			timer.Stop()
			return
		}
		if conn == nil {
			conn = w.store.write.Conn()
		}
		ctx, cancel := context.WithTimeout(w.ctx, freq)
		if err := w.round(ctx, conn, memories); err != nil {
			conn.Close() // what was seen on it does not count any more
			conn = nil
			clear(memories)
		}
		cancel()
	}
}

// round sweeps every topic whose lease this process has, or gets.
func (w *sweeper) round(ctx context.Context, conn *redis.Conn, memories map[string]*memory) error {
	due := w.due()
	for topic := range memories {
		if !slices.Contains(due, topic) {
			delete(memories, topic)
		}
	}
	for _, topic := range due {
		mine, err := w.lease(ctx, conn, topic, memories[topic] != nil)
		if err != nil {
			return err
		}
		if !mine {
			delete(memories, topic)
			continue
		}
		if memories[topic] == nil {
			memories[topic] = &memory{seen: make(map[string]string), absent: make(map[string]int64)}
		}
		if err := w.sweep(ctx, conn, topic, memories[topic]); err != nil {
			return err
		}
	}
	return nil
}

// lease says whether this process sweeps the topic in this period.
func (w *sweeper) lease(ctx context.Context, conn *redis.Conn, topic string, had bool) (bool, error) {
	if !had && mathrand.Float64() >= w.share(topic) {
		return false, nil
	}
	key, ttl := w.store.keys.sweeper(topic), 5*w.store.config.Freq/2
	holder, err := conn.Get(ctx, key).Result()
	switch {
	case err == redis.Nil:
		return conn.SetNX(ctx, key, w.id, ttl).Result()
	case err == nil && holder == w.id:
		return true, conn.PExpire(ctx, key, ttl).Err()
	}
	return false, err
}

// memory is what a sweeper remembers of a topic. Times are Redis's, in microseconds.
type memory struct {
	last   int64
	seen   map[string]string // stamp last seen alive, by host
	absent map[string]int64  // since when, by host
}

// note takes a snapshot in and returns who is absent for the first time, and who was at every sweep for a
// TTL. A gap between sweeps begins every absence anew.
func (m *memory) note(s *snapshot, freq, ttl time.Duration) (suspects, gone []string) {
	gap := s.time-m.last > (3 * freq / 2).Microseconds()
	m.last = s.time
	listed := make(map[string]bool, len(s.hosts))
	for _, h := range s.hosts {
		listed[h] = true
		if v := s.values[h]; v.kind == live {
			m.seen[h] = v.stamp
			delete(m.absent, h)
			continue
		}
		since, known := m.absent[h]
		switch {
		case !known:
			suspects = append(suspects, h)
			m.absent[h] = s.time
		case gap:
			m.absent[h] = s.time
		case s.time-since >= ttl.Microseconds():
			gone = append(gone, h)
		}
	}
	unlisted := func(h string) bool { return !listed[h] }
	maps.DeleteFunc(m.seen, func(h, _ string) bool { return unlisted(h) })
	maps.DeleteFunc(m.absent, func(h string, _ int64) bool { return unlisted(h) })
	return suspects, gone
}

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
	if len(suspects) == 0 && !snap.whole() {
		calls = append(calls, s.suspectCall(topic, nil)) // a new epoch
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
	args := []any{s.life(), newNonce(), s.keys.channel(topic)}
	for _, h := range hosts {
		args = append(args, h)
	}
	return &call{script: suspectScript, keys: s.topicKeys(topic, hosts...), args: args}
}

func (s *Store) pruneCall(topic string, hosts []string, stamps map[string]string, notAfter int64) *call {
	args := []any{notAfter, s.life(), newNonce(), s.keys.channel(topic)}
	for _, h := range hosts {
		args = append(args, h, stamps[h])
	}
	return &call{script: pruneScript, keys: s.topicKeys(topic, hosts...), args: args}
}
