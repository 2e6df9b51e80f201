// Package kratos lets programs that are built with go-kratos find hosts through a matchmaker: topics are its
// services. It is an example of how another framework's registry is put on top, in a module of its own, so that
// nobody gets the framework with a matchmaker.
package kratos

import (
	"context"
	"errors"

	"github.com/go-kratos/kratos/v2/registry"

	"github.com/redismm/matchmaker/core"
)

// Discovery offers topics as services.
type Discovery struct {
	watcher core.Watcher
	scheme  string
}

var _ registry.Discovery = (*Discovery)(nil)

// New returns a discovery over a watcher, which should be a [core.Live], for hosts that speak "grpc" or "http".
func New(w core.Watcher, scheme string) *Discovery { return &Discovery{w, scheme} }

// GetService returns the hosts of a topic that lookups pick among; none is an error.
func (d *Discovery) GetService(ctx context.Context, topic string) ([]*registry.ServiceInstance, error) {
	v, err := d.watcher.Members(ctx, topic)
	if err != nil {
		return nil, err
	}
	members, err := v.Reach(nil)
	return d.instances(members), err
}

// Watch follows a topic until ctx ends or the watcher is stopped.
func (d *Discovery) Watch(ctx context.Context, topic string) (registry.Watcher, error) {
	ctx, end := context.WithCancel(ctx)
	w := &watcher{ctx: ctx, end: end, seen: make(chan []*registry.ServiceInstance), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		for v := range d.watcher.Watch(ctx, topic) {
			members, err := v.Reach(nil)
			if errors.Is(err, core.ErrUnavailable) { // nobody can tell, which is not nobody
				continue
			}
			select {
			case w.seen <- d.instances(members):
			case <-ctx.Done():
			}
		}
	}()
	return w, nil
}

func (d *Discovery) instances(members []*core.Member) []*registry.ServiceInstance {
	var all []*registry.ServiceInstance
	for _, m := range members {
		all = append(all, &registry.ServiceInstance{
			ID: m.Host, Name: m.Topic, Version: m.Labels["version"], Metadata: m.Labels,
			Endpoints: []string{d.scheme + "://" + m.Addr},
		})
	}
	return all
}

type watcher struct {
	ctx   context.Context
	end   context.CancelFunc
	seen  chan []*registry.ServiceInstance
	ended chan struct{}
}

// Next returns the hosts of the topic: those of now the first time, then each time that they change.
func (w *watcher) Next() ([]*registry.ServiceInstance, error) {
	select {
	case hosts := <-w.seen:
		return hosts, nil
	case <-w.ctx.Done():
		return nil, context.Cause(w.ctx)
	}
}

// Stop ends the watch.
func (w *watcher) Stop() error {
	w.end()
	<-w.ended
	return nil
}
