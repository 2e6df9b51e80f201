package main

import (
	"context"
	"errors"
	"sync"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/checks"
	"github.com/redismm/matchmaker/core"
)

// vouch registers what stands on this process at once and what stands on a check when that first passes, and
// announces what checks say from then on, until ctx ends. Heartbeats are for another to begin.
func (a *app) vouch(ctx context.Context, mm *core.HeartbeatMatchMaker, ks []kept) {
	a.log.Info().Int("registrations", len(ks)).Str("redis", redisAddress(a.RedisURL)).
		Stringer("heartbeat_freq", a.HeartbeatFreq).Stringer("heartbeat_ttl", a.HeartbeatTTL).Msg("started")
	var at []core.Registration
	var followed sync.WaitGroup
	for _, k := range ks {
		if k.check == (checks.Check{}) {
			at = append(at, k.Registration)
			continue
		}
		followed.Go(func() { a.follow(ctx, mm, k) })
	}
	if len(at) > 0 {
		a.ready()
		a.register(ctx, mm, at...)
	}
	followed.Wait()
	<-ctx.Done()
}

// ready tells systemd that what it started does its work.
func (a *app) ready() {
	a.systemd.Tell("READY=1", "STATUS=keeps hosts registered in Redis at "+redisAddress(a.RedisURL))
}

// register registers, or logs why not yet: every heartbeat tries again.
func (a *app) register(ctx context.Context, mm *core.HeartbeatMatchMaker, rs ...core.Registration) {
	first, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	if err := mm.Register(first, rs...); err != nil && ctx.Err() == nil {
		a.log.Warn().Str("error", a.message(err)).Msg("not registered yet")
	}
}

// follow registers a host when its check first passes, and announces each change from then on.
func (a *app) follow(ctx context.Context, mm *core.HeartbeatMatchMaker, k kept) {
	registered := false
	a.pace().Follow(ctx, k.check.Ask, func(reason error) {
		line := a.log.Info()
		if reason != nil {
			line = a.log.Warn().Str("error", reason.Error())
		}
		line = line.Str("topic", k.Topic).Str("host", k.Host)
		a.sick.Store(core.DirectKey(k.Topic, k.Host), reason != nil)
		var err error
		switch {
		case !registered && reason != nil:
			line.Msg("the check fails; not registered before it passes")
		case !registered:
			line.Stringer("check", k.check).Msg("the check passes; registering")
			registered = true
			a.ready()
			a.register(ctx, mm, k.Registration)
			err = mm.Pass(ctx, k.Topic, k.Host) // it may have been registered by another way, as failing
		case reason != nil:
			line.Msg("the check fails; the host is announced as failing")
			err = mm.Fail(ctx, k.Topic, k.Host)
		default:
			line.Msg("the check passes again; the host is announced as up")
			err = mm.Pass(ctx, k.Topic, k.Host)
		}
		a.announced(ctx, err)
	})
}

// checked announces a host that was registered anew as failing if its check fails.
func (a *app) checked(ctx context.Context, mm *core.HeartbeatMatchMaker, topic, host string) {
	sick := func() bool {
		is, _ := a.sick.Load(core.DirectKey(topic, host))
		return is == true
	}
	if !sick() {
		return
	}
	a.announced(ctx, mm.Fail(ctx, topic, host))
	if !sick() { // it has passed meanwhile
		a.announced(ctx, mm.Pass(ctx, topic, host))
	}
}

// announced logs why what a check says is not announced yet, if so.
func (a *app) announced(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && !errors.Is(err, core.ErrNotRegistered) {
		a.log.Warn().Str("error", a.message(err)).Msg("not announced yet")
	}
}
