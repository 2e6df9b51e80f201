package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/core"
)

// The exit codes. Of several answers the highest counts.
const (
	exitFailed     = 1
	exitUsage      = 2
	exitNoMatch    = 3
	exitCannotTell = 4
)

// usageError says that the command line or the environment is wrong.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitCode ends the command with a code; what there was to say has been said.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// codeOf returns the exit code that stands for err.
func codeOf(err error) int {
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, new(usageError)):
		return exitUsage
	case cannotTell(err): // whatever the reason is: a ring file may have become invalid since
		return exitCannotTell
	case errors.Is(err, core.ErrInvalid), errors.Is(err, core.ErrUnsupported):
		return exitUsage
	case errors.Is(err, core.ErrNoMatch), errors.Is(err, core.ErrNotRegistered):
		return exitNoMatch
	}
	return exitFailed
}

func cannotTell(err error) bool {
	return errors.Is(err, core.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
}

func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// exit reports err and returns its exit code.
func (a *app) exit(cmd *cobra.Command, err error) int {
	if code := exitCode(0); err != nil && !errors.As(err, &code) {
		fmt.Fprintln(a.stderr, "matchmaker:", a.message(err))
		if errors.As(err, new(usageError)) {
			fmt.Fprintln(a.stderr, "see", seeHelp(cmd))
		}
	}
	return codeOf(err)
}

func seeHelp(cmd *cobra.Command) string {
	if cmd.HasParent() && cmd.Name() != "help" {
		return "matchmaker help " + cmd.Name()
	}
	return "matchmaker help"
}

// message is the text of err for people: without passwords, and where nobody can tell, with who was asked
// and who said to ask there.
func (a *app) message(err error) string {
	text := err.Error()
	if a.asksOnce && timedOut(err) {
		text += fmt.Sprintf("; no answer within %s (%s)", a.Timeout, a.origin("timeout"))
	}
	if at := redisAddress(a.RedisURL); cannotTell(err) && strings.Contains(text, at) {
		text += fmt.Sprintf("; the address is from %s", a.origin("redis-url"))
	} else if cannotTell(err) {
		text += fmt.Sprintf("; Redis at %s, from %s", at, a.origin("redis-url"))
	}
	return a.redact(text)
}
