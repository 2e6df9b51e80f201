package integration_test

import (
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// A crew is a process of its own with many matchmakers in it: this binary again, which does what it is told
// over its standard input and output until that ends.
const crewVariable = "INTEGRATION_CREW"

func init() {
	if os.Getenv(crewVariable) == "" {
		return
	}
	logging.Disable() // an outage is no news here
	server := rpc.NewServer()
	if err := server.Register(new(Crew)); err != nil {
		panic(err)
	}
	server.ServeConn(pipes{os.Stdin, os.Stdout})
	os.Exit(0)
}

type pipes struct {
	io.ReadCloser
	io.WriteCloser
}

func (p pipes) Close() error { p.ReadCloser.Close(); return p.WriteCloser.Close() }

// crew is how the test tells a process what to do.
type crew struct {
	t     *testing.T
	calls *rpc.Client
	kill  func()
}

func startCrew(t *testing.T) *crew {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crewVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &crew{t: t, calls: rpc.NewClient(pipes{out, in})}
	c.kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		c.calls.Close()
	})
	t.Cleanup(c.kill)
	return c
}

// crews are told the same, all at once.
type crews []*crew

func startCrews(t *testing.T, n int) crews {
	t.Helper()
	all := make(crews, n)
	for i := range all {
		all[i] = startCrew(t)
	}
	return all
}

// tell has every process do something, and returns what each replies.
func tell[A, R any](t *testing.T, cs crews, what string, args func(i int) A) []R {
	t.Helper()
	replies, failed := make([]R, len(cs)), make([]error, len(cs))
	var all sync.WaitGroup
	for i, c := range cs {
		all.Go(func() { failed[i] = c.calls.Call("Crew."+what, args(i), &replies[i]) })
	}
	all.Wait()
	for i, err := range failed {
		if err != nil {
			t.Fatalf("process %d of %d, %s: %v", i+1, len(cs), what, err)
		}
	}
	return replies
}

func alike[A any](a A) func(int) A { return func(int) A { return a } }

// open has every process open n matchmakers.
func (cs crews) open(t *testing.T, url string, n int, c core.HeartbeatConfig) {
	t.Helper()
	tell[Opening, int](t, cs, "Open", alike(Opening{url, n, c.Freq, c.TTL}))
}

// keep has every matchmaker register hosts of a topic, each some, and beat them.
func (cs crews) keep(t *testing.T, topic, prefix string, opens, each int) {
	t.Helper()
	tell[Keeping, int](t, cs, "Keep", func(i int) Keeping { return Keeping{topic, prefix, i * opens * each, each} })
}

// watch has every matchmaker watch a topic, and waits until each shows n members. What becomes of members
// with a prefix is noted.
func (cs crews) watch(t *testing.T, topic, prefix string, n int) {
	t.Helper()
	tell[Watching, int](t, cs, "Watch", alike(Watching{topic, prefix, n}))
}

// await waits until n changes in all have been noted by each process.
func (cs crews) await(t *testing.T, each int) {
	t.Helper()
	tell[int, int](t, cs, "Await", alike(each))
}

// sightings returns what was noted since it was last asked for.
func (cs crews) sightings(t *testing.T) []Sighting {
	t.Helper()
	var all []Sighting
	for _, some := range tell[int, []Sighting](t, cs, "Sightings", alike(0)) {
		all = append(all, some...)
	}
	return all
}

// registered waits until a topic has n members.
func registered(t *testing.T, r *integration.Redis, topic string, n int) {
	t.Helper()
	c := r.Client()
	integration.Eventually(t, time.Minute, fmt.Sprintf("%s has %d members", topic, n), func() bool {
		return c.SCard(t.Context(), "mm:{"+topic+"}").Val() == int64(n)
	})
}
