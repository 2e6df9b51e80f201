package main

import (
	"cmp"
	"context"

	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/reply"
	"github.com/redismm/matchmaker/core"
)

// verdict is how a verb about one place ended.
type verdict struct {
	reply.Verdict        // what --json prints
	text          string // for people
	code          int
}

// verb does something about one place; an error goes into the verdict.
type verb func(ctx context.Context, b core.Backend, r core.Registration) (verdict, error)

// placeCommand makes c a command that asks Redis once about the place that its operands name.
func (a *app) placeCommand(c *cobra.Command, do verb) *cobra.Command {
	c.Use += " TOPIC [HOST]"
	c.Args = operands(1, 2, "a topic and a host")
	var more record
	if c.Name() == "register" {
		c.Use += " [flags]"
		more.flags(c.Flags(), &a.settings)
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := a.needRedis(cmd.Name()); err != nil {
			return err
		}
		ctx, cancel := a.bounded(cmd.Context())
		defer cancel()
		r, err := a.registration(ctx, more, args)
		if err != nil {
			return err
		}
		found, err := a.registry()
		if err != nil {
			return err
		}
		defer found.Close()
		v, err := do(ctx, found, r)
		return a.pass(cmd.Name(), r, v, err)
	}
	return c
}

// pass prints a verdict and ends the command.
func (a *app) pass(name string, r core.Registration, v verdict, err error) error {
	if err != nil {
		err = fmt.Errorf("%s %s: %w", name, core.DirectKey(r.Topic, r.Host), err)
	}
	if !a.JSON {
		if err == nil {
			err = a.say("%s", v.text)
		}
		return cmp.Or(err, exitCode(v.code).orNil())
	}
	v.Topic, v.Host = r.Topic, r.Host
	if err != nil {
		v.Error = a.message(err)
	}
	if failed := a.printJSON(v.Verdict); failed != nil {
		return failed
	}
	return exitCode(max(codeOf(err), v.code)).orNil()
}

// host returns the host of operands TOPIC [HOST].
func hostOf(args []string) (string, error) {
	if len(args) > 1 {
		return args[1], nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("this machine has no name, so name a host: %w", err)
	}
	return name, nil
}

func only(os []core.Outcome, err error) (core.Outcome, error) {
	switch {
	case err == nil && os[0] == core.Absent:
		err = core.ErrNotRegistered
	case err == nil && os[0] == core.Superseded:
		err = core.ErrSuperseded
	}
	return os[0], err
}

func (a *app) registerCommand() *cobra.Command {
	return a.placeCommand(&cobra.Command{
		Use:   "register",
		Short: "Register a host for one TTL",
		Long: `Registers a host once, for --heartbeat-ttl: nobody keeps it alive afterwards but "ack". HOST is this machine's
name if left out. The registration takes the place over from any older one; a sidecar that held it stands
by, and is back when this one has lapsed. For a registration that lasts use sidecar or run.`,
		Example: `  matchmaker register compute node1 --addr :8080 --zone east --label rack=7`,
	}, func(ctx context.Context, b core.Backend, r core.Registration) (verdict, error) {
		claim := &core.Claim{Registration: r}
		o, err := only(b.BackendRegister(ctx, a.HeartbeatTTL, []*core.Claim{claim}))
		v := verdict{Verdict: reply.Verdict{Addr: r.Addr, Outcome: o.String(), Instance: claim.Instance}}
		if err == nil {
			v.Left = a.HeartbeatTTL.Seconds()
			v.text = fmt.Sprintf("registered %s for %s", describe(r), a.HeartbeatTTL)
		}
		if o == core.Replaced {
			v.text += "; it took the place from an older registration"
		}
		return v, err
	})
}

func describe(r core.Registration) string {
	if r.Addr == "" {
		return core.DirectKey(r.Topic, r.Host)
	}
	return fmt.Sprintf("%s at %s", core.DirectKey(r.Topic, r.Host), r.Addr)
}

func (a *app) unregisterCommand() *cobra.Command {
	return a.placeCommand(&cobra.Command{
		Use:   "unregister",
		Short: "Remove a host, whoever registered it",
		Long: `Removes a host from a topic by name. The process that kept it is told, reports it and stops keeping it; to
bring the host back, restart that process. HOST is this machine's name if left out.`,
		Example: `  matchmaker unregister compute node1`,
	}, func(ctx context.Context, b core.Backend, r core.Registration) (verdict, error) {
		o, err := only(b.BackendUnregister(ctx, a.HeartbeatTTL, []*core.Claim{{Registration: r}}))
		return verdict{Verdict: reply.Verdict{Outcome: o.String()}, text: "unregistered " + core.DirectKey(r.Topic, r.Host)}, err
	})
}

func (a *app) ackCommand() *cobra.Command {
	return a.placeCommand(&cobra.Command{
		Use:   "ack",
		Short: "Say that a host was seen alive",
		Long: `Renews a live registration for one --heartbeat-ttl, whoever registered it. One that has lapsed is not brought
back: that is exit code 3. HOST is this machine's name if left out.`,
		Example: `  matchmaker ack compute node1`,
	}, func(ctx context.Context, b core.Backend, r core.Registration) (verdict, error) {
		o, err := only(b.AckAlive(ctx, a.HeartbeatTTL, []*core.Claim{{Registration: r}}))
		v := verdict{Verdict: reply.Verdict{Outcome: o.String()}}
		if err == nil {
			v.Left = a.HeartbeatTTL.Seconds()
			v.text = fmt.Sprintf("renewed %s for %s", core.DirectKey(r.Topic, r.Host), a.HeartbeatTTL)
		}
		return v, err
	})
}

func (a *app) aliveCommand() *cobra.Command {
	return a.placeCommand(&cobra.Command{
		Use:   "alive",
		Short: "Tell whether a host is registered now",
		Long: `Tells whether a host is registered under a topic, and how long it stays so without another heartbeat. Exit
code 0 is yes, 3 is no. HOST is this machine's name if left out.`,
		Example: `  matchmaker alive compute node1 && echo up`,
	}, func(ctx context.Context, b core.Backend, r core.Registration) (verdict, error) {
		left, err := b.Remaining(ctx, r.Topic, r.Host)
		if err != nil {
			return verdict{}, err
		}
		alive := left > 0
		v := verdict{Verdict: reply.Verdict{Alive: &alive, Left: seconds(left)}}
		if alive {
			v.text = fmt.Sprintf("%s is alive, for another %s", core.DirectKey(r.Topic, r.Host), shortly(left))
		} else {
			v.text, v.code = core.DirectKey(r.Topic, r.Host)+" is not registered", exitNoMatch
		}
		return v, nil
	})
}

func (a *app) expireCommand() *cobra.Command {
	return a.placeCommand(&cobra.Command{
		Use:   "expire",
		Short: "End a registration as if its TTL had lapsed",
		Long: `Ends a registration now, as if no heartbeat had come for a TTL. A process that lives and keeps it is back with
its next heartbeat; to remove it for good use unregister. HOST is this machine's name if left out.`,
		Example: `  matchmaker expire compute node1`,
	}, func(ctx context.Context, b core.Backend, r core.Registration) (verdict, error) {
		o, err := b.Expire(ctx, r.Topic, r.Host)
		o, err = only([]core.Outcome{o}, err)
		return verdict{Verdict: reply.Verdict{Outcome: o.String()}, text: "expired " + core.DirectKey(r.Topic, r.Host)}, err
	})
}

// seconds rounds to milliseconds.
func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// shortly rounds d for people.
func shortly(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }
