package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/reply"
	"github.com/redismm/matchmaker/core"
)

// retried is the time between two tries of a drain that is waited for.
const retried = 50 * time.Millisecond

// draining is what the flags of drain say.
type draining struct {
	long      time.Duration
	reason    string
	wait, off bool
}

func (a *app) drainCommand() *cobra.Command {
	var d draining
	c := &cobra.Command{
		Use:   "drain TOPIC [HOST] [flags]",
		Short: "Let a host finish: it gets no new work",
		Long: `Announces from outside that a host is to get no new work. It stays registered and listed, as draining, and is not
picked while others are up. Heartbeats and restarts of the host do not end the drain; its time does, or --off.
HOST is this machine's name if left out.

With --wait, as a preStop hook, it tries for 1s and returns 2s later, when readers have heard of it and the
program may be told to stop: what is in flight is the program's to finish. Where a host comes back under its
name, as in a StatefulSet, end the drain soon, such as by --for 1m.`,
		Example: `  matchmaker drain compute node1 --for 30m --reason "kernel update"
  matchmaker drain compute node1 --wait        as a preStop hook
  matchmaker drain compute node1 --off`,
		Args: operands(1, 2, "a topic and a host"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.drainFrom(cmd, args, d) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.DurationVar(&d.long, "for", 10*time.Minute, "how `long`")
	f.StringVar(&d.reason, "reason", "", "the `reason`, for whoever asks why")
	f.BoolVar(&d.wait, "wait", false, "return when readers have had 2s to hear of it")
	f.BoolVar(&d.off, "off", false, "end the drain")
	return c
}

func (a *app) drainFrom(cmd *cobra.Command, args []string, d draining) error {
	if err := a.needRedis("drain"); err != nil {
		return err
	}
	if err := a.needOwnLayout("drain", `holds names alone: a drain has no place in it that the original would read`); err != nil {
		return err
	}
	host, err := hostOf(args)
	if err != nil {
		return err
	}
	if d.long < time.Second {
		return usageError{core.Invalid("--for", d.long.String(), "want at least 1s; --off ends a drain")}
	}
	if d.off {
		d.long = 0
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	defer store.Close()
	r := core.Registration{Topic: args[0], Host: host}
	if err := r.Check(); err != nil {
		return usageError{err}
	}
	ctx, cancel := a.bounded(cmd.Context())
	defer cancel()
	if d.wait {
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, time.Second)
		defer end()
	}
	v, err := a.drainOnce(ctx, store, r, d)
	for d.wait && errors.Is(err, core.ErrUnavailable) && ctx.Err() == nil {
		time.Sleep(retried)
		v, err = a.drainOnce(ctx, store, r, d)
	}
	if err == nil && d.wait && !d.off {
		select {
		case <-time.After(core.DefaultPropagation):
		case <-cmd.Context().Done():
		}
	}
	return a.pass("drain", r, v, err)
}

// drainer is what drain needs of a store.
type drainer interface {
	Remaining(ctx context.Context, topic, host string) (time.Duration, error)
	DrainFor(ctx context.Context, topic, host string, d time.Duration, reason string) error
}

func (a *app) drainOnce(ctx context.Context, store drainer, r core.Registration, d draining) (verdict, error) {
	left, err := store.Remaining(ctx, r.Topic, r.Host)
	if err == nil && left == 0 && !d.off {
		err = core.ErrNotRegistered
	}
	if err == nil {
		err = store.DrainFor(ctx, r.Topic, r.Host, d.long, d.reason)
	}
	v := verdict{Verdict: reply.Verdict{Outcome: "draining"}, text: fmt.Sprintf("%s drains for %s", core.DirectKey(r.Topic, r.Host), d.long)}
	if d.off {
		v = verdict{Verdict: reply.Verdict{Outcome: "up"}, text: core.DirectKey(r.Topic, r.Host) + " is not drained from outside any more"}
	}
	if err != nil {
		v.Outcome = ""
	}
	return v, err
}
