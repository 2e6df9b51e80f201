package faults

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redismm/matchmaker/integration/faults/hand"
	"github.com/redismm/matchmaker/integration/history"
)

// result is what became of a cell.
type result struct {
	cell
	proof    string
	failed   bool
	took     time.Duration
	events   int
	findings []*history.Finding
	delays   []*history.Histogram
	excused  time.Duration // in which the machine did not let processes run
	stalls   int
}

var (
	results   []*result
	resultsMu sync.Mutex
)

func note(r *result) {
	resultsMu.Lock()
	defer resultsMu.Unlock()
	results = append(results, r)
}

// judge checks every promise over a history, and fails the test where one was broken or hardly looked at.
func (r *result) judge(t *testing.T, h *history.History, b history.Budget) {
	t.Helper()
	r.stalls, r.excused = h.Excused(hand.HeldUp)
	t.Logf("seed %d: %s; %d events in %s; %d times the machine held processes up, %s in all", r.seed, r.proof, r.events,
		r.took.Round(time.Second), r.stalls, r.excused.Round(time.Millisecond))
	for _, promise := range append(slices.Clone(history.Promises), history.Bounded(b)) {
		f := promise(h)
		r.findings = append(r.findings, f)
		t.Log(f)
		if short := f.Short(least[f.Promise]); short != "" {
			t.Errorf("%s was hardly checked: %s", f.Promise, short)
		}
		for _, v := range f.Broken[:min(2, len(f.Broken))] {
			t.Errorf("%s: %s", f.Promise, v)
		}
	}
	r.delays = append(history.Deaths(h), history.Departures(h), history.Convergences(h))
	for _, d := range r.delays {
		line, _, _ := strings.Cut(d.String(), "\n")
		t.Log(line)
	}
	r.failed = t.Failed()
}

// checks is what of a finding's counts are checks of its promise.
var checks = map[string][]string{
	"Complete":          {"pairs", "registrations"},
	"Timely":            {"held", "gone", "picks", "read", "listed of those that died"},
	"NoFlap":            {"views", "absences"},
	"Monotone":          {"turns"},
	"Fenced":            {"listed", "departed", "recoveries"},
	"NeverWronglyEmpty": {"views", "picks", "fresh reads"},
	"Converged":         {"pairs", "leaves", "views compared"},
	"Bounded":           {"seconds"},
}

func checked(f *history.Finding) (n int) {
	for _, what := range checks[f.Promise] {
		n += f.Counted(what)
	}
	return n
}

// delay returns the worst of a kind, and how many there were.
func (r *result) delay(what string) (worst time.Duration, n int) {
	for _, d := range r.delays {
		if d.What == what && len(d.Delays) > 0 {
			return d.Quantile(1), len(d.Delays)
		}
	}
	return 0, 0
}

// thousands writes a number as people read it.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
