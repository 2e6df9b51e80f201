package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/integration/bench/figures"
	"github.com/redismm/matchmaker/integration/bench/page"
)

var programPart = part{"program", "The program", `The binary as ` + "`go build`" + ` makes it. A sidecar's start is from the start of its process until Redis lists its host; a one-shot lookup is a process from its start to its end,
of a topic of 1,000 hosts. Memory is the resident set of a sidecar with one registration, at rest, and with a topic of 1,000 hosts that it answers for over HTTP; for comparison,
the redis-server that keeps them.`, program}

// builtIn is where the binary is, once it was built.
var builtIn string

// binary is the matchmaker, built as `make build` does it, in its own module. TestMain removes it.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "matchmaker-bench-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	path := filepath.Join(dir, "matchmaker")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "./cmd/matchmaker")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the matchmaker: %w: %s", err, out)
	}
	return path, nil
})

func matchmaker(t *testing.T, args ...string) integration.Command {
	t.Helper()
	path, err := binary()
	must(t, err)
	c := integration.Matchmaker(args...)
	c.Path = path
	return c
}

func program(t *testing.T, p *page.Part) {
	s := start(t)
	h := keeper(t, s.URL, calm)
	must(t, h.Register(within(t), registrations("compute", 0, 1000)...))
	environment := []string{"MATCHMAKER_REDIS_URL=" + s.URL}
	_, err := binary() // to build it is no part of a start
	must(t, err)
	var starts, lookups figures.Sample
	for i := range sized(11, 2) {
		host := fmt.Sprint("sidecar", i)
		began := time.Now()
		sidecar := matchmaker(t, "sidecar", "--register", "web="+host, "--listen", "off").With(environment...).Start(t)
		key := "mm:{web}@" + host
		for s.client.Exists(t.Context(), key).Val() == 0 && time.Since(began) < longest {
			time.Sleep(200 * time.Microsecond)
		}
		starts = append(starts, time.Since(began).Seconds())
		sidecar.Kill()
		began = time.Now()
		if r := matchmaker(t, "resolve", "compute").With(environment...).Run(t); r.Code != 0 {
			t.Fatal(r)
		}
		lookups = append(lookups, time.Since(began).Seconds())
	}
	path, err := binary()
	must(t, err)
	size, err := os.Stat(path)
	must(t, err)
	at := freeAddress(t)
	sidecar := matchmaker(t, "sidecar", "--register", "web=memory", "--listen", at).With(environment...).Start(t)
	var small, large float64
	integration.Eventually(t, longest, "the sidecar answers", func() bool { return answers("http://" + at + "/v1/registrations") })
	time.Sleep(2 * time.Second)
	small = resident(t, sidecar.Pid())
	integration.Eventually(t, longest, "the sidecar knows the topic", func() bool { return answers("http://" + at + "/v1/resolve/fanout~compute") })
	time.Sleep(2 * time.Second)
	large = resident(t, sidecar.Pid())
	table := p.Table("", "what", "median", "spread")
	for _, x := range []struct {
		what string
		of   figures.Sample
	}{{"a sidecar, from its start to its host in Redis", starts}, {"matchmaker resolve compute, from start to end", lookups}} {
		least, most := x.of.Spread()
		table.Row(x.what, page.Seconds(x.of.Median()), page.Seconds(least)+" to "+page.Seconds(most))
	}
	table.Row("size of the binary", page.Bytes(float64(size.Size())), "")
	table.Row("resident memory of a sidecar with one registration", page.Bytes(small), "")
	table.Row("resident memory of a sidecar that follows 1,000 hosts", page.Bytes(large), "")
	table.Row("resident memory of the redis-server", page.Bytes(resident(t, s.Pid())), "")
	opened(t, s, table)
}

// opened measures a program that uses the library, from Open to the first lookup's answer.
func opened(t *testing.T, s *server, table *page.Table) {
	t.Helper()
	var took figures.Sample
	for range sized(21, 2) {
		began := time.Now()
		h := keeper(t, s.URL, core.HeartbeatConfig{})
		_, err := h.Resolve(t.Context(), "compute")
		must(t, err)
		took = append(took, time.Since(began).Seconds())
		h.Close()
	}
	least, most := took.Spread()
	table.Row("redismm.Open until the first Resolve of 1,000 hosts answers", page.Seconds(took.Median()), page.Seconds(least)+" to "+page.Seconds(most))
}

// resident is VmRSS of a process, or 0 where there is no /proc.
func resident(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kilobytes float64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		t.Error(err)
	}
	return 1024 * kilobytes
}
