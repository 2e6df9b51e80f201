package redismm

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// node returns the client of the server that keeps a topic: there is but one, or in a cluster the primary of
// the topic's slot as far as is known.
func (s *Store) node(ctx context.Context, topic string) (*redis.Client, error) {
	if c, ok := s.write.(*redis.ClusterClient); ok {
		return c.MasterForKey(ctx, s.keys.set(topic))
	}
	return s.write.(*redis.Client), nil
}

// ear returns what listens at the server that keeps a topic, where alone a ping comes after everything that
// was published before it.
func (s *Store) ear(ctx context.Context, topic string) (*ear, error) {
	node, err := s.node(ctx, topic)
	if err != nil {
		return nil, err
	}
	addr := node.Options().Addr
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	e := s.ears[addr]
	if e == nil {
		e = newEar(s, node)
		s.ears[addr] = e
	}
	return e, nil
}

// lookAround asks a cluster who keeps what by now, beside what is under way. go-redis asks once a minute, and
// when a server sends it elsewhere; one that is dead does not.
func (s *Store) lookAround() {
	for _, client := range []redis.UniversalClient{s.read, s.write} {
		if c, ok := client.(*redis.ClusterClient); ok {
			c.ReloadState(context.Background())
		}
	}
}
