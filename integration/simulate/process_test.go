package simulate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration/history"
	"github.com/redismm/matchmaker/redismm"
)

// place is a host under a topic.
type place struct{ topic, host string }

// process is one process: it keeps registrations, or watches.
type process struct {
	*world
	name   string
	wire   *wire
	client *redis.Client
	store  *redismm.Store
	maker  *core.HeartbeatMatchMaker
	ctx    context.Context
	end    context.CancelFunc
	doing  sync.WaitGroup

	mu    sync.Mutex
	wants map[place]bool
}

// open starts a process.
func (w *world) open(name string) *process {
	p := &process{world: w, name: name, wire: &wire{net: w.net}, wants: make(map[place]bool)}
	p.client = redis.NewClient(&redis.Options{
		Addr: "registry.simulated:6379", Dialer: p.wire.Dial, ContextTimeoutEnabled: true,
		DialerRetries: 1, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	store, err := redismm.NewStore(p.client, redismm.Config{})
	if err != nil {
		panic(err)
	}
	p.store = store
	if p.maker, err = core.NewHeartbeat(&history.Told{Store: store, Recorder: w.recorder, Process: name}, core.HeartbeatConfig{}); err != nil {
		panic(err)
	}
	p.ctx, p.end = context.WithCancel(context.Background())
	return p
}

// runs starts a process that keeps registrations.
func (w *world) runs(name string, places []place) *process {
	p := w.open(name)
	p.doing.Go(func() {
		p.register(places)
		p.maker.Run(p.ctx)
	})
	return p
}

// register wants places from now on. Where the registry cannot be reached, the heartbeats register.
func (p *process) register(places []place) {
	rs := make([]core.Registration, len(places))
	p.mu.Lock()
	for i, at := range places {
		p.wants[at] = true
		p.recorder.Registering(p.name, at.topic, at.host)
		rs[i] = core.Registration{Topic: at.topic, Host: at.host, Addr: fmt.Sprintf("%s.simulated:8080", p.name)}
	}
	p.mu.Unlock()
	p.maker.Register(p.ctx, rs...)
}

// leave leaves one place.
func (p *process) leave(at place) {
	p.mu.Lock()
	delete(p.wants, at)
	p.recorder.Leaving(p.name, at.topic, at.host)
	p.mu.Unlock()
	p.maker.Unregister(p.ctx, at.topic, at.host)
}

// drain wants no more work at one place.
func (p *process) drain(at place) {
	p.recorder.Draining(p.name, at.topic, at.host)
	p.maker.Drain(p.ctx, at.topic, at.host)
}

// crash ends a process without a word.
func (p *process) crash() {
	p.recorder.Ended(p.name)
	p.wire.die()
	p.closes()
}

// finish ends a process as its user does: it leaves all its places.
func (p *process) finish() {
	p.mu.Lock()
	for at := range p.wants {
		p.recorder.Leaving(p.name, at.topic, at.host)
	}
	p.mu.Unlock()
	p.end()
	p.doing.Wait()
	p.recorder.Ended(p.name)
	p.closes()
}

func (p *process) closes() {
	p.end()
	p.maker.Close()
	p.doing.Wait()
	p.client.Close()
}

// pickEvery is how often a watcher picks a host of each topic.
const pickEvery = 5 * time.Second

// watches starts a process that follows topics and picks hosts of them.
func (w *world) watches(name string) *process {
	p := w.open(name)
	for _, topic := range w.topics {
		p.doing.Go(func() { w.recorder.Watch(p.ctx, name, p.maker.Live(), topic) })
	}
	p.each(pickEvery, func(topic string) {
		asked := time.Now()
		routes, err := p.maker.Resolve(p.ctx, topic)
		if p.ctx.Err() == nil {
			w.recorder.Picked(name, topic, asked, routes, err)
		}
	})
	return p
}

// reads starts a process that asks the registry each time.
func (w *world) reads(name string) *process {
	p := w.open(name)
	p.each(readEvery, func(topic string) {
		ctx, cancel := context.WithTimeout(p.ctx, time.Second)
		defer cancel()
		asked := time.Now()
		v, err := p.store.Members(ctx, topic)
		if p.ctx.Err() == nil {
			w.recorder.Read(name, topic, asked, v, err)
		}
	})
	return p
}

const readEvery = 7 * time.Second

// each does something for every topic, every so often.
func (p *process) each(every time.Duration, do func(topic string)) {
	p.doing.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-p.ctx.Done():
				return
			}
			for _, topic := range p.topics {
				do(topic)
			}
		}
	})
}
