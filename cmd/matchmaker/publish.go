package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/hostfile"
	"github.com/redismm/matchmaker/core"
)

// publication is what watch keeps in a file instead of printing.
type publication struct {
	format, name string
	file         hostfile.File
	allowEmpty   bool
	quiet        time.Duration
}

func (p *publication) flags(f *pflag.FlagSet) {
	f.StringVar(&p.format, "format", "", "keep the hosts in a file, as `nginx`, haproxy or file_sd")
	f.StringVar(&p.file.Path, "out", "", "the `file` that is kept")
	f.StringVar(&p.name, "name", "", "the `name` of the upstream or backend (default the topic)")
	f.StringVar(&p.file.Check, "check", "", "a `command` for sh that a new file must pass; {} is its path")
	f.StringVar(&p.file.Reload, "reload", "", "a `command` for sh that is run when the file was replaced, until it passes; {} is its path")
	f.BoolVar(&p.allowEmpty, "allow-empty", false, "write the file though nobody is there")
	f.DurationVar(&p.quiet, "quiet", 200*time.Millisecond, "how long nothing may change before the file is written; after 5 times as long it is written anyway")
	f.SortFlags = false
}

// wanted says whether a file is to be kept, or why that is not possible.
func (p *publication) wanted(a *app, topics []string) (bool, error) {
	if p.format == "" && p.file.Path == "" {
		for _, flag := range []string{"name", "check", "reload", "allow-empty", "quiet"} {
			if a.cmd.Flags().Changed(flag) {
				return false, usagef("--%s wants --format and --out", flag)
			}
		}
		return false, nil
	}
	switch {
	case !slices.Contains(hostfile.Formats, p.format):
		return false, usageError{core.Invalid("--format", p.format, "want "+strings.Join(hostfile.Formats, ", "))}
	case p.file.Path == "":
		return false, usagef("--format wants --out FILE")
	case len(topics) != 1:
		return false, usagef("--out wants one topic, not %s", quoted(topics))
	case p.quiet < 0:
		return false, usageError{core.Invalid("--quiet", p.quiet.String(), "want 0 or more, such as 200ms")}
	}
	p.name = cmp.Or(p.name, topics[0])
	if p.format != "file_sd" {
		if err := hostfile.CheckName(p.name); err != nil {
			return false, usageError{err}
		}
	}
	if err := p.file.Ready(); err != nil {
		return false, usagef("--out is %q: %w", p.file.Path, err)
	}
	return true, nil
}

// publishing is a publication under way.
type publishing struct {
	*publication
	a       *app
	topic   string
	refused map[string]string // address by host: who was left out, and reported
	unknown bool              // that nobody is there, or that nobody can tell, was reported
	stale   bool              // that what is known is the last known was reported

	next    []byte    // what the file is to hold; nil if it is as it should be
	hosts   int       // in next
	since   time.Time // when next came to differ
	reload  bool      // is still to be done
	failed  int       // tries in a row
	problem string    // the last, which is reported once
}

// publish keeps the file until ctx ends.
func (p *publication) publish(ctx context.Context, a *app, from core.Watcher, topic string) {
	live, end := context.WithCancel(ctx)
	l := core.NewLive(live, from, nil)
	defer l.Wait()
	defer end()
	// A process that died may have replaced the file and told nobody.
	w := &publishing{publication: p, a: a, topic: topic, refused: make(map[string]string), reload: p.file.Reload != ""}
	views := make(chan *core.View)
	go func() {
		defer close(views)
		for v := range l.Watch(ctx, topic) {
			select {
			case views <- v:
			case <-ctx.Done():
			}
		}
	}()
	due := time.NewTimer(0)
	<-due.C
	for first := true; ; {
		select {
		case v, more := <-views:
			if !more {
				return
			}
			if w.see(v) {
				wait := min(p.quiet, time.Until(w.since.Add(5*p.quiet)))
				if first {
					wait = 0
				}
				first = false
				due.Reset(max(0, wait))
			}
		case <-due.C:
			if again := w.do(ctx); again > 0 {
				due.Reset(again)
			}
		}
	}
}

// see takes a view, and says whether there is something to do.
func (w *publishing) see(v *core.View) bool {
	if err := v.Err(); errors.Is(err, core.ErrUnavailable) {
		w.notYet(w.a.message(err) + "; the file is left as it is")
		return false
	} else if errors.Is(err, core.ErrUnknownTopic) && w.file.Exists() { // a loss of data looks like it, and a mistyped name
		w.notYet(w.a.message(err) + "; the file is left as it is, and would be written if there were none")
		return false
	}
	if stale := v.Stale != nil; stale != w.stale {
		if w.stale = stale; stale {
			w.a.log.Warn().Str("topic", w.topic).Str("error", w.a.message(v.Stale)).Msg("Redis cannot be asked; the file stays as it is")
		} else {
			w.a.log.Info().Str("topic", w.topic).Msg("Redis can be asked again")
		}
	}
	text, hosts := hostfile.Render(w.format, w.name, v, w.refuse)
	if hosts == 0 && !w.allowEmpty {
		w.next = nil
		w.notYet("nobody is there who could be written; the file is left as it is, for want of --allow-empty")
		return false
	}
	w.unknown = false
	if w.file.Holds(text) {
		w.next = nil
		return w.reload
	}
	if w.next == nil {
		w.since = time.Now()
	} else if bytes.Equal(text, w.next) {
		return false // as it was about to be
	}
	w.next, w.hosts, w.failed = text, hosts, 0
	return true
}

// do writes what is to be written and reloads who is to be told. It returns when to try again, 0 for not.
func (w *publishing) do(ctx context.Context) time.Duration {
	err := w.try(ctx)
	if ctx.Err() != nil {
		return 0
	}
	if err == nil {
		if w.problem != "" {
			w.a.log.Info().Str("file", w.file.Path).Msg("mended")
		}
		w.failed, w.problem = 0, ""
		return 0
	}
	if text := w.a.redact(err.Error()); text != w.problem {
		w.problem = text
		w.a.log.Error().Str("topic", w.topic).Str("file", w.file.Path).Str("error", text).Msg("failed; trying again")
	}
	const first, longest = 500 * time.Millisecond, 30 * time.Second
	w.failed++
	return min(longest, first<<min(w.failed-1, 10))
}

func (w *publishing) try(ctx context.Context) error {
	if w.next != nil {
		if err := w.file.Replace(ctx, w.next); err != nil {
			return err
		}
		w.a.log.Info().Str("topic", w.topic).Str("file", w.file.Path).Int("hosts", w.hosts).Msg("written")
		w.next, w.reload = nil, w.file.Reload != ""
	}
	if w.reload {
		if err := w.file.Reloaded(ctx); err != nil {
			return err
		}
		w.reload = false
	}
	return nil
}

// notYet reports once why nothing is written.
func (w *publishing) notYet(why string) {
	if !w.unknown {
		w.a.log.Warn().Str("topic", w.topic).Str("file", w.file.Path).Msg(why)
	}
	w.unknown = true
}

// refuse reports once that a host is left out.
func (w *publishing) refuse(m *core.Member) {
	if w.refused[m.Host] != m.Addr {
		w.refused[m.Host] = m.Addr
		w.a.log.Warn().Str("topic", w.topic).Str("host", m.Host).Str("addr", m.Addr).
			Msg("left out of the file: its address is neither an IP nor the name of a host")
	}
}
