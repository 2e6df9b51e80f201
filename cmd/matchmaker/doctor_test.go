package main

import (
	"strings"
	"testing"

	"github.com/redismm/matchmaker/redismm"
)

func TestDoctorRefusesWhatItCannotExamine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, says string }{
		{"doctor --backend localhost", "doctor: not possible on this backend"},
		{"doctor compute", `doctor wants no operands, not ["compute"]`},
		{"doctor --watch -1s", "--watch is -1s: want 0 or more"},
		{"doctor --redis-url embedded:", `--redis-url is "embedded:"`},
	} {
		r := matchmaker(strings.Fields(c.args)...).run(t)
		if r.code != exitUsage || r.out != "" || !strings.Contains(r.err, c.says) {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
}

func TestDoctorConcludesWithTheWorst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		found []redismm.Finding
		says  string
		code  int
	}{
		{[]redismm.Finding{{Check: "a", Severity: redismm.Fine}}, "All is well.\n", 0},
		{[]redismm.Finding{{Check: "a", Severity: redismm.Warning}, {Check: "b", Severity: redismm.Fine}}, "It works. A word on: a.\n", 0},
		{[]redismm.Finding{{Check: "a", Severity: redismm.Bad}, {Check: "b", Severity: redismm.Bad}, {Check: "a", Severity: redismm.Bad}}, "Bad: a, b.\n", 1},
		{[]redismm.Finding{{Check: "a", Severity: redismm.Warning}, {Check: "b", Severity: redismm.Bad}}, "Bad: b. Worse than need be: a.\n", 1},
	} {
		var out strings.Builder
		code := codeOf((&app{stdout: &out}).conclude(c.found))
		if out.String() != c.says || code != c.code {
			t.Errorf("%+v: exit code %d, %q, want %d, %q", c.found, code, out.String(), c.code, c.says)
		}
	}
}
