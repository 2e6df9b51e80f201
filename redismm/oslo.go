package redismm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// Oslo is the [core.Backend] on the keys of the original, the class MatchMakerRedis of oslo.messaging, so that its
// processes and ours share one Redis: for each topic a set of members, 'topic.host' each, and for each member a
// liveness key of that very name, a set of the empty string that carries the TTL.
//
// There is nothing else in those keys, and so less is promised than by [Store]:
//
//   - A registration is a name. Addr, zone, weight, labels and any state but up are [core.ErrUnsupported]; a host
//     that drains is kept alive, and stays listed as up.
//   - Instances are not told apart: of two processes that keep a host neither is superseded, and when one leaves,
//     the host is away until the next beat of the other. One that is removed by name is back with its next beat.
//   - Nobody there, and a topic never heard of, are one answer.
//   - A watch polls, once an interval, and holds who is absent for one poll, whether they left or lapsed.
//   - A host and a topic may have one key: the liveness key of t.h is the set of a topic called t.h too. Nothing
//     here deletes the other's part of it; the original does, and a lapse takes both, until their next beats.
//
// As the original does, lookups take the dead whom they meet out of their set. It is for one server, or one by
// Sentinels: the keys of a topic are in different slots of a cluster. All methods may be called at once.
type Oslo struct {
	clients
	config Config
	// clock is the server's time. Without tombstones, that no call is executed after its caller gave up is all that
	// keeps a beat from bringing back who left.
	clock     atomic.Pointer[servertime]
	confirmed atomic.Pointer[time.Time] // when the server was last asked for by its sentinels
}

var _ interface {
	core.Backend
	core.Choosy
	core.Exchanges
} = (*Oslo)(nil)

// OpenOslo returns a store over clients of its own. Close it after use. The DSN is as for [Open], but for clusters.
func OpenOslo(dsn string, c Config) (*Oslo, error) {
	to, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	client, own := to.connect()
	o, err := newOslo(client, c, own)
	if err != nil {
		client.Close()
		return nil, err
	}
	o.own(client, to)
	return o, nil
}

// NewOslo returns a store over the user's client, a *[redis.Client] as for [NewStore].
func NewOslo(client redis.UniversalClient, c Config) (*Oslo, error) { return newOslo(client, c, nil) }

func newOslo(client redis.UniversalClient, c Config, own *lines) (*Oslo, error) {
	if c.Layout != "" && c.Layout != LayoutOslo {
		return nil, core.Invalid("layout", c.Layout, `want "oslo" here, or OpenStore`)
	}
	if c.Prefix != "" {
		return nil, core.Invalid("prefix", c.Prefix, "want none: the keys of the oslo layout are the original's, which have no prefix")
	}
	if _, cluster := client.(*redis.ClusterClient); cluster {
		return nil, core.Invalid("layout", LayoutOslo,
			"want one server or Sentinels: in a cluster the keys of a topic would be in different slots")
	}
	heartbeat, err := c.HeartbeatConfig.Complete()
	if err != nil {
		return nil, err
	}
	c.HeartbeatConfig = heartbeat
	reached, _, err := newClients(client, own)
	if err != nil {
		return nil, err
	}
	o := &Oslo{clients: reached, config: c}
	o.clock.Store(new(servertime))
	return o, nil
}

// Close closes the clients that the store made.
func (o *Oslo) Close() error { return o.clients.close() }

// osloKeys are the set of a topic and the liveness keys of hosts, which are its members too: the original's
// key_host.
func osloKeys(topic string, hosts ...string) []string {
	keys := make([]string, 0, 1+len(hosts))
	keys = append(keys, topic)
	for _, h := range hosts {
		keys = append(keys, core.DirectKey(topic, h))
	}
	return keys
}

// BackendRegister writes registrations with their TTL in one step: the original's backend_register and the
// ack_alive that followed it, between which it could die and leave a host that never lapsed.
func (o *Oslo) BackendRegister(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	for _, c := range claims {
		if c.Instance == "" {
			c.Instance = newStamp(time.Now().UnixMicro()) // for the owner alone; it is written nowhere
		}
	}
	return o.beat(ctx, ttl, claims)
}

// AckAlive beats: the original's ack_alive. It writes whatever is lost, the member of the set too, which the
// original never restored. For a claim without Instance it renews, and unlike the original adopts nobody.
func (o *Oslo) AckAlive(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	return apart(claims,
		func(own []*core.Claim) ([]core.Outcome, error) { return o.beat(ctx, ttl, own) },
		func(named []*core.Claim) ([]core.Outcome, error) { return o.ack(ctx, ttl, named) })
}

// beat writes claims. What cannot be written of one makes it Unknown.
func (o *Oslo) beat(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	var kept []*core.Claim
	var at []int
	out := make([]core.Outcome, len(claims))
	var failed error
	for i, c := range claims {
		if err := o.Keepable(c.Registration); err != nil {
			failed = err
			continue
		}
		kept, at = append(kept, c), append(at, i)
	}
	o.followSentinels(ctx)
	outcomes, err := o.writes(ctx, osloBeatScript, ttl, kept)
	if err != nil {
		failed = err
	}
	for j, outcome := range outcomes {
		if c := kept[j]; c.State != core.Up && outcome != core.Unknown { // it lives, and nobody can be told the rest
			outcome = core.Unknown
			failed = unsupported(&c.Registration, fmt.Sprintf("state %s: the host is kept, and listed as up", c.State))
		}
		out[at[j]] = outcome
	}
	return out, failed
}

// followSentinels leaves an old primary that answers on, once an interval, as [Store] does beside its sweeps.
func (o *Oslo) followSentinels(ctx context.Context) {
	if last := o.confirmed.Load(); last == nil || time.Since(*last) >= o.config.Freq {
		o.confirmed.Store(new(time.Now()))
		o.confirm(ctx, o.config.Freq/4)
	}
}

// Keepable returns nil for a registration that is a name alone.
func (o *Oslo) Keepable(r core.Registration) error {
	var more []string
	add := func(field string, is bool) {
		if is {
			more = append(more, field)
		}
	}
	add("addr", r.Addr != "")
	add("labels", len(r.Labels) > 0)
	add("weight", r.Weight > 1)
	add("zone", r.Zone != "")
	if len(more) == 0 {
		return nil
	}
	return unsupported(&r, strings.Join(more, ", ")+"; register the names of topic and host alone")
}

func unsupported(r *core.Registration, what string) error {
	return fmt.Errorf("%w: the keys of the oslo layout hold names alone, and of %s not its %s",
		core.ErrUnsupported, core.DirectKey(r.Topic, r.Host), what)
}

// BackendUnregister leaves places: the original's backend_unregister. With or without Instance, whoever keeps the
// host brings it back with its next beat.
func (o *Oslo) BackendUnregister(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	outcomes, err := o.writes(ctx, osloLeaveScript, ttl, claims)
	for i, c := range claims {
		if outcomes[i] == core.Absent && stamped(c) {
			outcomes[i] = core.Left // it had lapsed
		}
	}
	return outcomes, err
}

// Expire ends a registration: the original's expire.
func (o *Oslo) Expire(ctx context.Context, topic, host string) (core.Outcome, error) {
	claim := &core.Claim{Registration: core.Registration{Topic: topic, Host: host}}
	outcomes, err := o.writes(ctx, osloLeaveScript, o.config.TTL, []*core.Claim{claim})
	return outcomes[0], err
}

var osloWords = map[string]core.Outcome{"joined": core.Joined, "kept": core.Kept, "left": core.Left, "absent": core.Absent}

// writes runs a script for claims, in time, and once more for those that are worth it.
func (o *Oslo) writes(ctx context.Context, s *script, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	out := make([]core.Outcome, len(claims))
	var failed error
	if rest, _ := o.send(ctx, s, ttl, batches(claims, together), out, &failed); len(rest) > 0 {
		if _, why := o.send(ctx, s, ttl, rest, out, &failed); why != nil {
			failed = why
		}
	}
	return out, failed
}

// send makes one call for each batch. It returns the batches that are worth another try at once, and why: those
// whose connection was broken, and those that came late, whose replies told Redis's time.
func (o *Oslo) send(ctx context.Context, s *script, ttl time.Duration, bs []*batch, out []core.Outcome, failed *error) (again []*batch, why error) {
	for some := range slices.Chunk(bs, pipelineSize) {
		notAfter := o.clock.Load().notAfter(ctx, o.patience)
		calls := make([]*call, len(some))
		for i, b := range some {
			calls[i] = &call{script: s, keys: osloKeys(b.topic, b.hosts()...), args: []any{ttl.Milliseconds(), notAfter}}
		}
		run(ctx, o.write, calls)
		for i, b := range some {
			words, err := calls[i].texts(2)
			switch {
			case broken(err) && s == osloBeatScript: // who leaves again has left already, which Redis does not remember
				again, why = append(again, b), o.unavailable(err)
				continue
			case err != nil:
				*failed = o.unavailable(err)
				continue
			case words[1] == "late":
				again, why = append(again, b), fmt.Errorf("%w: redis at %s executes too late", core.ErrUnavailable, o.addr)
			default:
				o.hear(b, words[1:], out, failed)
			}
			now := readClock(words[0], calls[i].at)
			o.clock.Store(&now)
		}
	}
	return again, why
}

// hear reads a word for each claim of a batch.
func (o *Oslo) hear(b *batch, words []string, out []core.Outcome, failed *error) {
	for j, at := range b.at {
		word := "error no answer"
		if j < len(words) {
			word = words[j]
		}
		if out[at] = osloWords[word]; out[at] == core.Unknown {
			c := b.claims[j]
			*failed = fmt.Errorf("redis at %s: key %q: %s", o.addr, core.DirectKey(c.Topic, c.Host), strings.TrimPrefix(word, "error "))
		}
	}
}

// ack renews whoever keeps the places.
func (o *Oslo) ack(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	told, err := o.ask(ctx, osloAckScript, ttl, claims)
	out := make([]core.Outcome, len(claims))
	for i, n := range told {
		switch {
		case n > 0:
			out[i] = core.Kept
		case n == 0:
			out[i] = core.Absent
		}
	}
	return out, err
}

// ask runs a script that answers a number for each claim; -1 where there is no answer.
func (o *Oslo) ask(ctx context.Context, s *script, ttl time.Duration, claims []*core.Claim) ([]int64, error) {
	bs := batches(claims, together)
	calls := make([]*call, len(bs))
	for i, b := range bs {
		calls[i] = &call{script: s, keys: osloKeys(b.topic, b.hosts()...), args: []any{ttl.Milliseconds()}}
	}
	for some := range slices.Chunk(calls, pipelineSize) {
		run(ctx, o.write, some)
	}
	told := slices.Repeat([]int64{-1}, len(claims))
	var failed error
	for i, b := range bs {
		err := calls[i].err
		list, _ := calls[i].reply.([]any)
		if err == nil && len(list) != len(b.at) {
			err = errReply
		}
		if err != nil {
			failed = o.unavailable(err)
			continue
		}
		for j, at := range b.at {
			told[at], _ = list[j].(int64)
		}
	}
	return told, failed
}
