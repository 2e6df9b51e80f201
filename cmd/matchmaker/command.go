package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/metrics"
	"github.com/redismm/matchmaker/cmd/matchmaker/internal/supervise"
)

// app is one run of the command.
type app struct {
	settings
	environ        []string          // for commands that this one starts
	env            map[string]string // of environ
	stdin          io.Reader
	stdout, stderr io.Writer
	log            zerolog.Logger
	cmd            *cobra.Command // the command that runs
	asksOnce       bool           // and may take no longer than --timeout

	// Of a process that keeps registrations.
	registryKept registry
	metrics      *metrics.Metrics
	advertised   atomic.Value // the last choice that was logged
	sick         sync.Map     // whether a host's check fails, by direct key
	systemd      supervise.Notifier
}

// run does what args ask and returns the exit code. The end of ctx asks it to stop, as SIGTERM does.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{env: variables(env), stdin: stdin, stdout: stdout, stderr: stderr, log: zerolog.Nop()}
	a.systemd, a.environ = supervise.NotifierOf(env)
	root := a.root()
	root.SetArgs(append([]string{}, args...)) // none, rather than nil, for which it takes those of the process
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return a.exit(cmd, err)
}

// version is set when a release is built.
var version string

// versionText is the version, the commit that it was built from, and with what.
func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return describeBuild(version, info)
}

func describeBuild(v string, info *debug.BuildInfo) string {
	if v == "" {
		v = info.Main.Version
	}
	if v == "" || v == "(devel)" {
		v = "development"
	}
	of := make(map[string]string)
	for _, s := range info.Settings {
		of[s.Key] = s.Value
	}
	commit := ""
	const enough = 12
	revision := of["vcs.revision"]
	if revision = revision[:min(enough, len(revision))]; revision != "" && !strings.Contains(v, revision) {
		commit = "commit " + revision
		if of["vcs.modified"] == "true" {
			commit += " and changes"
		}
		commit += ", "
	}
	return fmt.Sprintf("%s (%s%s, %s/%s)", v, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "matchmaker",
		Short: "Who is there, and who can take this?",
		Long: `Hosts register under topics and stay listed while heartbeats keep them alive. Callers ask with a key:
"compute" is any one live host of the topic, "compute.node7" that host, "fanout~compute" every live host.
The registry is a Redis server; a ring file, "localhost" and "stub" answer without one.`,
		Example: `  matchmaker demo                                  watch it work; needs nothing
  matchmaker sidecar --register compute=node1      keep a host registered
  matchmaker run --topic web -- nginx              keep a command's host registered while it runs
  matchmaker resolve compute                       any one live host`,
		Version:                    versionText(),
		SilenceErrors:              true,
		SilenceUsage:               true,
		Args:                       unknownCommand,
		Run:                        func(cmd *cobra.Command, _ []string) { _ = cmd.Help() },
		PersistentPreRunE:          a.prepare,
		SuggestionsMinimumDistance: 2,
	}
	a.settings.flags(root.PersistentFlags())
	root.PersistentFlags().SortFlags = false
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetVersionTemplate("matchmaker {{.Version}}\n")
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { help(cmd.OutOrStdout(), cmd) })
	root.SetHelpCommand(helpCommand())
	root.AddCommand(a.demoCommand(), a.sidecarCommand(), a.runCommand(), a.resolveCommand(), a.lsCommand(), a.watchCommand(),
		a.whyCommand(), a.doctorCommand(), a.readyCommand(), a.aliveCommand(), a.drainCommand(), a.registerCommand(), a.unregisterCommand(), a.ackCommand(), a.expireCommand(), completionCommand())
	for _, c := range root.Commands() {
		c.DisableFlagsInUseLine = true
	}
	completes(root)
	return root
}

// prepare comes before every command.
func (a *app) prepare(cmd *cobra.Command, _ []string) error {
	if cmd.Name() == cobra.ShellCompRequestCmd { // a shell wants to complete; nothing of the environment matters
		return nil
	}
	return a.complete(cmd)
}

// unknownCommand refuses the arguments that no command took.
func unknownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %s?", strings.Join(near, " or "))
	}
	return usagef("there is no command %q%s", args[0], hint)
}

// operands refuses a number of operands other than least to most; most < 0 is any number.
func operands(least, most int, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usagef("%s wants %s, not %s", cmd.Name(), want, quoted(args))
		}
		return nil
	}
}

func quoted(args []string) string {
	if len(args) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%q", args)
}
