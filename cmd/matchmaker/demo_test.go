package main

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestTheDemoTellsWhatHappened(t *testing.T) {
	t.Parallel()
	var out transcript
	fast := pace{300 * time.Millisecond, 900 * time.Millisecond, 10 * time.Millisecond, 15 * time.Second}
	if err := runDemo(t.Context(), &out, fast); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	rest := out.String()
	for _, next := range []string{
		`Redis runs inside this process, at redis://127\.0\.0\.1:\d+/0`,
		`│ topic was never heard of: "compute"`,
		`Three hosts register`,
		`│ 3 of "compute": node1, node2, node3`,
		`fanout~compute +answered node1, node2, node3`,
		`compute.node2 +answered node2`,
		`node2 is killed`,
		`│ 3 of "compute": node1, node2 held, node3`,
		`compute +answered node`,
		`│ 2 of "compute": node1, node3`,
		`node3 is told to stop`,
		`│ 1 of "compute": node1`,
		`compute +answered node1 12 times`,
		`node1 leaves too`,
		`│ no live hosts for topic "compute"`,
		`compute +answered nobody: no live hosts`,
		`storage +answered nobody: topic was never heard of`,
	} {
		at := regexp.MustCompile(next).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("no %s in what follows of\n%s", next, &out)
		}
		rest = rest[at[1]:]
	}
	for line := range strings.Lines(out.String()) {
		if !regexp.MustCompile(`^ *\d+\.\ds  \S|^ *\d+\.\ds    \S`).MatchString(line) {
			t.Errorf("line %q has no time", line)
		}
	}
}

func TestAStoppedDemoSaysSo(t *testing.T) {
	t.Parallel()
	b := matchmaker("demo").start(t)
	b.out.says(t, "Three hosts register")
	if code := b.end(t); code == 0 {
		t.Errorf("exit code %d", code)
	}
}
