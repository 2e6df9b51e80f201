package redismm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// newNonce returns an id for one sending of a script. It becomes the id of the change that it makes.
func newNonce() string { return rand.Text() }

// version is the state of a topic as a script returned it.
type version struct{ epoch, seq, change, n string }

// memo is what the store keeps with a claim.
type memo struct {
	told  any        // the value of the liveness key, a string; nil until it is sent
	state core.State // that it tells
	rev   uint64     // of record; 1 at first, 1 more with each change
	// acked is the topic's version when rev was last written or confirmed by a whole upsert, sent at; nil
	// when that cannot be relied on any more.
	acked   *version
	sent    time.Time
	clock   servertime // of the topic's server
	standby bool
	key     any // the liveness key, a string; nil until it is asked for
}

// noteOf is the memo of a claim, as it was left.
func noteOf(c *core.Claim) *memo {
	m, ok := c.Memo.(*memo)
	if !ok {
		m = new(memo)
		c.Memo = m
	}
	return m
}

// memoOf is the memo of a claim that is about to be told.
func memoOf(c *core.Claim) *memo {
	m := noteOf(c)
	if m.rev == 0 || m.state != c.State {
		m.told, m.state, m.acked = nil, c.State, nil
		m.rev++
	}
	return m
}

func standsBy(c *core.Claim) bool { return memoOf(c).standby }

// wholeEvery is how often at least the whole registration is told, whatever Redis says has not changed.
const wholeEvery = time.Minute

// beat upserts claims, or touches them where nothing has changed since their last upsert. Claims that stand
// by are in batches of their own, so that they do not keep their neighbours from being touched.
//
// A claim without stamp could draw none, and failed says why; it stays Unknown.
func (s *Store) beat(ctx context.Context, ttl time.Duration, claims []*core.Claim, failed error) ([]core.Outcome, error) {
	out := make([]core.Outcome, len(claims))
	work := make([]*core.Claim, 0, len(claims))
	at := make([]int, 0, len(claims))
	for i, c := range claims {
		if stamped(c) {
			work, at = append(work, c), append(at, i)
		}
	}
	bs := batches(work, standsBy)
	rest := s.touch(ctx, ttl, bs, func(b *batch) {
		for _, i := range b.at {
			out[at[i]] = core.Kept
		}
	})
	if rest, _ = s.upsert(ctx, ttl, rest, out, at, &failed); len(rest) > 0 { // once more
		if _, why := s.upsert(ctx, ttl, rest, out, at, &failed); why != nil {
			failed = why
		}
	}
	s.tend(bs)
	return out, failed
}

// tend tells the sweeper how many members of each topic are kept from here.
func (s *Store) tend(bs []*batch) {
	type tended struct {
		mine  int
		last  *version
		lease lease
	}
	topics := make(map[string]*tended)
	for _, b := range bs {
		t := topics[b.topic]
		if t == nil {
			t = new(tended)
			topics[b.topic] = t
		}
		t.lease = max(t.lease, b.lease)
		for _, c := range b.claims {
			if v := memoOf(c).acked; v != nil {
				t.mine, t.last = t.mine+1, v
			}
		}
	}
	for topic, t := range topics {
		if t.mine > 0 {
			all, _ := strconv.Atoi(t.last.n)
			s.sweeps.tend(topic, t.mine, all, t.lease)
		}
	}
}

// touchable returns the version at which every claim of b was acknowledged whole, or nil.
func (b *batch) touchable(now time.Time) *version {
	var at *version
	for _, c := range b.claims {
		m := memoOf(c)
		if m.acked == nil || m.standby || now.Sub(m.sent) >= wholeEvery || (at != nil && m.acked != at && *m.acked != *at) {
			return nil
		}
		at = m.acked
	}
	return at
}

// hear notes the time of the topic's server.
func (b *batch) hear(microseconds string, at time.Time) {
	now := readClock(microseconds, at)
	for _, c := range b.claims {
		noteOf(c).clock = now
	}
}

// livenessKeys are the keys of b's claims. Each is made once: beats name all of them, over and over.
func (s *Store) livenessKeys(b *batch) []any {
	keys := make([]any, len(b.claims))
	for i, c := range b.claims {
		m := noteOf(c)
		if m.key == nil {
			m.key = s.keys.liveness(c.Topic, c.Host)
		}
		keys[i] = m.key
	}
	return keys
}

func (b *batch) forget() {
	for _, c := range b.claims {
		memoOf(c).acked = nil
	}
}

// touch beats the batches of which nothing has changed, and returns the others.
func (s *Store) touch(ctx context.Context, ttl time.Duration, bs []*batch, kept func(*batch)) []*batch {
	var rest, quick []*batch
	now := time.Now()
	for _, b := range bs {
		if b.was = b.touchable(now); b.was != nil {
			quick = append(quick, b)
		} else {
			rest = append(rest, b)
		}
	}
	packs := s.packed(quick)
	calls, first := make([]*call, len(packs)), make([]*batch, len(packs))
	for i, pack := range packs {
		calls[i], first[i] = s.touchCall(ttl, pack), pack[0]
	}
	s.inTime(ctx, first, calls)
	for i, pack := range packs {
		if len(pack) > 1 && redis.HasErrorPrefix(calls[i].err, "CROSSSLOT") { // a cluster behind one address
			s.apart.Store(true)
		}
		told, _ := calls[i].reply.([]any) // shorter than the pack where the call failed or came late
		for j, b := range pack {
			switch {
			case j < len(told) && told[j] == int64(1):
				b.lease = leaseTaken
				kept(b)
			case j < len(told) && told[j] == int64(2):
				b.lease = leaseFree
				kept(b)
			default:
				b.forget()
				rest = append(rest, b)
			}
		}
	}
	return rest
}

// packed puts batches together for one script, which then keeps Redis no longer than for a full one. In a cluster, where
// each topic has a slot of its own, each is alone, and so once a server has refused several.
func (s *Store) packed(bs []*batch) [][]*batch {
	_, apart := s.write.(*redis.ClusterClient)
	apart = apart || s.apart.Load()
	var packs [][]*batch
	size := 0 // of the last
	for _, b := range bs {
		keys := 3 + len(b.claims)
		if len(packs) == 0 || apart || size+keys > batchSize {
			packs, size = append(packs, nil), 0
		}
		last := len(packs) - 1
		packs[last] = append(packs[last], b)
		size += keys
	}
	return packs
}

func (s *Store) touchCall(ttl time.Duration, pack []*batch) *call {
	c := &call{script: touchScript, keys: s.topicKeys(pack[0].topic)}
	c.args = append(make([]any, 0, 3+3*len(pack)), ttl.Milliseconds(), len(pack), 0)
	for i, b := range pack {
		if i > 0 {
			c.more = append(c.more, s.keys.set(b.topic), s.keys.version(b.topic))
		}
		c.more = append(append(c.more, s.keys.sweeper(b.topic)), s.livenessKeys(b)...)
		c.args = append(c.args, b.was.change, b.was.n, len(b.claims))
	}
	return c
}

// late is what an upsert says that came after its time.
const late = "late"

// broken says whether a call failed because its connection had been closed before, or was meanwhile. A pool may
// have several such.
func broken(err error) bool {
	return slices.ContainsFunc([]error{net.ErrClosed, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, syscall.ECONNRESET, syscall.EPIPE},
		func(target error) bool { return errors.Is(err, target) })
}

// upsert tells whole batches and fills in their outcomes. It returns the batches that are worth another try at
// once, and why: those whose connection was broken, and those that came late, whose replies told Redis's time.
func (s *Store) upsert(ctx context.Context, ttl time.Duration, bs []*batch, out []core.Outcome, at []int, failed *error) (again []*batch, why error) {
	if len(bs) == 0 {
		return nil, nil
	}
	sent := time.Now()
	calls := make([]*call, len(bs))
	for i, b := range bs {
		calls[i] = s.upsertCall(b, ttl, 0)
	}
	s.inTime(ctx, bs, calls)
	var names []any
	for i, b := range bs {
		words, err := calls[i].texts(2)
		if err == nil && words[1] != late {
			words, err = calls[i].texts(5 + len(b.claims))
		}
		if err != nil {
			b.forget()
			if broken(err) {
				again, why = append(again, b), s.unavailable(err)
			} else {
				*failed = s.unavailable(err)
			}
			continue
		}
		b.hear(words[0], calls[i].at)
		if words[1] == late {
			b.forget()
			again, why = append(again, b), fmt.Errorf("%w: redis at %s executes too late", core.ErrUnavailable, s.addr)
			continue
		}
		v := &version{words[1], words[2], words[3], words[4]}
		if all, _ := strconv.Atoi(v.n); s.names.due(b.topic, v.seq, float64(len(b.claims))/float64(max(all, 1))) {
			names = append(names, b.topic)
		}
		for j, c := range b.claims {
			o, err := s.acknowledge(c, words[5+j], v, sent)
			out[at[b.at[j]]] = o
			if err != nil {
				*failed = err
			}
		}
	}
	if len(names) > 0 { // for listings; best effort
		pipe := s.write.Pipeline()
		pipe.SAdd(ctx, s.keys.topics(), names...)
		pipe.PExpire(ctx, s.keys.topics(), life)
		pipe.Exec(ctx)
	}
	return again, why
}

func (s *Store) upsertCall(b *batch, ttl time.Duration, notAfter int64) *call {
	args := make([]any, 0, 5+len(b.claims))
	args = append(args, ttl.Milliseconds(), s.life(), notAfter, newNonce(), s.keys.channel(b.topic))
	for _, c := range b.claims {
		m := memoOf(c)
		if m.told == nil {
			m.told = encodeValue(c.Instance, m.rev, &c.Registration, m.state)
		}
		args = append(args, m.told)
	}
	return &call{script: upsertScript, keys: s.topicKeys(b.topic), more: s.livenessKeys(b), args: args}
}

// acknowledge notes what an upsert answered for one claim.
func (s *Store) acknowledge(c *core.Claim, word string, v *version, sent time.Time) (core.Outcome, error) {
	m := memoOf(c)
	word, text, _ := strings.Cut(word, " ")
	m.acked, m.sent, m.standby = v, sent, false
	switch word {
	case "ok":
		return core.Kept, nil
	case "joined":
		return core.Joined, nil
	case "replaced":
		return core.Replaced, nil
	case "updated":
		return core.Changed, nil
	}
	m.acked = nil
	switch word {
	case "left":
		return core.Left, nil
	case "superseded":
		m.standby = true
		c.Holder = nil
		if v, err := parseValue(text); err == nil && v.kind == live {
			holder := v.member(c.Topic, c.Host)
			c.Holder = &holder
		}
		return core.Superseded, nil
	}
	return core.Unknown, s.refused(c, text)
}
