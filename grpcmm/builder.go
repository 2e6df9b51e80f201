package grpcmm

import (
	"context"

	"google.golang.org/grpc/resolver"

	"github.com/redismm/matchmaker/core"
)

// Scheme begins the targets that a [Builder] resolves.
const Scheme = "matchmaker"

// Builder makes resolvers for the targets of gRPC channels. Any number of channels may share one.
type Builder struct{ watcher core.Watcher }

var _ resolver.Builder = (*Builder)(nil)

// NewBuilder returns a builder for [google.golang.org/grpc.WithResolvers] over a watcher, which should be a
// [core.Live]: with it, all channels to a topic share one watch.
func NewBuilder(w core.Watcher) *Builder { return &Builder{w} }

// Scheme returns "matchmaker".
func (*Builder) Scheme() string { return Scheme }

// Build begins to follow the topic of a target. It fails only if the target is malformed, with a
// [core.ErrInvalid]: gRPC does not try again.
func (b *Builder) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	wanted, err := parse(target.URL)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	f := &follower{wanted: wanted, cc: cc, end: end, ended: make(chan struct{})}
	go f.follow(b.watcher.Watch(ctx, wanted.topic))
	return f, nil
}
