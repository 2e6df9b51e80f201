package redismm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// snapshot is a topic as Redis showed it at one moment.
type snapshot struct {
	time    int64 // Redis's, in microseconds
	version version
	doubted int64             // until when its epoch is
	hosts   []string          // of the set
	values  map[string]value  // liveness, by host: of the set and of the others asked for
	drains  map[string]string // until and reason, by host
}

// whole says whether the version is there and counts as many hosts as the set has. Otherwise Redis has lost
// something.
func (s *snapshot) whole() bool {
	return s.version.epoch != "" && s.version.n == strconv.Itoa(len(s.hosts))
}

// unknown says whether the topic was never heard of.
func (s *snapshot) unknown() bool { return s.version == version{} && len(s.hosts) == 0 }

// unsure says whether others may live than the members: a part of the index is gone, or it was, and who was in it may
// not be back.
func (s *snapshot) unsure(members int) bool {
	return !s.whole() && !s.unknown() || members == 0 && s.time < s.doubted
}

// answer is a snapshot whose values are still as Redis gave them.
type answer struct {
	snapshot
	asked []string // hosts
	texts []any    // liveness of each; nil where there is none
	mgets [][]any  // the commands that asked for it
}

// snapshot is ask, with the values taken in.
func (s *Store) snapshot(ctx context.Context, c redis.Cmdable, topic string, others []string) (*snapshot, error) {
	r, err := s.ask(ctx, c, topic, others)
	if err != nil {
		return nil, err
	}
	return r.taken(), nil
}

// ask reads a topic, and the liveness of others beside its hosts: in two trips if nothing changed
// between them, three times at most, else in one script.
func (s *Store) ask(ctx context.Context, c redis.Cmdable, topic string, others []string) (*answer, error) {
	for range 3 {
		r, same, err := s.readInTwo(ctx, c, topic, others)
		if err != nil {
			return nil, s.unavailable(err)
		}
		if same {
			return r, nil
		}
	}
	r, err := s.readInOne(ctx, c, topic, others)
	return r, s.unavailable(err)
}

func (s *Store) readInTwo(ctx context.Context, c redis.Cmdable, topic string, others []string) (*answer, bool, error) {
	pipe := c.Pipeline()
	before, hosts := s.queueVersion(ctx, pipe, topic), pipe.SMembers(ctx, s.keys.set(topic))
	drains, now := pipe.HGetAll(ctx, s.keys.drains(topic)), s.queueTime(ctx, pipe, topic)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, false, err
	}
	snap := &answer{snapshot: snapshot{time: microseconds(now), version: readVersion(before), doubted: doubtOf(before.Val()),
		hosts: hosts.Val(), drains: drains.Val()}}
	asked := union(snap.hosts, others)
	if len(asked) == 0 { // whom a version still counts may have left meanwhile
		return snap, snap.whole() || snap.unknown(), nil
	}
	snap.asked, snap.mgets = asked, s.mgets(topic, asked)
	pipe = c.Pipeline()
	found := queueValues(ctx, pipe, snap.mgets)
	after := s.queueVersion(ctx, pipe, topic)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, false, err
	}
	if snap.texts = found(); len(snap.texts) != len(asked) {
		return nil, false, errReply
	}
	// A version that is absent twice has not said that nothing changed.
	return snap, snap.version == readVersion(after) && (snap.version.epoch != "" || len(snap.hosts) == 0), nil
}

// readAgain reads a topic in one trip, if it is at the very version at which last was read: then its hosts are the same, and
// it is known beforehand whose liveness to ask for. It returns nil where it is not.
func (s *Store) readAgain(ctx context.Context, topic string, last *list) (*answer, error) {
	pipe := s.read.Pipeline()
	before, size := s.queueVersion(ctx, pipe, topic), pipe.SCard(ctx, s.keys.set(topic))
	drains, now := pipe.HGetAll(ctx, s.keys.drains(topic)), s.queueTime(ctx, pipe, topic)
	found, after := queueValues(ctx, pipe, last.mgets), s.queueVersion(ctx, pipe, topic)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	snap := &answer{snapshot: snapshot{time: microseconds(now), version: readVersion(before), doubted: doubtOf(before.Val()),
		hosts: last.hosts, drains: drains.Val()}, asked: last.hosts, texts: found(), mgets: last.mgets}
	if snap.version != last.version || readVersion(after) != last.version || size.Val() != int64(len(last.hosts)) || len(snap.texts) != len(last.hosts) {
		return nil, nil
	}
	return snap, nil
}

// mgets are the commands that ask for the liveness of hosts, each for as many as Redis looks up without keeping others
// waiting.
func (s *Store) mgets(topic string, hosts []string) [][]any {
	var all [][]any
	for some := range slices.Chunk(hosts, 1000) {
		words := make([]any, 1, 1+len(some))
		words[0] = "mget"
		for _, key := range s.topicKeys(topic, some...)[2:] {
			words = append(words, key)
		}
		all = append(all, words)
	}
	return all
}

// queueValues adds them to a pipeline, and returns what reads their replies.
func queueValues(ctx context.Context, pipe redis.Pipeliner, mgets [][]any) func() []any {
	found := make([]*redis.SliceCmd, len(mgets))
	for i, words := range mgets {
		found[i] = redis.NewSliceCmd(ctx, words...)
		pipe.Process(ctx, once{found[i]})
	}
	return func() []any {
		if len(found) == 1 {
			return found[0].Val()
		}
		var texts []any
		for _, f := range found {
			texts = append(texts, f.Val()...)
		}
		return texts
	}
}

func (s *Store) queueVersion(ctx context.Context, pipe redis.Pipeliner, topic string) *redis.SliceCmd {
	return pipe.HMGet(ctx, s.keys.version(topic), "e", "s", "c", "n", "d")
}

func readVersion(cmd *redis.SliceCmd) version { return versionOf(cmd.Val()) }

func versionOf(fields []any) version {
	return version{field(fields, 0), field(fields, 1), field(fields, 2), field(fields, 3)}
}

func doubtOf(fields []any) int64 {
	until, _ := strconv.ParseInt(field(fields, 4), 10, 64)
	return until
}

func field(fields []any, i int) string {
	if i >= len(fields) {
		return ""
	}
	s, _ := fields[i].(string)
	return s
}

// glance is as much of a topic as a watcher asks for while nothing changes.
type glance struct {
	version version
	size    string // of the set
	lease   lease
}

func (s *Store) glance(ctx context.Context, topic string) (*glance, error) {
	c := &call{script: glanceScript, keys: append(s.topicKeys(topic), s.keys.sweeper(topic))}
	run(ctx, s.read, []*call{c})
	told, err := c.texts(6)
	if err != nil {
		return nil, err
	}
	l := leaseTaken
	switch told[5] {
	case "":
		l = leaseFree
	case s.sweeps.id:
		l = leaseMine
	}
	return &glance{version{told[0], told[1], told[2], told[3]}, told[4], l}, nil
}

// same says whether the topic is whole, and at a version.
func (g *glance) same(v version) bool {
	return g.version == v && (v.n == g.size || v.epoch == "" && g.size == "0")
}

func union(hosts, others []string) []string {
	if len(others) == 0 {
		return hosts
	}
	all := slices.Concat(hosts, others)
	slices.Sort(all)
	return slices.Compact(all)
}

// taken is the snapshot with the liveness of hosts filled in. What is not ours counts as absent.
func (r *answer) taken() *snapshot {
	if len(r.asked) > 0 {
		r.values = make(map[string]value, len(r.asked))
	}
	for i, h := range r.asked {
		text, _ := r.texts[i].(string)
		if v, err := parseValue(text); err == nil && v.kind != absent {
			r.values[h] = v
		}
	}
	return &r.snapshot
}

func (s *Store) readInOne(ctx context.Context, c redis.Cmdable, topic string, others []string) (*answer, error) {
	args := make([]any, len(others))
	for i, h := range others {
		args[i] = h
	}
	keys := []string{s.keys.set(topic), s.keys.version(topic), s.keys.drains(topic)}
	reply, err := one(ctx, c, snapshotScript, keys, args...)
	if err != nil {
		return nil, err
	}
	parts, ok := reply.([]any)
	if !ok || len(parts) != 6 {
		return nil, errReply
	}
	fields, _ := parts[1].([]any)
	drains, err1 := texts(parts[2])
	hosts, err2 := texts(parts[3])
	beside, err3 := texts(parts[4])
	found, ok := parts[5].([]any)
	if err1 != nil || err2 != nil || err3 != nil || !ok || len(found) != len(hosts)+len(beside) {
		return nil, errReply
	}
	snap := &answer{snapshot: snapshot{version: versionOf(fields), doubted: doubtOf(fields), hosts: hosts, drains: make(map[string]string)}}
	now, _ := parts[0].(string)
	snap.time, _ = strconv.ParseInt(now, 10, 64)
	for i := 0; i+1 < len(drains); i += 2 {
		snap.drains[drains[i]] = drains[i+1]
	}
	snap.asked, snap.texts = slices.Concat(hosts, beside), found
	return snap, nil
}

// drained returns how long the overlay drains a host from the moment of the snapshot, and why; 0 if it does
// not.
func (s *snapshot) drained(host string) time.Duration { return drainLeft(s.drains[host], s.time) }

func drainLeft(drain string, now int64) time.Duration {
	if drain == "" {
		return 0
	}
	until, _, _ := strings.Cut(drain, " ")
	at, err := strconv.ParseInt(until, 10, 64)
	if err != nil {
		return 0
	}
	return max(0, time.Duration(at-now)*time.Microsecond)
}

func (v version) core() core.Version {
	seq, _ := strconv.ParseUint(v.seq, 10, 64)
	return core.Version{Epoch: v.epoch, Change: v.change, Seq: seq}
}

// reread is ask, in one trip while the topic stays as it was.
func (s *Store) reread(ctx context.Context, topic string) (*answer, error) {
	if last := s.lists.last(topic); last != nil && last.calm {
		r, err := s.readAgain(ctx, topic, last)
		if _, refused := err.(redis.Error); err != nil && !refused && !broken(err) {
			return nil, s.unavailable(err)
		}
		if r != nil {
			return r, nil
		}
	}
	return s.ask(ctx, s.read, topic, nil)
}

// Members returns who lives now, in two round trips, or in one while nobody joins or leaves. A topic whose index
// contradicts its version has lost members that are alive: [core.ErrUnavailable], until their next beat; as long as
// they may not be back, it is so where nobody lives.
func (s *Store) Members(ctx context.Context, topic string) (*core.View, error) {
	if core.CheckTopic(topic) != nil { // nobody can be there
		return &core.View{Topic: topic, AsOf: time.Now()}, nil
	}
	snap, err := s.reread(ctx, topic)
	if err != nil {
		return nil, err
	}
	members := s.lists.members(topic, snap)
	if snap.unsure(len(members)) {
		return nil, s.contradiction(topic)
	}
	return &core.View{Topic: topic, Members: members, Version: snap.version.core(), AsOf: time.Now()}, nil
}

func (s *Store) contradiction(topic string) error {
	return fmt.Errorf("%w: redis at %s has lost a part of topic %q; it is back with the next heartbeats", core.ErrUnavailable, s.addr, topic)
}

// FanoutExchange answers every live host of the key's topic: the original's RedisFanoutExchange.
func (s *Store) FanoutExchange(ctx context.Context, key string) ([]core.Route, error) {
	topic, ok := core.FanoutTopic(key)
	if !ok {
		return nil, core.Invalid("key", key, "a fanout exchange wants fanout~topic")
	}
	return routesOf(s.Members(ctx, topic))
}

// routesOf returns a route for each member of a view, or why there is none.
func routesOf(view *core.View, err error) ([]core.Route, error) {
	if err != nil {
		return nil, err
	}
	routes := make([]core.Route, len(view.Members))
	for i, m := range view.Members {
		routes[i] = route(m)
	}
	return routes, view.Err()
}

func route(m *core.Member) core.Route {
	return core.Route{Key: core.DirectKey(m.Topic, m.Host), Host: m.Host, Member: m}
}

// DirectExchange answers the host that the key names, with its Member where it lives. It never checks
// liveness, so a Redis that cannot be asked does not fail it.
func (s *Store) DirectExchange(ctx context.Context, key string) ([]core.Route, error) {
	topic, host, ok := core.SplitDirect(key)
	if ok && core.CheckTopic(topic) == nil && core.CheckHost(host) == nil {
		pipe := s.read.Pipeline()
		text, drain := pipe.Get(ctx, s.keys.liveness(topic, host)), pipe.HGet(ctx, s.keys.drains(topic), host)
		now := s.queueTime(ctx, pipe, topic)
		pipe.Exec(ctx)
		if v, err := parseValue(text.Val()); err == nil && v.kind == live {
			m := v.member(topic, host)
			if m.State == core.Up && drainLeft(drain.Val(), microseconds(now)) > 0 {
				m.State = core.Draining
			}
			return []core.Route{route(&m)}, nil
		}
	}
	return core.DirectExchange(ctx, key)
}

// TopicExchange answers one live host at random, in one round trip: the original's RedisTopicExchange.
// Where few of the members are up, or Redis refuses the script, it reads the whole topic.
func (s *Store) TopicExchange(ctx context.Context, key string) ([]core.Route, error) {
	if core.CheckTopic(key) != nil { // nobody can be there
		return nil, fmt.Errorf("%w: %q", core.ErrUnknownTopic, key)
	}
	reply, err := one(ctx, s.read, pickScript, []string{s.keys.set(key), s.keys.drains(key)})
	if _, refused := err.(redis.Error); err != nil && !refused {
		return nil, s.unavailable(err)
	}
	if drawn, err := texts(reply); err == nil && len(drawn) == 2 {
		if v, err := parseValue(drawn[1]); err == nil {
			if m := v.member(key, drawn[0]); m.State == core.Up {
				return []core.Route{route(&m)}, nil
			}
		}
	}
	view, err := s.Members(ctx, key)
	if err != nil {
		return nil, err
	}
	if err := view.Err(); err != nil {
		return nil, err
	}
	among := core.Pickable(view.Members)
	return []core.Route{route(among[rand.IntN(len(among))])}, nil
}
