package core

import (
	"context"
	"errors"
	"strings"
)

// Exchange looks a key up: the original's class Exchange and its method run. A nil error comes with at
// least one route; [ErrNoMatch] says that there is none. The routes are read-only and their capacity is
// their length, so that appending copies. Any number of calls may run at once.
type Exchange func(ctx context.Context, key string) ([]Route, error)

// Route is one answer: the direct key, and the host it leads to.
type Route struct {
	Key string
	// Host is empty where the broker routes by the key alone.
	Host string
	// Member is nil where nothing is known about the host but its name.
	Member *Member
}

// Exchanges is what a source of hosts offers for the three bindings. [Live] has these methods, and so has
// every backend that can be asked directly.
type Exchanges interface {
	// FanoutExchange answers every host of the key's topic.
	FanoutExchange(ctx context.Context, key string) ([]Route, error)
	// DirectExchange answers the host that the key names, dead or alive.
	DirectExchange(ctx context.Context, key string) ([]Route, error)
	// TopicExchange answers one host of the topic that the key is.
	TopicExchange(ctx context.Context, key string) ([]Route, error)
}

// StubExchange answers the key itself and no host: the original's class StubExchange.
func StubExchange(_ context.Context, key string) ([]Route, error) {
	return []Route{{Key: key}}, nil
}

// DirectExchange answers the key as it is and the host after its first dot: the original's class
// DirectExchange. It never checks liveness. A key without a dot is [ErrInvalid].
func DirectExchange(_ context.Context, key string) ([]Route, error) {
	key = canonical(key)
	_, host, ok := strings.Cut(key, ".")
	if !ok {
		return nil, Invalid("key", key, "a direct exchange wants topic.host")
	}
	return []Route{{Key: key, Host: host}}, nil
}

// LocalhostExchange returns an exchange that answers host for every topic: the original's class
// LocalhostExchange. Its direct key is the key up to the first dot, a dot and host.
func LocalhostExchange(host string) Exchange {
	return func(_ context.Context, key string) ([]Route, error) {
		topic, _, _ := strings.Cut(canonical(key), ".")
		return []Route{{Key: DirectKey(topic, host), Host: host}}, nil
	}
}

// Fallback returns an exchange that asks each of xs in order until one answers. It goes on to the next only
// on [ErrNoMatch]; any other error ends the lookup, since who cannot tell has not said no.
func Fallback(xs ...Exchange) Exchange {
	return func(ctx context.Context, key string) ([]Route, error) {
		var err error = ErrNoMatch
		for _, x := range xs {
			var routes []Route
			if routes, err = x(ctx, key); err == nil || !errors.Is(err, ErrNoMatch) {
				return routes, err
			}
		}
		return nil, err
	}
}
