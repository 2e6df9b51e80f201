package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/reply"
	"github.com/redismm/matchmaker/core"
)

func (a *app) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch [TOPIC]...",
		Short: "Print changes as they happen",
		Long: `Prints who is there, then each change as a line, until told to stop. Without topics it watches all, and those that
are heard of later. A host whose registration is not in Redis any more, and of which nobody said that it left, is
held for one TTL: Redis may have lost it. When Redis fails, what is known stands, and a line says since when.`,
		Example: `  matchmaker watch compute
  matchmaker watch --json | jq -c 'select(.change=="held")'`,
		Args: operands(0, -1, "topics"),
		RunE: a.watch,
	}
}

// watchable is a listing that can be watched.
type watchable interface {
	listing
	core.Watcher
}

func (a *app) watch(cmd *cobra.Command, topics []string) error {
	if len(topics) == 0 && a.Backend == "redis" {
		if err := a.needOwnLayout("watch without topics", "keeps no list of them to follow; name some"); err != nil {
			return err
		}
	}
	from, backend, err := a.watchable()
	if err != nil {
		return err
	}
	defer closeSoon(backend)
	for _, topic := range topics {
		if err := core.CheckTopic(topic); err != nil && a.Backend == "redis" {
			return usageError{err}
		}
	}
	ctx, _, release := stopping(cmd.Context())
	defer release()
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
