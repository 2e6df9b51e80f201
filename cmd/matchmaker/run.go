package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/supervise"
	"github.com/redismm/matchmaker/core"
)

func (a *app) runCommand() *cobra.Command {
	var topic, host string
	var more record
	c := &cobra.Command{
		Use:   "run --topic TOPIC [flags] -- COMMAND [ARG]...",
		Short: "Keep a host registered for as long as a command runs",
		Long: `Starts a command and keeps a host registered for as long as it runs. The command has this one's stdin, stdout,
stderr and environment. SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 and SIGWINCH are passed on to it; before
SIGTERM and SIGINT are, the host is announced as draining, so that it gets no new work. When the command has
ended, the host leaves, within 5 s, and run exits with the command's code: 128 and the signal that ended it,
127 if it was not found, 126 if it could not be run. As process 1 of a container it also buries orphans.

Redis may be down: the command runs in any case, and is registered when Redis is there. Keys typed at a
terminal, such as Ctrl-C, reach the command directly and are not passed on twice.`,
		Example: `  matchmaker run --topic web --addr :8080 -- python3 -m http.server 8080
  matchmaker run --topic compute --host node1 --zone east -- ./worker --threads 8`,
		Args: operands(1, -1, "a command to run after --"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if topic == "" {
				return usagef("run wants --topic")
			}
			place := []string{topic}
			if host != "" {
				place = append(place, host)
			}
			return a.run(cmd.Context(), more, place, args)
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().StringVar(&topic, "topic", "", "the `topic` to register under")
	c.Flags().StringVar(&host, "host", "", "the host's `name` (default this machine's)")
	more.flags(c.Flags())
	return c
}

func (a *app) run(ctx context.Context, more record, place, command []string) error {
	if err := a.needRedis("run"); err != nil {
		return err
	}
	r, err := a.registration(ctx, more, place)
	if err != nil {
		return err
	}
	signals, release := supervise.Signals()
	defer release()
	embedded := a.RedisURL == embeddedURL
	mm, end, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer end()
	if embedded { // the command is to find the same Redis
		a.environ = append(a.environ[:len(a.environ):len(a.environ)], variableOf("redis-url")+"="+a.RedisURL)
	}
	child, err := supervise.Start(command, a.environ, a.stdin, a.stdout, a.stderr)
	if err != nil {
		return a.notStarted(err)
	}
	staying, leave := context.WithCancel(context.WithoutCancel(ctx))
	left := make(chan error, 1)
	go func() { left <- a.keep(staying, mm, []core.Registration{r}) }()
	a.attend(ctx, child, signals, func() { a.drain(mm, r) })
	a.log.Info().Int("code", child.Code()).Msg("the command has ended; leaving")
	leave()
	a.farewell(left, signals)
	return exitCode(child.Code()).orNil()
}

// notStarted says that the command did not start, and ends with the code that shells use for it.
func (a *app) notStarted(err error) error {
	fmt.Fprintln(a.stderr, "matchmaker: run:", err)
	return exitCode(supervise.CodeOf(err))
}

// attend passes signals on until the child has ended. Before the first that asks it to stop, it drains. The
// end of ctx is as SIGTERM.
func (a *app) attend(ctx context.Context, child *supervise.Child, signals <-chan os.Signal, drain func()) {
	asked, drained := ctx.Done(), false
	pass := func(s os.Signal) {
		if stops := s == syscall.SIGTERM || s == syscall.SIGINT; stops && !drained {
			drained = true
			drain()
		}
		child.Signal(s)
	}
	for {
		select {
		case s := <-signals:
			pass(s)
		case <-asked:
			asked = nil
			pass(syscall.SIGTERM)
		case <-child.Done():
			return
		}
	}
}

// drainTimeout bounds how long a signal waits for the host to be announced as draining.
const drainTimeout = time.Second

func (a *app) drain(mm *core.HeartbeatMatchMaker, r core.Registration) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	err := mm.Drain(ctx, r.Topic, r.Host)
	switch {
	case errors.Is(err, core.ErrNotRegistered):
	case err != nil:
		a.log.Warn().Str("error", a.redact(err.Error())).Msg("not announced as draining")
	default:
		a.log.Info().Str("topic", r.Topic).Str("host", r.Host).Msg("draining")
	}
}

// farewell waits for the registration to leave, unless a signal says not to.
func (a *app) farewell(left <-chan error, signals <-chan os.Signal) {
	for {
		select {
		case err := <-left:
			if err != nil {
				a.log.Warn().Str("error", a.redact(err.Error())).Msg("could not leave; the registration lapses")
			}
			return
		case s := <-signals:
			if s == syscall.SIGINT || s == syscall.SIGTERM {
				return
			}
		}
	}
}
