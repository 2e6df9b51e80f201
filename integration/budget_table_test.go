package integration_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redismm/matchmaker/integration/history"
)

// The TestBudget tests run small and judge counts only. With this flag, as `make budgets` sets it, they run at
// the size that is promised, judge times too, and write what they measured.
var budgets = flag.String("budgets", "", "measure at full size, and append the table to this `file`")

func fullSize() bool { return *budgets != "" }

// parallel lets a test run beside others; at full size only if it is not measured by what others leave it.
func parallel(t *testing.T, quiet bool) {
	if !fullSize() || quiet {
		t.Parallel()
	}
}

var table sync.Mutex

// note writes a line of the table that is not judged.
func note(t *testing.T, what, measured string) { t.Helper(); write(t, what, measured, "", "") }

// judge writes a line of the table, and fails the test if the bar is missed.
func judge(t *testing.T, what, measured, bar string, ok bool) {
	t.Helper()
	verdict := "ok"
	if !ok {
		verdict = "NOT OK"
		t.Errorf("%s: %s, want %s", what, measured, bar)
	}
	write(t, what, measured, bar, verdict)
}

// timely judges what a busy machine makes slower: at full size only.
func timely(t *testing.T, what string, took, bar time.Duration) {
	t.Helper()
	if fullSize() {
		judge(t, what, short(took), "at most "+short(bar), took <= bar)
	} else {
		note(t, what, short(took))
	}
}

func write(t *testing.T, what, measured, bar, verdict string) {
	t.Helper()
	line := strings.TrimRight(fmt.Sprintf("%-76s %-34s %-20s %s", what, measured, bar, verdict), " ")
	if !fullSize() {
		t.Log(line)
		return
	}
	table.Lock()
	defer table.Unlock()
	f, err := os.OpenFile(*budgets, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintln(f, line)
}

// delays are how long something took, each time.
type delays []time.Duration

// at returns the delay that p of a hundred do not exceed.
func (d delays) at(p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[max(0, (len(d)*p+99)/100-1)]
}

func (d delays) String() string {
	return fmt.Sprintf("p50 %s p99 %s max %s (%d)", short(d.at(50)), short(d.at(99)), short(d.at(100)), len(d))
}

// draw writes how the delays are spread.
func (d delays) draw(t *testing.T, what string, bound time.Duration) {
	t.Helper()
	for line := range strings.Lines((&history.Histogram{What: what, Bound: bound, Delays: d}).String()) {
		write(t, strings.TrimSuffix(line, "\n"), "", "", "")
	}
}

func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= 100*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}
