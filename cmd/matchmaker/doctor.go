package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/redismm"
)

// watchFor is how long doctor listens by default.
const watchFor = 2 * time.Second

func (a *app) doctorCommand() *cobra.Command {
	var watch time.Duration
	c := &cobra.Command{
		Use:   "doctor [flags]",
		Short: "Find out whether Redis is as it must be",
		Long: `Looks at version and role, permissions, channels, latency, eviction and memory of the Redis at --redis-url, of every
primary of a cluster; at keys that are not ours, at topics of another release, and whether processes take hosts from
each other while it listens. Each finding is ok, warn or bad, and has its fix. It writes a topic of its own, and
removes it. Exit code 1 if a finding is bad, 4 if Redis does not answer.`,
		Example: `  matchmaker doctor
  matchmaker doctor --watch 30s      hosts that are taken over again and again
  matchmaker doctor --json | jq -r 'select(.severity == "bad") | .fix'`,
		Args: operands(0, 0, "no operands"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), watch) },
	}
	c.Flags().DurationVar(&watch, "watch", watchFor, "how long to listen for hosts that change hands; 0 to skip it")
	return c
}

func (a *app) doctor(ctx context.Context, watch time.Duration) error {
	if err := a.needRedis("doctor"); err != nil {
		return err
	}
	if err := a.needOwnLayout("doctor", "has other keys and other needs than it knows"); err != nil {
		return err
	}
	if watch < 0 {
		return usagef("--watch is %s: want 0 or more, such as 30s", watch)
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	defer store.Close()
	bounded, cancel := a.bounded(ctx)
	defer cancel()
	var w findings
	found, err := store.Diagnose(bounded)
	if said := w.print(a, found); said != nil {
		return said
	}
	if err == nil && watch > 0 && !hasAccessTrouble(found) {
		var more []redismm.Finding
		more, err = store.Contests(ctx, watch)
		if said := w.print(a, more); said != nil {
			return said
		}
		found = append(found, more...)
	}
	if err != nil {
		return a.failed("doctor", err)
	}
	return a.conclude(found)
}

// hasAccessTrouble says whether nothing more can be found out.
func hasAccessTrouble(found []redismm.Finding) bool {
	for _, f := range found {
		if f.Severity == redismm.Bad && slices.Contains([]string{"sentinels", "access", "channels"}, f.Check) {
			return true
		}
	}
	return false
}

// findings are printed under the servers that they are about.
type findings struct{ under *string }

func (w *findings) print(a *app, found []redismm.Finding) error {
	for _, f := range found {
		if f.Says, f.Fix = a.redact(f.Says), a.redact(f.Fix); a.JSON {
			if err := a.printJSON(f); err != nil {
				return err
			}
			continue
		}
		lines := fmt.Sprintf("  %-5s %-12s %s", marks[f.Severity], f.Check, f.Says)
		if f.Fix != "" {
			lines += fmt.Sprintf("\n  %-5s %-12s fix: %s", "", "", f.Fix)
		}
		if w.under == nil || *w.under != f.Server {
			w.under = &f.Server
			lines = cmp.Or(f.Server, "the registry") + "\n" + lines
		}
		if err := a.say("%s", lines); err != nil {
			return err
		}
	}
	return nil
}

// marks are how severities stand at the beginning of a line, to be seen among others.
var marks = map[redismm.Severity]string{redismm.Fine: "ok", redismm.Warning: "WARN", redismm.Bad: "BAD"}

// conclude says, to people, what it comes to.
func (a *app) conclude(found []redismm.Finding) error {
	names := make(map[redismm.Severity][]string)
	for _, f := range found {
		if !slices.Contains(names[f.Severity], f.Check) { // of several servers
			names[f.Severity] = append(names[f.Severity], f.Check)
		}
	}
	bad, warn := names[redismm.Bad], names[redismm.Warning]
	if !a.JSON {
		line := "All is well."
		switch {
		case len(bad) > 0:
			line = "Bad: " + strings.Join(bad, ", ") + "."
		case len(warn) > 0:
			line = "It works. A word on: " + strings.Join(warn, ", ") + "."
		}
		if len(bad) > 0 && len(warn) > 0 {
			line += fmt.Sprintf(" Worse than need be: %s.", strings.Join(warn, ", "))
		}
		if err := a.say("%s", line); err != nil {
			return err
		}
	}
	if len(bad) > 0 {
		return exitCode(exitFailed)
	}
	return nil
}
