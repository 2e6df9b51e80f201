package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/reply"
	"github.com/redismm/matchmaker/core"
)

func (a *app) lsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ls [TOPIC]",
		Short: "List the topics, or the hosts of a topic",
		Long: `Without a topic, lists the topics heard of and how many hosts each has. With one, lists its hosts: state, how
long each stays registered without another heartbeat, instance (its end; --json shows the whole), and what the
host says of itself. On the ring backend it lists the ring file, whose hosts have no TTL and no instance.`,
		Example: `  matchmaker ls
  matchmaker ls compute
  matchmaker ls compute --json | jq -r .addr`,
		Args: operands(0, 1, "no more than one topic"),
		RunE: a.ls,
	}
}

// listing is what ls reads.
type listing interface {
	core.Directory
	Topics(ctx context.Context) ([]string, error)
}

// expiring is a listing whose hosts have a TTL.
type expiring interface {
	Remaining(ctx context.Context, topic, host string) (time.Duration, error)
}

// listing opens the backend for ls.
func (a *app) listing() (listing, io.Closer, error) {
	switch a.Backend {
	case "redis":
		found, err := a.registry()
		return found, found, err
	case "ring":
		r, err := a.ring()
		return r, r, err
	}
	return nil, nil, a.needRedis("ls")
}

func (a *app) ls(cmd *cobra.Command, args []string) error {
	from, backend, err := a.listing()
	if err != nil {
		return err
	}
	defer backend.Close()
	ctx, cancel := a.bounded(cmd.Context())
	defer cancel()
	if len(args) == 0 {
		err = a.lsTopics(ctx, from)
	} else {
		err = a.lsHosts(ctx, from, args[0])
	}
	return a.failed("ls", err)
}

// failed is the end of a command that lists; with --json, its error is an object too.
func (a *app) failed(name string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", name, err)
	if !a.JSON {
		return err
	}
	text := struct {
		Error string `json:"error"`
	}{a.message(err)}
	return cmp.Or(a.printJSON(text), exitCode(codeOf(err)).orNil())
}

func (a *app) lsTopics(ctx context.Context, from listing) error {
	topics, err := from.Topics(ctx)
	if err != nil {
		return err
	}
	counts, err := each(topics, func(topic string) (reply.Counts, error) {
		v, err := from.Members(ctx, topic)
		if err != nil {
			return reply.Counts{}, err
		}
		return reply.CountsOf(v), nil
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return printLines(a, counts)
	}
	if len(counts) == 0 {
		_, err := fmt.Fprintln(a.stderr, "no topics")
		return err
	}
	rows := [][]string{{"TOPIC", "HOSTS", "UP", "DRAINING", "FAILING"}}
	for _, c := range counts {
		rows = append(rows, []string{c.Topic, strconv.Itoa(c.Hosts), strconv.Itoa(c.Up), strconv.Itoa(c.Draining), strconv.Itoa(c.Failing)})
	}
	return a.printTable(rows)
}

// listed is what --json prints for a host.
type listed struct {
	core.Member
	Left *float64 `json:"ttl_seconds,omitempty"`
}

func (a *app) lsHosts(ctx context.Context, from listing, topic string) error {
	view, err := from.Members(ctx, topic)
	if err != nil {
		return err
	}
	if err := view.Err(); err != nil {
		return err
	}
	ttl, expires := from.(expiring)
	hosts, err := each(view.Members, func(m *core.Member) (listed, error) {
		if !expires {
			return listed{Member: *m}, nil
		}
		left, err := ttl.Remaining(ctx, m.Topic, m.Host)
		s := seconds(left)
		return listed{*m, &s}, err
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return printLines(a, hosts)
	}
	rows := [][]string{{"HOST", "STATE", "TTL", "INSTANCE", "ADDR", "ZONE", "WEIGHT", "LABELS"}}
	for _, h := range hosts {
		rows = append(rows, h.row())
	}
	return a.printTable(rows)
}

func (l listed) row() []string {
	state, left := l.State.String(), ""
	if l.Held {
		state += " (held)"
	}
	if l.Left != nil {
		left = strconv.FormatFloat(*l.Left, 'f', 1, 64) + "s"
	}
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(l.Labels)) {
		labels = append(labels, name+"="+l.Labels[name])
	}
	return []string{l.Host, state, left, shortInstance(l.Instance), l.Addr, l.Zone,
		strconv.Itoa(cmp.Or(l.Weight, 1)), strings.Join(labels, ",")}
}

// shortInstance is the end of an instance, where instances differ.
func shortInstance(instance string) string { return instance[max(0, len(instance)-8):] }

// each calls f for each of these, a few at once, and returns what it returned in order, or an error.
func each[T, U any](these []T, f func(T) (U, error)) ([]U, error) {
	got, errs := make([]U, len(these)), make([]error, len(these))
	turns := make(chan struct{}, 16)
	var going sync.WaitGroup
	for i := range these {
		turns <- struct{}{}
		going.Go(func() {
			got[i], errs[i] = f(these[i])
			<-turns
		})
	}
	going.Wait()
	return got, cmp.Or(errs...)
}
