package core

import (
	"context"
	"errors"
	"slices"
	"time"
)

// MatchMaker chooses the exchange for a key: the original's class MatchMakerBase, and by itself a
// matchmaker without heartbeat, on which the heartbeat verbs are accepted and do nothing.
//
// Bind before the first Resolve; from then on any number of calls may run at once. The zero value has no
// bindings.
type MatchMaker struct{ bound []bound }

type bound struct {
	accepts  Binding
	exchange Exchange
	last     bool
}

// Bind adds a binding that ends the lookup of the keys it accepts, even when its exchange has no match: the
// original's add_binding.
func (m *MatchMaker) Bind(b Binding, x Exchange) *MatchMaker {
	m.bound = append(m.bound, bound{b, x, true})
	return m
}

// BindThrough adds a binding that later ones may add to: the original's add_binding with last=False.
func (m *MatchMaker) BindThrough(b Binding, x Exchange) *MatchMaker {
	m.bound = append(m.bound, bound{b, x, false})
	return m
}

// Resolve looks a key up: the original's MatchMakerBase.queues. It is an [Exchange], so matchmakers compose.
// An exchange's [ErrNoMatch] adds nothing; any other error ends the lookup. A non-nil error is a
// [*LookupError].
func (m *MatchMaker) Resolve(ctx context.Context, key string) ([]Route, error) {
	var found []Route
	var none error = ErrNoBinding
	for i := range m.bound {
		b := &m.bound[i]
		if !b.accepts(key) {
			continue
		}
		routes, err := b.exchange(ctx, key)
		switch {
		case err == nil && found == nil:
			found = routes
		case err == nil:
			found = append(slices.Clip(found), routes...)
		case errors.Is(err, ErrNoMatch):
			none = err
		default:
			return nil, &LookupError{key, err}
		}
		if b.last {
			break
		}
	}
	if len(found) == 0 {
		return nil, &LookupError{key, none}
	}
	return found, nil
}

// New binds the three exchanges of x in the original's order: fanout, direct, topic, each ending the lookup.
func New(x Exchanges) *MatchMaker {
	return new(MatchMaker).
		Bind(FanoutBinding, x.FanoutExchange).
		Bind(DirectBinding, x.DirectExchange).
		Bind(anyBinding, x.TopicExchange) // TopicBinding accepts what the two do not: to look for the dot once is enough
}

func anyBinding(string) bool { return true }

// NewStub leaves every key as it is, for brokers that route by the key: the original's class MatchMakerStub.
func NewStub() *MatchMaker {
	return new(MatchMaker).
		Bind(FanoutBinding, StubExchange).
		Bind(DirectBinding, StubExchange).
		Bind(TopicBinding, StubExchange)
}

// NewLocalhost resolves every bare and fanout topic to host: the original's class MatchMakerLocalhost, where
// host is "localhost".
func NewLocalhost(host string) *MatchMaker {
	local := LocalhostExchange(host)
	return new(MatchMaker).
		Bind(FanoutBinding, local).
		Bind(DirectBinding, DirectExchange).
		Bind(TopicBinding, local)
}

// Register accepts registrations and keeps none: MatchMakerBase.register. What a matchmaker with heartbeat
// would refuse is [ErrInvalid] here too.
func (m *MatchMaker) Register(_ context.Context, rs ...Registration) error {
	for i := range rs {
		if err := rs[i].Check(); err != nil {
			return err
		}
	}
	return nil
}

// Unregister does nothing: MatchMakerBase.unregister.
func (m *MatchMaker) Unregister(context.Context, string, string) error { return nil }

// AckAlive does nothing: MatchMakerBase.ack_alive.
func (m *MatchMaker) AckAlive(context.Context, string, string) error { return nil }

// Expire does nothing: MatchMakerBase.expire.
func (m *MatchMaker) Expire(context.Context, string, string) error { return nil }

// IsAlive cannot tell without heartbeats and returns [ErrUnsupported]: MatchMakerBase.is_alive answered None.
func (m *MatchMaker) IsAlive(context.Context, string, string) (bool, error) {
	return false, ErrUnsupported
}

// SendHeartbeats does nothing: MatchMakerBase.send_heartbeats.
func (m *MatchMaker) SendHeartbeats(context.Context) error { return nil }

// StartHeartbeat does nothing: MatchMakerBase.start_heartbeat.
func (m *MatchMaker) StartHeartbeat() {}

// StopHeartbeat does nothing: MatchMakerBase.stop_heartbeat.
func (m *MatchMaker) StopHeartbeat() {}

// The defaults of the original were 300 s and 600 s.
const (
	// DefaultFreq is the interval between heartbeats.
	DefaultFreq = 5 * time.Second
	// DefaultTTLFactor times the interval is how long a registration lives without a heartbeat.
	DefaultTTLFactor = 3
)
