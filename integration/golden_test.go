package integration_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// tally counts what became of some scenarios.
type tally struct {
	kinds   map[string]int // of scenarios: plain, keep, invert, skip
	results map[string]int // of scenarios: matched, inverted, left out
	whole   map[string]int // scenarios left out, by reason
	leftOut map[string]int // steps left out, by reason
	answers int            // compared
}

func newTally() *tally {
	return &tally{make(map[string]int), make(map[string]int), make(map[string]int), make(map[string]int), 0}
}

func (a *tally) add(b *tally) {
	for _, both := range [][2]map[string]int{{a.kinds, b.kinds}, {a.results, b.results}, {a.whole, b.whole}, {a.leftOut, b.leftOut}} {
		for k, n := range both[1] {
			both[0][k] += n
		}
	}
	a.answers += b.answers
}

func (a *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plain %d, keep %d, invert %d, skip %d: matched %d, inverted %d, left out %d; %d answers",
		a.kinds["plain"], a.kinds["keep"], a.kinds["invert"], a.kinds["skip"],
		a.results["matched"], a.results["inverted"], a.results["left out"], a.answers)
	for _, reasons := range []struct {
		of     string
		counts map[string]int
	}{{"scenarios", a.whole}, {"steps", a.leftOut}} {
		for _, reason := range slices.Sorted(maps.Keys(reasons.counts)) {
			fmt.Fprintf(&b, "\n\t%d %s left out: %s", reasons.counts[reason], reasons.of, reason)
		}
	}
	return b.String()
}

// The next three tests replay what the original matchmaker answered, compare the answers, and compare the
// counts with those pinned beside the traces.

func TestTheOriginalsAnswersAreKeptInMemory(t *testing.T) {
	replay(t, "memory", func(sc *scenario) bool { return sc.Matchmaker != "redis" }, func(t *testing.T, s *stage) {
		s.t = t
		s.play()
	})
}

func TestTheOriginalsAnswersAreKeptOnMiniredis(t *testing.T) {
	replay(t, "miniredis", onRedis, func(t *testing.T, s *stage) {
		synctest.Test(t, func(t *testing.T) {
			s.t, s.registry = t, newBubbled()
			s.play()
		})
	})
}

func TestTheOriginalsAnswersAreKeptOnRedis(t *testing.T) {
	t.Parallel()
	onTopologies(t, func(t *testing.T, on integration.Topology) { replayOn(t, on, "redis", "") }, nil)
}

// The next two compare all of Redis too: in this layout the keys are the original's.

func TestTheOriginalsKeysAreKeptOnMiniredis(t *testing.T) {
	replay(t, "oslo.miniredis", onRedis, func(t *testing.T, s *stage) {
		synctest.Test(t, func(t *testing.T) {
			s.t, s.registry, s.layout = t, newBubbled(), redismm.LayoutOslo
			s.play()
		})
	})
}

func TestTheOriginalsKeysAreKeptOnRedis(t *testing.T) {
	t.Parallel()
	onTopologies(t, func(t *testing.T, on integration.Topology) { replayOn(t, on, "oslo.redis", redismm.LayoutOslo) },
		map[string]string{"cluster": "the keys of this layout are in different slots of a cluster, and it is refused there"})
}

// replayOn has every topology give the same answers, and as many.
func replayOn(t *testing.T, on integration.Topology, backend, layout string) {
	r := serve(t, on)
	replay(t, backend, onRedis, func(t *testing.T, s *stage) {
		on.All().FlushAll()
		s.t, s.registry, s.layout, s.late = t, r, layout, 5*time.Second
		s.play()
	})
}

func TestTheTracesAreAllThere(t *testing.T) {
	got := make(map[string]int)
	for _, scs := range readTraces(t, recorded) {
		for _, sc := range scs {
			got[sc.kind()]++
		}
	}
	if want := map[string]int{"plain": 261, "keep": 37, "invert": 48, "skip": 6}; !maps.Equal(got, want) {
		t.Errorf("scenarios %v, want %v", got, want)
	}
}

func onRedis(sc *scenario) bool { return sc.Matchmaker == "redis" }

// replay plays the scenarios that are for a backend, and pins what became of them.
func replay(t *testing.T, backend string, isFor func(*scenario) bool, play func(*testing.T, *stage)) {
	files, own := traces(t)
	all := newTally()
	var report strings.Builder
	for _, file := range slices.Sorted(maps.Keys(files)) {
		counted := newTally()
		for _, sc := range files[file] {
			if isFor(sc) {
				t.Run(sc.Name, func(t *testing.T) { counted.add(replayOne(t, sc, play)) })
			}
		}
		if len(counted.kinds) > 0 {
			fmt.Fprintf(&report, "%s: %s\n", file, counted)
			all.add(counted)
		}
	}
	fmt.Fprintf(&report, "all on %s: %s\n", backend, all)
	t.Log("\n" + report.String())
	if own {
		pin(t, "counts."+backend+".txt", report.String())
	}
}

// pin compares counts with a file beside the traces.
func pin(t *testing.T, name, counts string) {
	t.Helper()
	pinned, err := os.ReadFile(filepath.Join(recorded, name))
	if err == nil && string(pinned) == counts {
		return
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name), []byte(counts), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Errorf("the counts are not those in %s (%v): if they are right, take the file from -artifacts",
		filepath.Join(recorded, name), err)
}

// replayOne plays a scenario and counts what became of it.
func replayOne(t *testing.T, sc *scenario, play func(*testing.T, *stage)) *tally {
	s := &stage{sc: sc, tally: newTally()}
	kind := sc.kind()
	s.tally.kinds[kind] = 1
	if kind == "skip" {
		s.tally.whole[skipped(sc)] = 1
		s.tally.results["left out"] = 1
		return s.tally
	}
	play(t, s)
	inverted := sc.decidedFor(s.layout) || s.differed
	switch {
	case kind == "invert" && !inverted:
		t.Error("every answer is the original's, which is wrong here")
	case inverted:
		s.tally.results["inverted"] = 1
	case s.tally.answers == 0:
		s.tally.whole["no answer of it can be compared"] = 1
		s.tally.results["left out"] = 1
	default:
		s.tally.results["matched"] = 1
	}
	return s.tally
}

func skipped(sc *scenario) string {
	if slices.Contains(sc.QuirkIDs, "Q21") {
		return "about Python"
	}
	return "needs a fault between two commands of the original, or its threads"
}
