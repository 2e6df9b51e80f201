package page

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/integration/bench/figures"
)

func some() *Page {
	part := &Part{Name: "reads", Title: "Reads", Method: "Read over and over.", Took: 3 * time.Second}
	part.Judge("reads beside a|b", figures.Sample{1, 3, 2}, " ×", figures.AtLeast(1.5)).Limit = "4 µs of bare reads"
	part.Judge("writes", figures.Sample{5}, " bytes", figures.AtMost(4))
	part.Fit(figures.Law{What: "a read", With: "hosts", Power: 1}, figures.Point{Size: 10, Cost: 1}, figures.Point{Size: 1000, Cost: 100})
	part.Table("What it took:", "hosts", "took").Row("10", Seconds(0.00123))
	part.Plot(Plot{Name: "reads", Title: "Reads & <more>", X: "hosts", Y: "seconds",
		Lines: []Line{{"ours", []figures.Point{{Size: 1, Cost: 0.01}, {Size: 100, Cost: 0.5}}}, {"none", nil}}})
	return &Page{Machine: [][2]string{{"cores", "2"}}, Command: "make it", Parts: []*Part{part}, Took: time.Minute}
}

func TestThePageShowsWhatWasMissed(t *testing.T) {
	p := some()
	text := p.String()
	for _, want := range []string{
		"1 missed.",
		`| reads beside a\|b | ≥ 1.5 × | 2 × | 1 to 3 | 4 µs of bare reads | kept |`,
		"| writes | ≤ 4 bytes | 5 bytes | 5 to 5 |  | **missed** |",
		"| a read | hosts | in proportion | 10 to 1,000 | 1.00 | 1.00 | kept |",
		"| hosts | took | \n|---|---|\n| 10 | 1.23 ms |",
		"`make bench-report ONLY=reads`, 3s. Read over and over.",
		"![Reads & <more>](performance/reads.svg)",
		"| cores | 2 |\n| took | 1m0s |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q:\n%s", want, text)
		}
	}
	if p.Parts[0].Judged = p.Parts[0].Judged[:1]; !strings.Contains(p.String(), "All kept.") {
		t.Error("nothing is missed, and the page does not say so")
	}
}

func TestThePlotsAreWrittenBesideThePage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "performance.md")
	for range 2 { // what an earlier run left is gone
		if err := some().Write(file); err != nil {
			t.Fatal(err)
		}
		written, err := os.ReadDir(strings.TrimSuffix(file, ".md"))
		if err != nil || len(written) != 1 || written[0].Name() != "reads.svg" {
			t.Fatalf("%v, %v; want reads.svg alone", written, err)
		}
		if err := os.WriteFile(filepath.Join(strings.TrimSuffix(file, ".md"), "old.svg"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPlotIsWellFormedAndWithinItsFrame(t *testing.T) {
	for _, plain := range []bool{false, true} {
		p := some().Parts[0].Plots[0]
		p.Plain = plain
		d := xml.NewDecoder(strings.NewReader(p.SVG()))
		circles := 0
		for {
			token, err := d.Token()
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "circle" {
				circles++
				for _, a := range e.Attr {
					if strings.HasPrefix(a.Value, "-") || strings.Contains(a.Value, "N") {
						t.Errorf("plain %v: a point at %s=%s", plain, a.Name.Local, a.Value)
					}
				}
			}
		}
		if circles != 2 {
			t.Errorf("plain %v: %d points, want 2", plain, circles)
		}
	}
}

func TestNumbersHaveThreeDigitsAndUnits(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 1: "1", 1.2345: "1.23", 99.96: "100", 0.012345: "0.0123", 123456: "123,000",
		1000: "1,000", 999.9: "1,000", -1234567: "-1,230,000", 350: "350"} {
		if got := Number(x); got != want {
			t.Errorf("%v is written %q, want %q", x, got, want)
		}
	}
	for x, want := range map[float64]string{1.5: "1.5 s", 0.0123: "12.3 ms", 4.5e-5: "45 µs", 2e-8: "20 ns", 0: "0 ns"} {
		if got := Seconds(x); got != want {
			t.Errorf("%v s is written %q, want %q", x, got, want)
		}
	}
	for x, want := range map[float64]string{12: "12 bytes", 1.5e3: "1.5 kB", 2.25e6: "2.25 MB", 7e9: "7 GB"} {
		if got := Bytes(x); got != want {
			t.Errorf("%v bytes are written %q, want %q", x, got, want)
		}
	}
}
