package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/redismm/matchmaker/integration/bench/figures"
	"github.com/redismm/matchmaker/integration/bench/page"
)

var budgetsPart = part{"budgets", "A fleet of processes: watchers at rest, joins, leaves, crashes", "What `make budgets` measures of watchers and of deaths, at the size that is promised, in processes of their own; the page of its table.", budgets}

// budgets runs tests of integration, which judge by themselves, and takes over what they wrote.
func budgets(t *testing.T, p *page.Part) {
	file := filepath.Join(t.TempDir(), "budgets")
	cmd := exec.Command("go", "test", "-count=1", "-timeout", "10m", "-run", "^TestBudget(Watchers|DeadHosts)", "./integration", "-args", "-budgets", file)
	if *small {
		cmd.Args = append(cmd.Args[:6], "^TestBudgetDeadHosts", "./integration")
	}
	cmd.Dir = "../.."
	out, failed := cmd.CombinedOutput()
	text, err := os.ReadFile(file)
	if *small && failed == nil {
		return
	}
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, failed, out)
	}
	table := p.Table("", "what", "measured", "bar", "")
	for line := range strings.Lines(string(text)) {
		if row := columns(line); row != nil {
			table.Row(row...)
			if strings.HasPrefix(row[0], "share of a core that as many bare PINGs take") {
				p.Judged[len(p.Judged)-1].Limit = row[1] + " of as many bare PINGs"
			}
			judge(p, row)
		}
	}
	p.Note("```\n" + strings.TrimRight(histograms(string(text)), "\n") + "\n```")
}

var apart = regexp.MustCompile(`\s{2,}`)

// columns are the words of a line of the table: what, measured, bar and verdict; nil for a line of a histogram.
func columns(line string) []string {
	words := apart.Split(strings.TrimRight(line, "\n "), -1)
	if len(words) < 2 || words[0] == "" {
		return nil
	}
	return append(words, "", "")[:4]
}

func histograms(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if columns(line) == nil {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return strings.Join(lines, "\n")
}

// judge takes a bar over that is a number: "x 1.70" beside "at most x 2.00".
func judge(p *page.Part, row []string) {
	var measured, bar float64
	if _, err := fmt.Sscanf(row[1], "x %f", &measured); err != nil {
		if _, err := fmt.Sscanf(row[1], "%f %%", &measured); err != nil {
			return
		}
	}
	unit := " ×"
	if _, err := fmt.Sscanf(row[2], "at most x %f", &bar); err != nil {
		if _, err := fmt.Sscanf(row[2], "at most %f %%", &bar); err != nil {
			return
		}
		unit = " %"
	}
	p.Judge("500 watchers of 1,000 members at rest, 5 s: "+row[0], figures.Sample{measured}, unit, figures.AtMost(bar))
}
