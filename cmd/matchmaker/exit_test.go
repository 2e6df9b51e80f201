package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/redismm/matchmaker/core"
)

func TestExitCodesStandForWhatAnErrorComesTo(t *testing.T) {
	broken := core.Invalid("ring file", "ring.json", "want JSON")
	for want, errs := range map[int][]error{
		0:              {nil},
		exitFailed:     {errors.New("another")},
		exitUsage:      {broken, usagef("--register: %w", core.ErrUnavailable), fmt.Errorf("drain: %w", core.ErrUnsupported)},
		exitNoMatch:    {core.ErrNoHosts, core.ErrUnknownTopic, core.ErrNotRegistered},
		exitCannotTell: {core.ErrUnavailable, fmt.Errorf("%w: stale: %w", core.ErrUnavailable, broken), errors.Join(broken, core.ErrUnavailable)},
	} {
		for _, err := range errs {
			if got := codeOf(err); got != want {
				t.Errorf("%v: exit code %d, want %d", err, got, want)
			}
		}
	}
}
