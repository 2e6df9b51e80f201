package main

import (
	"context"
	"sync"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/metrics"
	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
)

func (a *app) sidecarCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "sidecar [--register REGISTRATION]...",
		Short: "Keep hosts registered until told to stop",
		Long: `Registers hosts and keeps them registered with heartbeats until SIGTERM, SIGINT or SIGHUP; then it leaves, within
5 s, and exits with 0. A second SIGINT ends it at once. Redis may be down, also at the start: what cannot be done
now is tried again with every heartbeat. What happens to the registrations is logged on stderr.

A registration is TOPIC=HOST, and what is to be known of the host, each part after a comma:
  addr=HOST:PORT  where it serves; addr=:8080 gets this machine's address, by --advertise
  zone=ZONE       where it stands, for callers that prefer near ones
  weight=N        its share against its neighbours', 1 to 65535
  label.NAME=VALUE
  check=URL       what it stands on: http://HOST:PORT/PATH, https://..., tcp://HOST:PORT or
                  grpc://HOST:PORT[/SERVICE]; a HOST left out is 127.0.0.1
A host with a check is registered when that first passes. After --check-fall failures in a row it is announced as
failing, at once: it stays listed, and is the last to be picked; after --check-rise passes it is up again. Without
a check, the sidecar vouches for itself alone: the host stays up though its program is gone.

HOST is this machine's name if it is left out. MATCHMAKER_REGISTER holds any number of registrations, with
spaces, newlines or semicolons between them.`,
		Example: `  matchmaker sidecar --register compute=node1,addr=:8080,zone=east,label.rack=7 --register metrics=node1
  matchmaker sidecar --register web=web1,addr=:8080,check=http://127.0.0.1:8080/healthz --check-interval 1s
  MATCHMAKER_REGISTER="compute=node1 metrics=node1" matchmaker sidecar`,
		Args: operands(0, 0, "no operands"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.sidecar(cmd.Context()) },
	}
	c.Flags().Var(&a.Register, "register", "a `registration` to keep; may be given again")
	a.advertiseFlag(c.Flags())
	a.checkFlags(c.Flags())
	a.listenFlags(c.Flags(), defaultListen)
	c.Flags().SortFlags = false
	return c
}

func (a *app) sidecar(ctx context.Context) error {
	if err := a.needRedis("sidecar"); err != nil {
		return err
	}
	ks, err := a.toKeep(ctx)
	if err != nil {
		return err
	}
	ctx, forced, release := stopping(ctx)
	defer release()
	mm, end, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer end()
	fronts, err := a.listen(mm, ks)
	if err != nil {
		return err
	}
	defer fronts.Close(forced)
	if fronts == nil && len(ks) == 0 {
		return usagef("there is nothing to register and nobody to answer: want --register %s, or %s, or --listen ADDRESS, or another listener",
			registrationForm, variableOf("register"))
	}
	staying, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	left := make(chan error, 1)
	go func() { left <- a.keep(staying, mm, ks) }()
	<-ctx.Done()
	a.log.Info().Msg("leaving")
	fronts.Leaving(forced) // what is registered by now is left
	leave()
	select {
	case err := <-left:
		return err
	case <-forced.Done():
		return exitCode(exitInterrupted)
	}
}

// open opens Redis for a process that keeps registrations; embedded, if so configured.
func (a *app) open(ctx context.Context) (mm *core.HeartbeatMatchMaker, end func(), err error) {
	stop := func() {}
	if a.embedded() {
		if a.RedisURL, stop, err = startEmbedded(a.RedisURL); err != nil {
			return nil, nil, usagef("%s: %w", a.origin("redis-url"), err)
		}
		a.log.Log().Str("redis_url", a.RedisURL).Msg("an empty Redis runs inside this process, for as long as it does")
	}
	if mm, err = a.heartbeat(); err != nil {
		stop()
		return nil, nil, err
	}
	return mm, func() { mm.Close(); stop() }, nil
}

// heartbeat is a matchmaker over the registry, whose calls are counted.
func (a *app) heartbeat() (*core.HeartbeatMatchMaker, error) {
	found, err := a.registry()
	if err != nil {
		return nil, err
	}
	a.metrics = metrics.New(a.HeartbeatFreq)
	c := a.config().HeartbeatConfig
	c.Observe = func(e core.Event) {
		a.observe(e)
		a.metrics.Observe(e)
	}
	mm, err := core.NewHeartbeat(a.metrics.Backend(found), c)
	if err != nil {
		found.Close()
		return nil, err
	}
	a.registryKept = found
	counts, _ := found.(interface{ Stats() redismm.Stats })
	a.metrics.Follow(mm, counts)
	return mm, nil
}

// keep registers and keeps what it registered until ctx ends, and leaves. Its error says what it could not
// leave.
func (a *app) keep(ctx context.Context, mm *core.HeartbeatMatchMaker, ks []kept) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { a.vouch(ctx, mm, ks) })
	beside.Go(func() { a.systemd.KeepAlive(ctx, func() { mm.Registrations() }) })
	a.ready()
	beside.Go(func() {
		<-ctx.Done()
		a.systemd.Tell("STOPPING=1")
	})
	return mm.Run(ctx)
}
