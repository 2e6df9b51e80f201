package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/reply"
	"github.com/redismm/matchmaker/core"
)

func (a *app) resolveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resolve KEY... | -",
		Short: "Answer who can be reached under a key",
		Long: `Prints the hosts that each key leads to, one a line, and exits with 3 if a key leads nowhere. A direct key,
with a dot, leads to the host it names, whether that lives or not. With the stub backend the key itself is
printed. "-" reads keys from stdin, one a line, and answers each before it reads on; --timeout then bounds
each answer.`,
		Example: `  matchmaker resolve compute                any one live host
  matchmaker resolve fanout~compute         every live host
  matchmaker resolve compute.node1 --json   {"key":"compute.node1","routes":[{"key":"compute.node1","host":"node1"}]}
  matchmaker resolve - < keys.txt`,
		Args: operands(1, -1, "one or more keys, or -"),
		RunE: a.resolve,
	}
}

func (a *app) resolve(cmd *cobra.Command, keys []string) error {
	m, backend, err := a.matchmaker()
	if err != nil {
		return err
	}
	defer backend.Close()
	r := resolver{app: a, from: m}
	ctx, cancel := a.bounded(cmd.Context())
	defer cancel()
	for _, key := range keys {
		if key == "-" {
			err = r.lines(cmd.Context())
		} else {
			err = r.answer(ctx, key)
		}
		if err != nil {
			return err
		}
	}
	return r.worst.orNil()
}

// orNil is nil for 0.
func (c exitCode) orNil() error {
	if c == 0 {
		return nil
	}
	return c
}

// resolver answers keys and remembers the highest exit code.
type resolver struct {
	*app
	from  *core.MatchMaker
	worst exitCode
}

// lines answers the keys of stdin.
func (r *resolver) lines(ctx context.Context) error {
	in := bufio.NewReader(r.stdin)
	for {
		line, err := in.ReadString('\n')
		if key := strings.TrimRight(line, "\r\n"); key != "" {
			if err := r.one(ctx, key); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read keys from stdin: %w", err)
		}
	}
}

// one answers a key in a time of its own.
func (r *resolver) one(ctx context.Context, key string) error {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	return r.answer(ctx, key)
}

// answer prints what a key leads to. Its error says that it could not be printed.
func (r *resolver) answer(ctx context.Context, key string) error {
	routes, err := r.from.Resolve(ctx, key)
	r.worst = max(r.worst, exitCode(codeOf(err)))
	if r.JSON {
		a := reply.AnswerOf(key, routes)
		if err != nil {
			a.Error = r.message(err)
		}
		return r.printJSON(a)
	}
	if err != nil {
		_, err = fmt.Fprintln(r.stderr, "matchmaker:", r.message(err))
		return err
	}
	var text strings.Builder
	for _, route := range routes {
		fmt.Fprintln(&text, cmp.Or(route.Host, route.Key))
	}
	_, err = io.WriteString(r.stdout, text.String())
	return err
}
