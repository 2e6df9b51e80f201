package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

var shells = []string{"bash", "zsh", "fish"}

func completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a script that completes commands and flags",
		Long: `Prints a script for a shell, which completes commands and flags when Tab is pressed. It asks no Redis: topics and
hosts are not completed.`,
		Example: `  source <(matchmaker completion bash)                                 in this shell
  matchmaker completion bash > /etc/bash_completion.d/matchmaker      in every new one
  matchmaker completion zsh > "${fpath[1]}/_matchmaker"
  matchmaker completion fish > ~/.config/fish/completions/matchmaker.fish`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return usagef("completion wants bash, zsh or fish, not %s", quoted(args))
			}
			return nil
		},
		// Nothing of the environment matters.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			}
			return root.GenFishCompletion(out, true)
		},
	}
}

// completes says what may follow, where that is known.
func completes(root *cobra.Command) {
	operands := map[string][]string{"completion": shells}
	for _, c := range root.Commands() {
		if c.Name() != "run" { // whose command may be a file
			c.ValidArgsFunction = cobra.FixedCompletions(operands[c.Name()], cobra.ShellCompDirectiveNoFileComp)
		}
	}
	flags := map[string][]string{"backend": backends, "log-level": {"debug", "info", "warn", "error", "off"},
		"redis-url": nil, "prefix": nil, "heartbeat-freq": nil, "heartbeat-ttl": nil, "timeout": nil}
	for name, values := range flags {
		known := cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
		if err := root.RegisterFlagCompletionFunc(name, known); err != nil {
			panic(fmt.Sprintf("--%s: %v", name, err)) // there is no such flag
		}
	}
}
