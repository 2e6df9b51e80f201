package main

import (
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/ringmm"
)

// newLogger logs for people if w is a terminal, unless JSON is asked for; else as JSON.
func newLogger(w io.Writer, json bool) zerolog.Logger {
	if f, ok := w.(*os.File); ok && !json && isatty.IsTerminal(f.Fd()) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05.000"}
	}
	return zerolog.New(w).Hook(zerolog.HookFunc(func(e *zerolog.Event, _ zerolog.Level, _ string) {
		e.Str(zerolog.TimestampFieldName, time.Now().Format("2006-01-02T15:04:05.000Z07:00"))
	}))
}

// happenings are the level and the words of each event.
var happenings = map[core.EventKind]struct {
	level zerolog.Level
	text  string
}{
	core.Registered:   {zerolog.InfoLevel, "registered"},
	core.SupersededBy: {zerolog.WarnLevel, "a newer instance took the place; standing by"},
	core.Returned:     {zerolog.InfoLevel, "the place is free again; registered again"},
	core.Removed:      {zerolog.WarnLevel, "removed by name from outside; not kept any more"},
	core.Lost:         {zerolog.WarnLevel, "the registration may have lapsed; heartbeats go on"},
	core.Recovered:    {zerolog.InfoLevel, "the registration is there again"},
	core.Contested:    {zerolog.ErrorLevel, "two processes take this place from each other"},
	core.Departed:     {zerolog.InfoLevel, "left"},
	core.Degraded:     {zerolog.WarnLevel, "heartbeats fail; trying again"},
	core.Restored:     {zerolog.InfoLevel, "heartbeats succeed again"},
	core.Polling:      {zerolog.WarnLevel, "changes are not heard, and seen up to an interval late"},
}

// observe logs an event of the heartbeat.
func (a *app) observe(e core.Event) {
	h := happenings[e.Kind]
	line := a.log.WithLevel(h.level).Str("event", e.Kind.String())
	if e.Member != nil {
		line.Str("topic", e.Member.Topic).Str("host", e.Member.Host)
		instance(line, "", e.Member)
	}
	if e.Holder != nil {
		instance(line, "holder_", e.Holder)
	}
	if e.Err != nil {
		line.Str("error", a.message(e.Err))
	}
	line.Msg(h.text)
}

func instance(line *zerolog.Event, prefix string, m *core.Member) {
	if m.Addr != "" {
		line.Str(prefix+"addr", m.Addr)
	}
	if m.Instance != "" {
		line.Str(prefix+"instance", m.Instance)
	}
}

// observeRing logs what becomes of the ring file. That a topic is unknown is the answer already.
func (a *app) observeRing(e ringmm.Event) {
	switch e.Kind {
	case ringmm.Loaded, ringmm.Restored:
		a.log.Info().Str("ringfile", e.Path).Msg("the ring file changed; answering from it")
	case ringmm.Refused:
		a.log.Warn().Str("ringfile", e.Path).Err(e.Err).Msg("the ring file cannot be loaded; answering from the ring before")
	}
}
