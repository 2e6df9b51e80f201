package redismm

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redismm/matchmaker/core"
)

// BackendUnregister leaves places: the hook backend_unregister.
func (s *Store) BackendUnregister(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	return apart(claims,
		func(own []*core.Claim) ([]core.Outcome, error) { return s.leave(ctx, ttl, own) },
		func(named []*core.Claim) ([]core.Outcome, error) { return s.remove(ctx, ttl, named) })
}

func (s *Store) leave(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	out := make([]core.Outcome, len(claims))
	bs := batches(claims, together)
	calls := make([]*call, len(bs))
	for i, b := range bs {
		args := []any{ttl.Milliseconds(), s.life(), newNonce(), s.keys.channel(b.topic)}
		for _, c := range b.claims {
			args = append(args, c.Host, c.Instance)
		}
		calls[i] = &call{script: leaveScript, keys: s.topicKeys(b.topic, b.hosts()...), args: args}
	}
	s.inPipelines(ctx, calls)
	var failed error
	for i, b := range bs {
		words, err := calls[i].texts(len(b.claims))
		if err != nil {
			failed = s.unavailable(err)
			continue
		}
		for j, at := range b.at {
			switch {
			case words[j] == "left":
				out[at] = core.Left
			case words[j] == "superseded":
				out[at] = core.Superseded
			default:
				failed = s.refused(b.claims[j], words[j])
			}
		}
	}
	return out, failed
}

// refused is the error of one claim whose liveness key cannot be written.
func (s *Store) refused(c *core.Claim, word string) error {
	return fmt.Errorf("redis at %s: key %q: %s", s.addr, s.keys.liveness(c.Topic, c.Host), strings.TrimPrefix(word, "error "))
}

// remove removes whoever holds the places.
func (s *Store) remove(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	calls := make([]*call, len(claims))
	for i, c := range claims {
		calls[i] = &call{script: removeScript, keys: s.topicKeys(c.Topic, c.Host),
			args: []any{ttl.Milliseconds(), s.life(), newNonce(), s.keys.channel(c.Topic), c.Host}}
	}
	s.inPipelines(ctx, calls)
	return s.outcomes(calls, leftOrAbsent)
}

func leftOrAbsent(reply any) core.Outcome {
	if reply == "left" {
		return core.Left
	}
	return core.Absent
}

// Expire ends a registration as if its TTL had lapsed now.
func (s *Store) Expire(ctx context.Context, topic, host string) (core.Outcome, error) {
	reply, err := one(ctx, s.write, expireScript, s.topicKeys(topic, host),
		s.config.TTL.Milliseconds(), s.life(), newNonce(), s.keys.channel(topic), host)
	if err != nil {
		return core.Unknown, s.unavailable(err)
	}
	return leftOrAbsent(reply), nil
}
