package main

import (
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the module's folder, seen from here.
const root = "../.."

var write = flag.Bool("write", false, "write what the mutants of docs/regressions.md do into its table")

func table(t *testing.T) []*mutant {
	t.Helper()
	all, err := readMutants(".")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestEveryMutantCanStillBeMade fails where the code has changed under a mutant.
func TestEveryMutantCanStillBeMade(t *testing.T) {
	all := table(t)
	for _, m := range all {
		if _, err := m.files(root); err != nil {
			t.Error(err)
		}
	}
	if len(all) < 60 {
		t.Errorf("%d mutants, want 60 at least", len(all))
	}
}

func TestMutantsNameTestsThatExist(t *testing.T) {
	declared := make(map[string]string) // by folder, all its tests
	for _, m := range table(t) {
		for _, is := range m.tests {
			if declared[is.folder] == "" {
				files, err := filepath.Glob(filepath.Join(root, is.folder, "*_test.go"))
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range files {
					text, err := os.ReadFile(name)
					if err != nil {
						t.Fatal(err)
					}
					declared[is.folder] += string(text)
				}
			}
			if !strings.Contains(declared[is.folder], "\nfunc "+is.name+"(") {
				t.Errorf("%s: there is no %s in %s", m.from, is.name, is.folder)
			}
		}
	}
}

func TestEveryPromiseHasAMutantThatItsValidatorSees(t *testing.T) {
	for _, promise := range []string{"Complete", "Timely", "NoFlap", "Monotone", "Fenced", "NeverWronglyEmpty", "Converged", "Bounded"} {
		if !slices.ContainsFunc(table(t), func(m *mutant) bool {
			return m.isFor("promise "+promise) && slices.ContainsFunc(m.tests, func(is test) bool {
				return (is.name == "TestPromisesAreKept" || is.name == "TestNoWalkBreaksAPromise") && strings.HasPrefix(is.says, promise+": ")
			})
		}) {
			t.Errorf("no mutant for the promise %s is caught by its validator, in the simulation or a walk", promise)
		}
	}
}

func (m *mutant) isFor(what string) bool { return slices.Contains(strings.Split(m.of, ", "), what) }

// does tells the files that a mutant changes, and how.
func (m *mutant) does() string {
	var files []string
	for _, c := range m.changes {
		name := "`" + strings.TrimPrefix(c.file, "redismm/lua/") + "`"
		if !slices.Contains(files, name) {
			files = append(files, name)
		}
	}
	return strings.Join(files, ", ") + ": " + m.says
}

var testName = regexp.MustCompile("`(\\w+\\.Test\\w+)`")

// TestRegressionsSayWhatTheirMutantsDo: each row of the page has mutants, its last cell says what they do, and each
// of its tests catches one. With -write the page is written so.
func TestRegressionsSayWhatTheirMutantsDo(t *testing.T) {
	const page = root + "/docs/regressions.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| (\d+) \| (.*) \| (.*) \| (.*) \|$`)
	all, checked := table(t), 0
	now := row.ReplaceAllStringFunc(string(text), func(line string) string {
		checked++
		cells := row.FindStringSubmatch(line)
		var does, by []string
		for _, m := range all {
			if m.isFor("regression " + cells[1]) {
				does = append(does, m.does())
				for _, is := range m.tests {
					by = append(by, path.Base(is.folder)+"."+is.name)
				}
			}
		}
		for _, m := range testName.FindAllStringSubmatch(cells[3], -1) {
			if !slices.Contains(by, m[1]) {
				t.Errorf("regression %s: no mutant is caught by %s", cells[1], m[1])
			}
		}
		for _, name := range by {
			if !strings.Contains(cells[3], "`"+name+"`") {
				t.Errorf("regression %s: %s catches a mutant and is not in the table", cells[1], name)
			}
		}
		want := fmt.Sprintf("| %s | %s | %s | %s |", cells[1], cells[2], cells[3], strings.Join(does, "; "))
		if line != want && !*write {
			t.Errorf("regression %s: the last cell is\n%s\nand its mutants say\n%s\n`go test ./integration/mutants -write` writes it",
				cells[1], cells[4], strings.Join(does, "; "))
		}
		return want
	})
	if checked < 27 {
		t.Errorf("%d rows, want 27 at least", checked)
	}
	if *write {
		if err := os.WriteFile(page, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAMutantIsWhatItsLinesSay(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("one\n\ttwo\n\ttwo\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const head = "rule 1: it breaks\ncaught by some/folder TestIt A=1 -race -n=3 says that it does\nin a.go\n"
	for name, c := range map[string]struct{ lines, want, wrong string }{
		"a line goes":               {"-three\n", "one\n\ttwo\n\ttwo\n", ""},
		"the first line":            {"-one\n+1\n", "1\n\ttwo\n\ttwo\nthree\n", ""},
		"a line comes":              {" one\n+more\n", "one\nmore\n\ttwo\n\ttwo\nthree\n", ""},
		"one of two that are alike": {" one\n-\ttwo\n+\t2\n", "one\n\t2\n\ttwo\nthree\n", ""},
		"two changes of a file":     {"-one\nin a.go\n-three\n", "\ttwo\n\ttwo\n", ""},
		"either of two":             {"-\ttwo\n", "", "2 times"},
		"a line that is not there":  {"-four\n", "", "0 times"},
		"a part of a line":          {"-two\n", "", "0 times"},
		"the same as before":        {"-one\n+one\n", "", "the same afterwards"},
		"nothing that is there":     {"+four\n", "", "want once"},
		"no change":                 {"", "", "the same afterwards"},
		"a line of another kind":    {"*four\n", "", "want \"caught by\""},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := parseMutants("x", []byte("# comment\n\n"+head+c.lines))
			var files map[string]string
			if err == nil {
				files, err = all[0].files(dir)
			}
			switch {
			case c.wrong == "" && (err != nil || files["a.go"] != c.want):
				t.Errorf("made is %q, %v, want %q", files["a.go"], err, c.want)
			case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
				t.Errorf("error %v, want %q", err, c.wrong)
			}
		})
	}
	all, err := parseMutants("x", []byte(head+"-one\n"))
	if err != nil {
		t.Fatal(err)
	}
	is := test{folder: "some/folder", name: "TestIt", env: []string{"A=1"}, flags: []string{"-race", "-n=3"}, says: "that it does"}
	if got := all[0]; fmt.Sprint(got) != "rule 1: it breaks" || !reflect.DeepEqual(got.tests, []test{is}) {
		t.Errorf("read is %v with %+v, want %+v", got, got.tests, is)
	}
}

// TestOnlyAJudgementCatches: what a test prints when it fails by itself, and when something else does.
func TestOnlyAJudgementCatches(t *testing.T) {
	is, says := test{folder: "f", name: "TestIt"}, test{folder: "f", name: "TestIt", says: "NoFlap: "}
	const ran, fails, passed = "=== RUN   TestIt\n", "--- FAIL: TestIt (0.00s)\n    it_test.go:1: ", "--- PASS: TestIt (0.00s)\n"
	for name, c := range map[string]struct {
		is    test
		out   string
		wrong string
	}{
		"it fails":                   {is, ran + fails + "no", ""},
		"it passes":                  {is, ran + passed, "does not fail"},
		"another fails":              {is, ran + passed + strings.ReplaceAll(fails, "TestIt", "TestItToo"), "does not fail"},
		"it says so":                 {says, ran + fails + "NoFlap: at 1", ""},
		"it says something else":     {says, ran + fails + "Timely: at 1", "does not say"},
		"it does not compile":        {is, "FAIL\tf [build failed]\n", "does not compile"},
		"it panics":                  {is, ran + fails + "\npanic: nil\n", "judged nothing"},
		"it hangs":                   {is, ran + "panic: test timed out after 3m0s\n", "judged nothing"},
		"it is skipped":              {is, ran + "--- SKIP: TestIt (0.00s)\n", "does not fail"},
		"it says so, and panics":     {says, ran + fails + "NoFlap: at 1\n\npanic: deadlock: main\n", ""},
		"it fails, as it was before": {is, ran + "\n" + fails, ""},
	} {
		if why := catches(c.is, c.out); (why == "") != (c.wrong == "") || !strings.Contains(why, c.wrong) {
			t.Errorf("%s: %q, want %q", name, why, c.wrong)
		}
	}
	if passes(is, ran+passed) != "" || passes(is, ran+fails) == "" || passes(is, "ok f [no tests to run]") == "" {
		t.Error("a test passes that does not, or does not that passes")
	}
}
