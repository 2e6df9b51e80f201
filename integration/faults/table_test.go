package faults

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/template"
	"time"
)

var publish = flag.String("publish", "", "write the document with what was found to this `file`")

//go:embed reliability.md
var document string

//go:embed soak.md
var soaked string

// page is what the document says of a run.
type page struct {
	Seed                  uint64
	Commit, Go, Redis     string
	Cores                 int
	Took                  time.Duration
	Cells, Kept, Violated int
	Events                string
	Stalls                int
	Excused               time.Duration
	Promises, Faults, Out []string
	Matrix, Soaks         []string
}

func write(file string, took time.Duration) error {
	text := document
	if *soak > 0 {
		text = soaked
	}
	t, err := template.New("document").Parse(text)
	if err != nil {
		return err
	}
	page := describe(took) // before the file changes what git says of the commit
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return t.Execute(f, page)
}

func said(command string, args ...string) string {
	out, err := exec.Command(command, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func describe(took time.Duration) *page {
	slices.SortStableFunc(results, func(a, b *result) int { return int(a.ttl - b.ttl) })
	p := &page{Seed: *seed, Commit: said("git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude", "*"), Go: runtime.Version(),
		Cores: runtime.NumCPU(), Took: took.Round(time.Second), Cells: len(cells())}
	if words := strings.Fields(said("redis-server", "--version")); len(words) > 2 {
		p.Redis = strings.TrimPrefix(words[2], "v=")
	}
	events := 0
	for _, r := range results {
		events += r.events
		p.Stalls += r.stalls
		p.Excused += r.excused.Round(time.Millisecond)
		if !r.failed {
			p.Kept++
		}
	}
	p.Events = thousands(events)
	p.promises()
	p.faults()
	if *soak > 0 {
		p.Cells = len(everywhere)
		p.soaks()
	}
	p.Violated = p.Cells - p.Kept // those that did not come to their end too
	return p
}

func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |" }

// names of the promises, as the findings are in order.
func names() (all []string) {
	for _, f := range results[0].findings {
		all = append(all, f.Promise)
	}
	return all
}

// delaysOf are what is measured of a promise.
var delaysOf = map[string][]string{
	"Timely":    {"from death to held", "from death to gone"},
	"Converged": {"from the end of a fault to the truth", "from leaving to gone"},
}

func (p *page) promises() {
	if len(results) == 0 {
		return
	}
	for i, name := range names() {
		var n, broken int
		counts := make(map[string]int)
		for _, r := range results {
			f := r.findings[i]
			n += checked(f)
			broken += len(f.Broken)
			for _, c := range f.Counts {
				counts[c.What] += c.N
			}
		}
		p.Promises = append(p.Promises, row(name, fmt.Sprint(len(results)), thousands(n), fmt.Sprint(broken), worst(name)))
	}
}

// worst says what came nearest to the bound of a promise, at each TTL, or went over it.
func worst(promise string) string {
	var all []string
	for _, what := range delaysOf[promise] {
		for _, ttl := range []time.Duration{time.Second, 5 * time.Second} {
			var took, bound time.Duration
			n := 0
			for _, r := range results {
				for _, d := range r.delays {
					if r.ttl != ttl || d.What != what || len(d.Delays) == 0 {
						continue
					}
					n += len(d.Delays)
					if longest := d.Quantile(1); bound == 0 || longest.Seconds()/d.Bound.Seconds() > took.Seconds()/bound.Seconds() {
						took, bound = longest, d.Bound
					}
				}
			}
			if n > 0 {
				all = append(all, fmt.Sprintf("%s, TTL %s: %.1f s of %.1f s (%s)", what, ttl, took.Seconds(), bound.Seconds(), thousands(n)))
			}
		}
	}
	if len(all) == 0 {
		return "–"
	}
	return strings.Join(all, "<br>")
}

func (p *page) faults() {
	for _, f := range everyFault() {
		proof := ""
		for _, topology := range everywhere {
			var line, checked []string
			for _, r := range results {
				if r.fault.name == f.name && r.topology == topology {
					line = append(line, r.String())
					checked = append(checked, r.counts())
					proof = r.proof
				}
			}
			if len(line) > 0 {
				p.Matrix = append(p.Matrix, row(f.name, topology, strings.Join(line, "<br>"), strings.Join(checked, "<br>")))
			}
			if why := f.out[topology]; why != "" {
				p.Out = append(p.Out, row(f.name, topology, why))
			}
		}
		if proof != "" {
			p.Faults = append(p.Faults, row(f.name, proof))
		}
	}
}

func (p *page) soaks() {
	for _, r := range results {
		p.Soaks = append(p.Soaks, row(r.topology, r.took.Round(time.Second).String(), thousands(r.events), r.String(), r.proof))
	}
}

// String is a cell of the table.
func (r *result) String() string {
	verdict := "kept"
	if r.failed {
		verdict = "**NOT KEPT**"
	}
	text := fmt.Sprintf("TTL %s: %s", r.ttl, verdict)
	for _, of := range [][2]string{{"from the end of a fault to the truth", "truth"}, {"from death to held", "held"}, {"from death to gone", "gone"}} {
		if d, n := r.delay(of[0]); n > 0 {
			text += fmt.Sprintf(", %s %.1f s", of[1], d.Seconds())
		}
	}
	return text
}

// counts are how often each promise was checked.
func (r *result) counts() string {
	var all []string
	for _, f := range r.findings {
		all = append(all, thousands(checked(f)))
	}
	return strings.Join(all, " · ")
}
