package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var pace = Pace{Interval: 2 * time.Second, Timeout: time.Second, Rise: 2, Fall: 3}

var errSick = errors.New("sick")

// told is what Follow tells of answers, a letter each: "." passes, "x" fails; each with the time of the first word.
func told(t *testing.T, p Pace, answers string) string {
	var words []string
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		began, i := time.Now(), 0
		p.Follow(ctx, func(context.Context) error {
			defer func() { i++ }()
			if i == len(answers) {
				stop()
			}
			if i < len(answers) && answers[i] == '.' {
				return nil
			}
			return errSick
		}, func(err error) {
			word := "passes"
			if err != nil {
				word = "fails"
			}
			words = append(words, fmt.Sprintf("%s %s", word, time.Since(began)))
		})
	})
	return strings.Join(words, ", ")
}

func TestThresholdsDecideWhatIsTold(t *testing.T) {
	t.Parallel()
	for answers, want := range map[string]string{
		"....":         "passes 0s",
		".xx.xx.":      "passes 0s",
		".xxx":         "passes 0s, fails 6s",
		".xxx.x..":     "passes 0s, fails 6s, passes 14s",
		"x.":           "passes 200ms",
		"xxxxx.":       "fails 400ms, passes 1s",
		"xxxx.xxx.":    "fails 400ms, passes 800ms, fails 6.8s",
		".xxxxxxx..xx": "passes 0s, fails 6s, passes 18s",
	} {
		if got := told(t, pace, answers); got != want {
			t.Errorf("%s: %s, want %s", answers, got, want)
		}
	}
	quick := Pace{Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 1}
	if got, want := told(t, quick, ".x.x"), "passes 0s, fails 1s, passes 2s, fails 3s"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAnAnswerThatDoesNotComeIsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		pace.Follow(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, func(err error) {
			if want := 3*pace.Timeout + 2*shortest; err == nil || time.Since(began) != want {
				t.Errorf("told %v after %s, want a failure after %s", err, time.Since(began), want)
			}
			stop()
		})
	})
}

func TestAPaceThatCannotBeKeptIsRefused(t *testing.T) {
	t.Parallel()
	for flag, wrong := range map[string]Pace{
		"check-interval": {Timeout: time.Second, Rise: 1, Fall: 1},
		"check-timeout":  {Interval: time.Second, Rise: 1, Fall: 1},
		"check-rise":     {Interval: time.Second, Timeout: time.Second, Fall: 1},
		"check-fall":     {Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: -1},
	} {
		if got, err := wrong.Check(); got != flag || err == nil {
			t.Errorf("%+v: %s, %v, want %s refused", wrong, got, err, flag)
		}
	}
	if flag, err := pace.Check(); flag != "" || err != nil {
		t.Errorf("%+v: %s, %v", pace, flag, err)
	}
}
