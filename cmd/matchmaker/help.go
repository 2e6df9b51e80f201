package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// inHelp is the order of the commands in help: what keeps hosts registered, what asks, what is done by hand.
var inHelp = []string{"demo", "sidecar", "run", "resolve", "ls", "watch", "why", "doctor", "ready", "alive",
	"drain", "register", "unregister", "ack", "expire", "completion"}

// help explains a command.
func help(w io.Writer, cmd *cobra.Command) {
	usage := cmd.UseLine()
	if !cmd.HasParent() {
		usage = "matchmaker COMMAND [flags]"
	}
	fmt.Fprintf(w, "%s\n\n%s\n\nUsage:\n  %s\n\nExamples:\n%s\n", cmd.Short, cmd.Long, usage, cmd.Example)
	if !cmd.HasParent() {
		helpRoot(w, cmd)
		return
	}
	if own := flagsOf(cmd.LocalFlags()); own != "" {
		fmt.Fprintf(w, "\nFlags:\n%s", own)
	}
	fmt.Fprintln(w, "\nThe global flags, such as --redis-url and --json, are explained by: matchmaker help")
}

func helpRoot(w io.Writer, root *cobra.Command) {
	fmt.Fprintln(w, "\nCommands:")
	for _, name := range inHelp {
		i := slices.IndexFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == name })
		fmt.Fprintf(w, "  %-12s%s\n", name, root.Commands()[i].Short)
	}
	fmt.Fprintf(w, "\nGlobal flags:\n%s%s", flagsOf(root.PersistentFlags()), `
Each global flag has a variable: --redis-url is MATCHMAKER_REDIS_URL, and so on. The flag beats the variable.

Exit codes:
  0  done
  1  failed
  2  used wrongly, or not possible on this backend
  3  no match, or not there
  4  cannot tell: Redis does not answer
Of several answers the highest counts; run exits with its command's code.

Explain a command: matchmaker help COMMAND
`)
}

const helpWidth = 110

// flagsOf lists flags in the order they were made.
func flagsOf(all *pflag.FlagSet) string {
	shown := pflag.NewFlagSet("", pflag.ContinueOnError)
	shown.SortFlags = false
	all.SortFlags = false
	all.VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && f.Name != "version" {
			shown.AddFlag(f)
		}
	})
	const short = "    " // the room for flags of one letter
	return strings.ReplaceAll("\n"+shown.FlagUsagesWrapped(helpWidth), "\n"+short, "\n")[1:]
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "help [COMMAND]",
		Short:             "Explain a command",
		Long:              "Explains a command, or lists all of them.",
		Example:           `  matchmaker help resolve`,
		Args:              operands(0, 1, "one command"),
		ValidArgsFunction: cobra.FixedCompletions(inHelp, cobra.ShellCompDirectiveNoFileComp),
		// Nothing of the environment matters to help.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmd.Root(), args)
			}
			return about.Help()
		},
	}
}
