package redismm

import (
	"context"
	"maps"
	"slices"

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

// ear returns, for a follower, what listens at the server that keeps a topic, where alone a ping comes after everything that
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
	if e != nil && e.client != node { // go-redis had forgotten the server, and closed its client
		old := e
		s.going.Go(func() {
			old.stop()
			old.going.Wait()
		})
		e = nil
	}
	if e == nil {
		e = newEar(s, node)
		s.ears[addr] = e
	}
	return e, nil
}

// byNode parts calls by the server that they go to, so that one which does not answer holds up no other.
func (s *Store) byNode(ctx context.Context, calls []*call) [][]int {
	parts := make(map[*redis.Client][]int)
	c, several := s.write.(*redis.ClusterClient)
	for i := range calls {
		var node *redis.Client
		if several {
			node, _ = c.MasterForKey(ctx, calls[i].keys[0])
		}
		parts[node] = append(parts[node], i)
	}
	return slices.Collect(maps.Values(parts))
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
