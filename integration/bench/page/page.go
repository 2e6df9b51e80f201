// Package page writes the report: a page of tables, and its plots as SVG.
package page

import (
	"cmp"
	_ "embed"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/redismm/matchmaker/integration/bench/figures"
)

// Page is the report of one run.
type Page struct {
	// Machine says where it ran, Command how, in words and figures: what is named, then what it is.
	Machine [][2]string
	Command string
	Parts   []*Part
	Took    time.Duration
}

// Part is one benchmark. Its methods add to it, in the order in which they are called.
type Part struct {
	Name, Title string
	// Method says what was done, in a paragraph.
	Method string
	Judged []Judged
	Fits   []figures.Fit
	Tables []Table
	Plots  []Plot
	Notes  []string
	Took   time.Duration
}

// Judged is a figure with its bar.
type Judged struct {
	What     string
	Measured figures.Sample
	Unit     string // behind figures, such as " ×" or " bytes"
	Bar      figures.Bar
	// Limit says what the least that could do it took in the same run, where the bar is no ratio and so is the machine's too.
	Limit string
}

// Table is what was measured beside what.
type Table struct {
	Caption string
	Head    []string
	Rows    [][]string
}

// Judge adds a figure with its bar.
func (p *Part) Judge(what string, measured figures.Sample, unit string, bar figures.Bar) *Judged {
	p.Judged = append(p.Judged, Judged{What: what, Measured: measured, Unit: unit, Bar: bar})
	return &p.Judged[len(p.Judged)-1]
}

// Fit adds a law held against points.
func (p *Part) Fit(l figures.Law, points ...figures.Point) figures.Fit {
	f := l.Fits(points...)
	p.Fits = append(p.Fits, f)
	return f
}

// Table adds a table, whose rows are of as many words as its head.
func (p *Part) Table(caption string, head ...string) *Table {
	p.Tables = append(p.Tables, Table{Caption: caption, Head: head})
	return &p.Tables[len(p.Tables)-1]
}

// Row adds a row.
func (t *Table) Row(words ...string) { t.Rows = append(t.Rows, words) }

// Note adds a paragraph.
func (p *Part) Note(text string) { p.Notes = append(p.Notes, text) }

// Plot adds a plot.
func (p *Part) Plot(x Plot) { p.Plots = append(p.Plots, x) }

// Missed counts the bars that were missed and the laws that were broken.
func (p *Page) Missed() (n int) {
	for _, part := range p.Parts {
		for _, j := range part.Judged {
			if !j.Bar.Kept(j.Measured) {
				n++
			}
		}
		for _, f := range part.Fits {
			if !f.Kept() {
				n++
			}
		}
	}
	return n
}

//go:embed page.md
var text string

var pages = template.Must(template.New("page").Funcs(template.FuncMap{
	"number": Number, "verdict": verdict, "cell": cell, "rule": rule, "short": short,
	"measured": func(j Judged) string { return Number(j.Measured.Median()) + j.Unit },
	"bar":      func(j Judged) string { return j.Bar.Sign() + " " + Number(j.Bar.At()) + j.Unit },
	"spread": func(j Judged) string {
		least, most := j.Measured.Spread()
		return Number(least) + " to " + Number(most)
	},
	"kept":  func(j Judged) bool { return j.Bar.Kept(j.Measured) },
	"power": power,
}).Parse(text))

// String is the page as Markdown, with its plots in a folder that is called performance.
func (p *Page) String() string {
	var b strings.Builder
	if err := pages.Execute(&b, p); err != nil {
		panic(err) // the template is of this package
	}
	return b.String()
}

// Write writes the page to a file, and its plots to the folder beside it that is called as the file is.
func (p *Page) Write(file string) error {
	folder := strings.TrimSuffix(file, filepath.Ext(file))
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var failed error
	for _, part := range p.Parts {
		for _, plot := range part.Plots {
			failed = cmp.Or(failed, os.WriteFile(filepath.Join(folder, plot.Name+".svg"), []byte(plot.SVG()), 0o644))
		}
	}
	return cmp.Or(failed, os.WriteFile(file, []byte(p.String()), 0o644))
}

func verdict(kept bool) string {
	if kept {
		return "kept"
	}
	return "**missed**"
}

// cell is text within a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func rule(head []string) string { return strings.Repeat("---|", len(head)) }

func short(d time.Duration) string { return d.Round(time.Second).String() }

// power is a law in words.
func power(x float64) string {
	switch x {
	case 0:
		return "not at all"
	case 1:
		return "in proportion"
	}
	return "with its power " + Number(x)
}
