package bench

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/version"

	"github.com/redismm/matchmaker/integration/bench/page"
)

var (
	publish = flag.String("publish", "", "measure, and write the report to this `file` and the folder beside it")
	only    = flag.String("only", "", "measure the parts whose names match this `regexp`, and print them")
	small   = flag.Bool("small", false, "measure small sizes in few rounds, to try the benchmarks")
)

func TestMain(m *testing.M) {
	code := m.Run()
	if builtIn != "" {
		os.RemoveAll(builtIn)
	}
	os.Exit(code)
}

// part is one benchmark.
type part struct {
	name, title, method string
	run                 func(t *testing.T, p *page.Part)
}

// parts are in the order of the page.
var parts = []part{cachedPart, topicPart, fanoutPart, freshPart, beatsPart, topicsPart, millionPart, memoryPart,
	processesPart, watchersPart, changesPart, budgetsPart, recoveryPart, grpcPart, programPart, apiPart, clusterPart, paperPart}

// sized is a size, or what is enough to try a benchmark.
func sized(full, enough int) int {
	if *small {
		return enough
	}
	return full
}

// rounds is how often what is compared takes its turn.
func rounds() int { return sized(7, 2) }

func TestReport(t *testing.T) {
	if *publish == "" && *only == "" {
		t.Skip("measures for 20 minutes: make bench-report")
	}
	wanted, err := regexp.Compile(*only)
	must(t, err)
	began := time.Now()
	report := &page.Page{Machine: machine(t), Command: "make bench-report"}
	for _, x := range parts {
		if !wanted.MatchString(x.name) {
			continue
		}
		p := &page.Part{Name: x.name, Title: x.title, Method: x.method}
		began := time.Now()
		if !t.Run(x.name, func(t *testing.T) { x.run(t, p) }) {
			p = &page.Part{Name: x.name, Title: x.title, Method: x.method}
			p.Note("**It could not be measured in this run.**")
		}
		p.Took = time.Since(began)
		report.Parts = append(report.Parts, p)
		fmt.Fprintf(os.Stderr, "%s: %s\n", x.name, p.Took.Round(time.Second))
	}
	report.Took = time.Since(began)
	if left := len(parts) - len(report.Parts); left > 0 {
		report.Machine = append(report.Machine, [2]string{"left out", fmt.Sprintf("%d of %d parts, which this run did not measure", left, len(parts))})
	}
	if *publish == "" {
		fmt.Println(report)
		return
	}
	must(t, report.Write(*publish))
	fmt.Printf("%s: %d bars and laws missed, %s\n", *publish, report.Missed(), report.Took.Round(time.Second))
}

// machine says where this is.
func machine(t *testing.T) [][2]string {
	t.Helper()
	said := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).Output()
		if err != nil {
			return "unknown"
		}
		return strings.TrimSpace(string(out))
	}
	model := "unknown"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(text), "model name\t: "); ok {
			model, _, _ = strings.Cut(rest, "\n")
		}
	}
	commit := said("git", "rev-parse", "--short=12", "HEAD")
	if said("git", "status", "--porcelain", "--", "../../core", "../../redismm", ".") != "" {
		commit += ", and changes"
	}
	return [][2]string{
		{"cores", fmt.Sprintf("%d × %s", runtime.NumCPU(), model)},
		{"system", said("uname", "-sr")},
		{"Go", runtime.Version()},
		{"Redis", said("redis-server", "--version")},
		{"etcd", version.Version + ", a process of its own, which does not wait for its disk"},
		{"Consul", consulVersion()},
		{"commit", commit},
		{"rounds", fmt.Sprintf("%d of each, in turns, after one that does not count; more or fewer where it says so", rounds())},
		{"date", time.Now().UTC().Format("2006-01-02")},
	}
}
