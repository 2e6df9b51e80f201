package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
)

func (d *demo) connect() (*core.HeartbeatMatchMaker, error) {
	return redismm.Open(context.Background(), d.url, redismm.Config{
		HeartbeatConfig: core.HeartbeatConfig{Freq: d.freq, TTL: d.ttl},
	})
}

// watch tells what a Watch yields.
func (d *demo) watch(ctx context.Context) {
	last := ""
	for v := range d.watcher.Live().Watch(ctx, demoTopic) {
		if text := shown(v); text != last {
			d.say("│ %s", text)
			last = text
		}
		select {
		case d.seen <- v:
		case <-ctx.Done():
		}
	}
}

// shown says what a view shows.
func shown(v *core.View) string {
	if err := v.Err(); err != nil {
		return err.Error()
	}
	text := fmt.Sprintf("%d of %q: %s", len(v.Members), v.Topic, strings.Join(names(v), ", "))
	if v.Stale != nil {
		text += "; the last known, since Redis does not answer in time"
	}
	return text
}

func names(v *core.View) []string {
	var names []string
	for _, m := range v.Members {
		name := m.Host
		if m.Held {
			name += " held"
		}
		names = append(names, name)
	}
	return names
}

// showing accepts the views of these hosts.
func showing(want ...string) func(*core.View) bool {
	return func(v *core.View) bool { return strings.Join(names(v), ",") == strings.Join(want, ",") }
}

// until waits for a view.
func (d *demo) until(ctx context.Context, what string, accept func(*core.View) bool) error {
	ctx, cancel := context.WithTimeout(ctx, d.wait)
	defer cancel()
	for {
		select {
		case v := <-d.seen:
			if accept(v) {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("demo: waiting for %s: %w", what, ctx.Err())
		}
	}
}

// breathe lets people read, and heartbeats come.
func (d *demo) breathe(ctx context.Context) error {
	select {
	case <-time.After(d.pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask looks the topic up a dozen times and tells how often each host was answered.
func (d *demo) ask(ctx context.Context) (count map[string]int, err error) {
	const times = 12
	count = make(map[string]int)
	for range times {
		routes, err := d.watcher.Resolve(ctx, demoTopic)
		if err != nil {
			return nil, err
		}
		count[routes[0].Host]++
	}
	var answers []string
	for _, host := range slices.Sorted(maps.Keys(count)) {
		answers = append(answers, fmt.Sprintf("%s %d times", host, count[host]))
	}
	d.say("  %-16s answered %s", demoTopic, strings.Join(answers, ", "))
	return count, nil
}

// resolve looks a key up and tells the answer.
func (d *demo) resolve(ctx context.Context, key string) {
	routes, err := d.watcher.Resolve(ctx, key)
	if err != nil {
		d.say("  %-16s answered nobody: %v", key, errors.Unwrap(err))
		return
	}
	var hosts []string
	for _, r := range routes {
		hosts = append(hosts, r.Host)
	}
	d.say("  %-16s answered %s", key, strings.Join(hosts, ", "))
}

// demoHost is a host, with a connection of its own.
type demoHost struct {
	mm   *core.HeartbeatMatchMaker
	dead bool
}

func (d *demo) register(ctx context.Context, name string) (*demoHost, error) {
	mm, err := d.connect()
	if err != nil {
		return nil, err
	}
	h := &demoHost{mm: mm}
	_ = mm.Register(ctx, core.Registration{Topic: demoTopic, Host: name}) // what fails is tried again by a heartbeat
	mm.StartHeartbeat()
	return h, nil
}

// kill ends a host without a word.
func (h *demoHost) kill() {
	if !h.dead {
		h.dead = true
		h.mm.Close()
	}
}

// depart is what a host does when it is told to stop.
func (h *demoHost) depart() error {
	stopped, stop := context.WithCancel(context.Background())
	stop()
	defer h.kill()
	return h.mm.Run(stopped)
}
