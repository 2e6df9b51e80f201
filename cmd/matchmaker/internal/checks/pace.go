package checks

import (
	"context"
	"strconv"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Pace is how often a check is asked and how many answers it takes to believe it.
type Pace struct {
	// Interval is the time between two questions, and Timeout how long one may take.
	Interval, Timeout time.Duration
	// Rise passes in a row make a check that failed pass again; Fall failures in a row make it fail.
	Rise, Fall int
}

// The defaults.
const (
	DefaultInterval = 2 * time.Second
	DefaultTimeout  = time.Second
	DefaultRise     = 2
	DefaultFall     = 3
)

// Check returns nil for a pace that can be kept, else a [core.ErrInvalid] and the name of its flag.
func (p Pace) Check() (flag string, err error) {
	switch {
	case p.Interval < shortest:
		return "check-interval", core.Invalid("interval", p.Interval.String(), "want at least 10ms")
	case p.Timeout < shortest:
		return "check-timeout", core.Invalid("timeout", p.Timeout.String(), "want at least 10ms")
	case p.Rise < 1:
		return "check-rise", core.Invalid("number", strconv.Itoa(p.Rise), "want at least 1")
	case p.Fall < 1:
		return "check-fall", core.Invalid("number", strconv.Itoa(p.Fall), "want at least 1")
	}
	return "", nil
}

// shortest is the least time between two questions.
const shortest = 10 * time.Millisecond

// Follow asks until ctx ends, the first time at once, and calls tell with each change of the answer: nil at the
// first pass of all and after Rise passes that follow a failure, the last reason after Fall failures. Until the
// first pass it asks ten times as often, since somebody waits for it. tell is called by this goroutine.
func (p Pace) Follow(ctx context.Context, ask func(context.Context) error, tell func(error)) {
	var passes, fails int
	passedOnce, failing := false, false
	for {
		asked := time.Now()
		err := p.once(ctx, ask)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			passes, fails = passes+1, 0
		} else {
			passes, fails = 0, fails+1
		}
		switch {
		case err == nil && (!passedOnce || failing && passes >= p.Rise):
			passedOnce, failing = true, false
			tell(nil)
		case err != nil && !failing && fails >= p.Fall:
			failing = true
			tell(err)
		}
		wait := p.Interval
		if !passedOnce {
			wait /= 10
		}
		select {
		case <-time.After(max(wait-time.Since(asked), shortest)):
		case <-ctx.Done():
			return
		}
	}
}

func (p Pace) once(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	return ask(ctx)
}
