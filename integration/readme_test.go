package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redismm/matchmaker/integration"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fenced returns the blocks of a language.
func fenced(text, language string) []string {
	var blocks []string
	for {
		_, after, ok := strings.Cut(text, "\n```"+language+"\n")
		if !ok {
			return blocks
		}
		block, rest, _ := strings.Cut(after, "\n```")
		blocks, text = append(blocks, block), rest
	}
}

func TestReadmesGoCodeCompiles(t *testing.T) {
	t.Parallel()
	blocks := fenced(readme(t), "go")
	if len(blocks) == 0 {
		t.Fatal("no Go code found")
	}
	for _, code := range blocks {
		dir := t.TempDir()
		file := filepath.Join(dir, "main.go")
		if err := os.WriteFile(file, []byte(code+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, code)
		}
		if out, err := exec.Command("gofmt", "-l", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("not formatted: %v %s", err, out)
		}
	}
}

func TestReadmesCommandsTargetsAndFilesExist(t *testing.T) {
	t.Parallel()
	text := readme(t)
	for _, m := range regexp.MustCompile("`make ([^`]+)`|(?m)^make ([^#\n]+)").FindAllStringSubmatch(text, -1) {
		for _, target := range strings.Fields(m[1] + m[2]) {
			cmd := exec.Command("make", "-n", "STAGE=true", target) // stages call make, which -n does not keep from running
			cmd.Dir = root
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("make %s: %s", target, out)
			}
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Error(err)
		}
	}
	tests := functions(t, "integration")
	for _, m := range regexp.MustCompile(`\bTest\w+`).FindAllString(text, -1) {
		if !slices.ContainsFunc(tests, func(name string) bool { return strings.HasPrefix(name, m) }) {
			t.Errorf("there is no %s in integration", m)
		}
	}
}

func TestReadmesConfigurationIsTheCommands(t *testing.T) {
	t.Parallel()
	row := regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\| `([A-Z_]+)` \\| ")
	documented := make(map[string]bool)
	for _, m := range row.FindAllStringSubmatch(readme(t), -1) {
		documented[m[1]] = true
		if want := "MATCHMAKER_" + strings.ToUpper(strings.ReplaceAll(m[1], "-", "_")); m[2] != want {
			t.Errorf("--%s has the variable %s, want %s", m[1], m[2], want)
		}
	}
	help := integration.Matchmaker("help").Run(t).Out + integration.Matchmaker("help", "sidecar").Run(t).Out
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+) `).FindAllStringSubmatch(help, -1) {
		if name := m[1]; name != "help" && name != "version" && !documented[name] {
			t.Errorf("--%s is not in the table", name)
		}
		delete(documented, m[1])
	}
	for name := range documented {
		t.Errorf("--%s is in the table, and is no flag", name)
	}
}

func TestReadmesCommandsAreAllOfThem(t *testing.T) {
	t.Parallel()
	_, help, ok := strings.Cut(integration.Matchmaker("help").Run(t).Out, "Commands:\n")
	help, _, more := strings.Cut(help, "\n\n")
	if !ok || !more {
		t.Fatal("help lists no commands")
	}
	table := strings.Join(regexp.MustCompile("(?m)^\\| `[^|]*").FindAllString(readme(t), -1), "\n")
	for line := range strings.Lines(help) {
		name := strings.Fields(line)[0]
		if n := len(regexp.MustCompile("`"+name+"[ `]").FindAllString(table, -1)); n != 1 {
			t.Errorf("%s is %d times in the table of commands, want once", name, n)
		}
	}
}
