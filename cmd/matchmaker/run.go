package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/checks"
	"github.com/redismm/matchmaker/cmd/matchmaker/internal/supervise"
	"github.com/redismm/matchmaker/core"
)

// running is what the flags of run say.
type running struct {
	record
	topic, host, check string
	drain              time.Duration
}

func (a *app) runCommand() *cobra.Command {
	var w running
	c := &cobra.Command{
		Use:   "run --topic TOPIC [flags] -- COMMAND [ARG]...",
		Short: "Keep a host registered for as long as a command runs",
		Long: `Starts a command and keeps a host registered for as long as it runs. The command has this one's stdin, stdout,
stderr and environment. With --check the host is registered when the check first passes, announced as failing
when it fails --check-fall times in a row, and as up again after --check-rise passes; without, it is
registered at once, and up for as long as the command runs.

At SIGTERM or SIGINT the host is announced as draining, for at most 1s; 2s later, when callers have heard of
it, the command gets the signal; when it has ended the host leaves, within 5s. A command that runs for longer
than --drain-timeout is killed. Another SIGTERM changes nothing; a SIGINT that comes second kills the
command at once. SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 and SIGWINCH are passed on. What is typed at a terminal,
such as Ctrl-C, reaches the command directly and is not passed on twice; in the foreground of one, SIGINT, SIGQUIT
and SIGWINCH are taken for typed. If run itself is killed by SIGKILL, the command goes on, and its host lapses.

run exits with the command's code: 128 and the signal that ended it, 127 if it was not found, 126 if it
could not be run. As process 1 of a container it also buries orphans. Redis may be down: the command runs in
any case, and is registered when Redis is there.`,
		Example: `  matchmaker run --topic web --addr :8080 --check http://:8080/ -- python3 -m http.server 8080
  matchmaker run --topic compute --host node1 --zone east -- ./worker --threads 8`,
		Args: operands(1, -1, "a command to run after --"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.run(cmd.Context(), w, args) },
	}
	f := c.Flags()
	f.SetInterspersed(false)
	f.StringVar(&w.topic, "topic", "", "the `topic` to register under")
	f.StringVar(&w.host, "host", "", "the host's `name` (default this machine's)")
	w.record.flags(f, &a.settings)
	f.StringVar(&w.check, "check", "", "what the host stands on, a `URL`: http://HOST:PORT/PATH, https://..., tcp://HOST:PORT"+
		" or grpc://HOST:PORT[/SERVICE]; a HOST left out is 127.0.0.1")
	a.checkFlags(f)
	a.listenFlags(f, listenOff)
	f.DurationVar(&w.drain, "drain-timeout", core.DefaultDrain, "how long the command may take to end before it is killed")
	return c
}

// kept is what the flags say is to be kept.
func (w *running) kept(ctx context.Context, a *app) (kept, error) {
	if w.topic == "" {
		return kept{}, usagef("run wants --topic")
	}
	if w.drain <= 0 {
		return kept{}, usageError{core.Invalid("--drain-timeout", w.drain.String(), "want more than 0, such as 25s")}
	}
	place := []string{w.topic}
	if w.host != "" {
		place = append(place, w.host)
	}
	r, err := a.registration(ctx, w.record, place)
	if err != nil || w.check == "" {
		return kept{Registration: r}, err
	}
	check, err := checks.Parse(w.check)
	if err != nil {
		return kept{}, usageError{fmt.Errorf("--check: %w", err)}
	}
	return kept{r, check}, nil
}

func (a *app) run(ctx context.Context, w running, command []string) error {
	if err := a.needRedis("run"); err != nil {
		return err
	}
	host, err := w.kept(ctx, a)
	if err != nil {
		return err
	}
	signals, release := supervise.Signals()
	defer release()
	embedded := a.embedded()
	mm, end, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer end()
	if embedded { // the command is to find the same Redis
		a.environ = append(a.environ[:len(a.environ):len(a.environ)], variableOf("redis-url")+"="+a.RedisURL)
	}
	fronts, err := a.listen(mm, []kept{host})
	if err != nil {
		return err
	}
	defer fronts.Close(context.WithoutCancel(ctx))
	child, err := supervise.Start(command, a.environ, a.stdin, a.stdout, a.stderr)
	if err != nil {
		return a.notStarted(err)
	}
	mm.StartHeartbeat()
	c := &attended{app: a, mm: mm, child: child, host: host, fronts: fronts, told: make(chan struct{}), more: make(chan os.Signal, 1), drain: w.drain}
	c.attend(ctx, signals)
	return exitCode(child.Code()).orNil()
}

// notStarted says that the command did not start, and ends with the code that shells use for it.
func (a *app) notStarted(err error) error {
	fmt.Fprintln(a.stderr, "matchmaker: run:", err)
	return exitCode(supervise.CodeOf(err))
}
