package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/hostfile"
	"github.com/redismm/matchmaker/cmd/matchmaker/internal/reply"
	"github.com/redismm/matchmaker/core"
)

func (a *app) watchCommand() *cobra.Command {
	var p publication
	c := &cobra.Command{
		Use:   "watch [TOPIC]... [--format FORMAT --out FILE]",
		Short: "Print changes as they happen, or keep a file of hosts",
		Long: `Prints who is there, then each change as a line, until told to stop. Without topics it watches all, and those that
are heard of later. A host whose registration is not in Redis any more, and of which nobody said that it left, is
held for one TTL: Redis may have lost it. When Redis fails, what is known stands, and a line says since when.

With --format and --out it keeps the hosts of one topic in a file instead, for a program that reads one:
  nginx    an upstream, to be included; of those who can be picked
  haproxy  a backend, to be named with another -f; of those who can be picked
  file_sd  targets of Prometheus, of all who have an address
The file is replaced as a whole, keeps its mode, and is written only if it changes. It stays as it is while Redis
fails, while nobody is there (unless --allow-empty), and while what is new does not pass --check. A --check or
--reload that fails, or takes longer than 30s, is logged and tried again. --reload is also run at the start. A host
whose address could break out of the format is left out, and the log says so.`,
		Example: `  matchmaker watch compute
  matchmaker watch web --format nginx --out /etc/nginx/conf.d/web.conf --reload "nginx -s reload"
  matchmaker watch web --format haproxy --out web.cfg --check "haproxy -c -f haproxy.cfg -f {}"
  matchmaker watch --json | jq -c 'select(.change=="held")'`,
		Args: operands(0, -1, "topics"),
		RunE: func(cmd *cobra.Command, topics []string) error { return a.watch(cmd.Context(), topics, p) },
	}
	p.flags(c.Flags())
	if err := c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(hostfile.Formats, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // there is no such flag
	}
	return c
}

// watchable is a listing that can be watched.
type watchable interface {
	listing
	core.Watcher
}

func (a *app) watch(ctx context.Context, topics []string, p publication) error {
	if len(topics) == 0 && a.Backend == "redis" {
		if err := a.needOwnLayout("watch without topics", "keeps no list of them to follow; name some"); err != nil {
			return err
		}
	}
	for _, topic := range topics {
		if err := core.CheckTopic(topic); err != nil && a.Backend == "redis" {
			return usageError{err}
		}
	}
	writes, err := p.wanted(a, topics)
	if err != nil {
		return err
	}
	from, backend, err := a.watchable()
	if err != nil {
		return err
	}
	defer closeSoon(backend)
	ctx, _, release := stopping(ctx)
	defer release()
	if writes {
		p.publish(ctx, a, from, topics[0])
		return nil
	}
	w := &watching{a: a, from: from, seen: make(map[string]bool)}
	defer w.going.Wait()
	for _, topic := range topics {
		w.begin(ctx, topic)
	}
	if len(topics) == 0 {
		w.all(ctx, a.HeartbeatFreq)
	}
	<-ctx.Done()
	return nil
}

// closeSoon does not wait for what a Redis that does not answer holds up.
func closeSoon(c io.Closer) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c.Close()
	}()
	select {
	case <-closed:
	case <-time.After(200 * time.Millisecond):
	}
}

func (a *app) watchable() (watchable, io.Closer, error) {
	switch a.Backend {
	case "redis":
		found, err := a.registry()
		if tells, ok := found.(core.Alerter); ok && err == nil {
			tells.Alert(func() {}, a.observe)
		}
		return found, found, err
	case "ring":
		r, err := a.ring()
		return r, r, err
	}
	return nil, nil, a.needRedis("watch")
}

// watching is the topics under watch, each in a goroutine, and who prints.
type watching struct {
	a     *app
	from  watchable
	going sync.WaitGroup
	seen  map[string]bool
	mu    sync.Mutex // of the output
}

func (w *watching) begin(ctx context.Context, topic string) {
	if w.seen[topic] {
		return
	}
	w.seen[topic] = true
	w.going.Go(func() {
		var last *core.View
		for v := range w.from.Watch(ctx, topic) {
			w.print(reply.Changes(last, v))
			last = v
		}
	})
}

// all watches every topic, and looks for new ones each interval.
func (w *watching) all(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		topics, err := w.topics(ctx)
		if err != nil && ctx.Err() == nil {
			w.a.log.Warn().Str("error", w.a.message(err)).Msg("the topics cannot be listed; trying again")
		}
		for _, topic := range topics {
			w.begin(ctx, topic)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// topics asks for the topics. It does not wait for an answer after the end of ctx, which a Redis that stalls would
// make it: the answer ends with the backend then.
func (w *watching) topics(ctx context.Context) ([]string, error) {
	type answer struct {
		topics []string
		err    error
	}
	answered := make(chan answer, 1)
	asked, cancel := w.a.bounded(ctx)
	go func() {
		defer cancel()
		topics, err := w.from.Topics(asked)
		answered <- answer{topics, err}
	}()
	select {
	case a := <-answered:
		return a.topics, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *watching) print(cs []reply.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range cs {
		if w.a.JSON {
			w.a.printJSON(c)
			continue
		}
		line := fmt.Sprintf("%s  %-7s  %s", c.Time.Format("15:04:05.000"), c.Change, c.Topic)
		if m := c.Member; m != nil {
			line += fmt.Sprintf("  %s  %s", m.Host, m.State)
			if m.Addr != "" {
				line += "  " + m.Addr
			}
		}
		if c.Error != "" {
			line += "  " + w.a.redact(c.Error)
		}
		w.a.say("%s", line)
	}
}
