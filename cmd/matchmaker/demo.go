package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/core"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Watch hosts come, die and leave, in a quarter of a minute",
		Long: `Starts a Redis inside this process and three hosts with a connection each; kills one, lets another leave, and
prints what somebody who watches them is told and what lookups answer. Everything it prints has happened, when
it says so. It needs nothing, touches nothing else, and ends by itself.`,
		Example: `  matchmaker demo`,
		Args:    operands(0, 0, "no operands"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.JSON {
				return usagef("demo tells a story; it has no --json")
			}
			return runDemo(cmd.Context(), a.stdout, forPeople)
		},
	}
}

const demoTopic = "compute"

// pace is how fast a demo is.
type pace struct {
	freq, ttl time.Duration
	pause     time.Duration // for people to read
	wait      time.Duration // for anything that ought to happen
}

var forPeople = pace{time.Second, 3 * time.Second, 1500 * time.Millisecond, 15 * time.Second}

// demo is the stage: who narrates, and who watches.
type demo struct {
	pace
	url     string
	began   time.Time
	watcher *core.HeartbeatMatchMaker
	seen    chan *core.View

	mu  sync.Mutex // one line at a time
	out io.Writer
}

func runDemo(ctx context.Context, out io.Writer, p pace) error {
	url, stop, err := startEmbedded(embeddedURL)
	if err != nil {
		return err
	}
	defer stop()
	d := &demo{pace: p, url: url, began: time.Now(), seen: make(chan *core.View, 64), out: out}
	if d.watcher, err = d.connect(); err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer func() {
		end()
		watching.Wait()
		d.watcher.Close()
	}()
	d.say("A Redis runs inside this process, at %s. Nothing else is touched.", url)
	d.say("Somebody watches the topic %q. A bar marks what the watch reports.", demoTopic)
	watching.Go(func() { d.watch(ctx) })
	return d.play(ctx)
}

// play lets everything happen.
func (d *demo) play(ctx context.Context) error {
	if err := d.until(ctx, "the first view", showing()); err != nil {
		return err
	}
	d.say("Three hosts register. Each sends a heartbeat every %s, and stays registered for %s without one.", d.freq, d.ttl)
	var hosts []*demoHost
	defer func() {
		for _, h := range hosts {
			h.kill()
		}
	}()
	for _, name := range []string{"node1", "node2", "node3"} {
		h, err := d.register(ctx, name)
		if err != nil {
			return err
		}
		hosts = append(hosts, h)
	}
	if err := d.until(ctx, "three hosts in the view", showing("node1", "node2", "node3")); err != nil {
		return err
	}
	if err := d.breathe(ctx); err != nil {
		return err
	}
	d.say("Lookups of the topic answer one host each, of the fanout key all, of a direct key the one it names:")
	if _, err := d.ask(ctx); err != nil {
		return err
	}
	d.resolve(ctx, "fanout~"+demoTopic)
	d.resolve(ctx, demoTopic+".node2")
	d.say("Heartbeats go on. While nothing changes, the watch reports nothing.")
	if err := d.breathe(ctx); err != nil {
		return err
	}
	return d.death(ctx, hosts)
}

// death is the second act.
func (d *demo) death(ctx context.Context, hosts []*demoHost) error {
	d.say("node2 is killed: its heartbeats stop, and it says goodbye to nobody.")
	hosts[1].kill()
	if err := d.until(ctx, "node2 held", showing("node1", "node2 held", "node3")); err != nil {
		return err
	}
	d.say("Its TTL has lapsed. It is held for one TTL more, in case it was Redis that lost it, but not picked:")
	count, err := d.ask(ctx)
	if err == nil && count["node2"] > 0 {
		err = fmt.Errorf("demo: node2 was picked while it was held")
	}
	if err != nil {
		return err
	}
	if err := d.until(ctx, "node2 gone", showing("node1", "node3")); err != nil {
		return err
	}
	d.say("It did not come back, so it is gone.")
	if err := d.breathe(ctx); err != nil {
		return err
	}
	return d.departures(ctx, hosts)
}

// departures is the third.
func (d *demo) departures(ctx context.Context, hosts []*demoHost) error {
	d.say("node3 is told to stop, and says goodbye. That takes no TTL:")
	if err := hosts[2].depart(); err != nil {
		return err
	}
	if err := d.until(ctx, "node3 gone", showing("node1")); err != nil {
		return err
	}
	if _, err := d.ask(ctx); err != nil {
		return err
	}
	if err := d.breathe(ctx); err != nil {
		return err
	}
	d.say("node1 leaves too. \"Nobody is there\" and \"never heard of\" are different answers:")
	if err := hosts[0].depart(); err != nil {
		return err
	}
	if err := d.until(ctx, "an empty view", showing()); err != nil {
		return err
	}
	d.resolve(ctx, demoTopic)
	d.resolve(ctx, "storage")
	d.say("That was all. For hosts of your own: matchmaker help sidecar, matchmaker help run.")
	return nil
}

// say tells what happens, with the seconds since the beginning.
func (d *demo) say(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.out, "%5.1fs  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}
