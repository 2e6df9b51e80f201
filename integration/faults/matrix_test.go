package faults

import (
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/integration/history"
)

var seed = flag.Uint64("seed", 1, "draw what a cell leaves open from this `number`")

var which = flag.String("cells", "one", "run `all` cells, a quick sample with each fault once, or one")

var histories = flag.String("histories", "", "write the history of each cell to this `folder`")

func (w *world) keep(h *history.History, file string) {
	w.Helper()
	f, err := os.Create(file)
	if err != nil {
		w.Fatal(err)
	}
	defer f.Close()
	if err := history.Write(f, h.Events); err != nil {
		w.Fatal(err)
	}
}

// built is a folder for what the tests build.
var built string

func TestMain(m *testing.M) {
	logging.Disable() // an outage is no news here
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	began := time.Now()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(integration.StuckLinks()...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if *publish == "" {
		return code
	}
	if err := write(*publish, time.Since(began)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// cell is a fault against a topology.
type cell struct {
	fault    fault
	topology string
	ttl      time.Duration
	seed     uint64
}

func (c cell) name() string {
	return fmt.Sprintf("%s/%s/%s", strings.ReplaceAll(c.fault.name, " ", "_"), c.topology, c.ttl)
}

// cells are those that were asked for, those that take longest first.
func cells() []cell {
	var all []cell
	for _, ttl := range []time.Duration{5 * time.Second, time.Second} {
		for _, f := range everyFault() {
			var of []cell
			for _, topology := range everywhere {
				if f.out[topology] == "" {
					c := cell{fault: f, topology: topology, ttl: ttl}
					sum := fnv.New64a()
					fmt.Fprint(sum, *seed, c.name())
					c.seed = sum.Sum64() >> 32
					of = append(of, c)
				}
			}
			switch {
			case len(of) == 0:
			case *which == "all":
				all = append(all, of...)
			case *which == "quick" && ttl == time.Second:
				all = append(all, of[(int(*seed)+len(all))%len(of)])
			case *which == "one" && ttl == time.Second && f.name == "kill -9 of a registrant":
				all = append(all, of[0])
			}
		}
	}
	return all
}

// small is a world that several fit beside each other.
var small = size{registrants: 4, hosts: 12, watchers: 2, pick: 25 * time.Millisecond, read: 200 * time.Millisecond}

// TestPromisesAreKeptThroughEveryFault runs each cell by itself: a world at rest, the fault, and the world until it
// is at rest again.
func TestPromisesAreKeptThroughEveryFault(t *testing.T) {
	all := cells()
	if len(all) == 0 {
		t.Fatalf("no cell is %q: want all, quick or one", *which)
	}
	for _, c := range all { // before the machine has cells to run
		if c.fault.builds != nil {
			if _, err := c.fault.builds(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range all {
		t.Run(c.name(), func(t *testing.T) {
			t.Parallel()
			defer c.enters()()
			c.run(t)
		})
	}
}

// room is for as many cells as run at once. One of a short TTL takes that of two: it does as much in less time, and bears
// the machine's delays less.
var (
	room     = sync.OnceValue(func() chan struct{} { return make(chan struct{}, max(2, parallel())) })
	entering sync.Mutex
)

func parallel() int {
	n, _ := strconv.Atoi(flag.Lookup("test.parallel").Value.String())
	return n
}

// enters waits for room, and returns what gives it up.
func (c cell) enters() (leaves func()) {
	takes := 1
	if c.ttl <= time.Second {
		takes = 2
	}
	entering.Lock()
	defer entering.Unlock()
	for range takes {
		room() <- struct{}{}
	}
	return func() {
		for range takes {
			<-room()
		}
	}
}

func (c cell) servers(t *testing.T) integration.Topology {
	without := func(prefix string) []string {
		return slices.DeleteFunc(slices.Clone(c.fault.options), func(o string) bool { return strings.HasPrefix(o, prefix) })
	}
	if c.topology == sentinel {
		return integration.StartSentinel(t, without("cluster-")...)
	}
	options := without("sentinel ")
	if c.topology == cluster {
		return integration.StartCluster(t, options...)
	}
	return integration.StartRedis(t, options...)
}

func (c cell) run(t *testing.T) {
	began := time.Now()
	on := c.servers(t)
	dsn := on.DSN()
	if c.fault.user != "" {
		dsn = on.As(c.fault.user, "secret")
	}
	w := newWorld(t, on, dsn, core.HeartbeatConfig{Freq: c.ttl / 3, TTL: c.ttl}, c.seed)
	if c.fault.absent {
		w.absent(func() { w.populate(small) })
	} else {
		w.populate(small)
	}
	w.whole()
	w.lasts(w.grace() + w.between(0, w.beat.Freq))
	proof := c.fault.do(w)
	w.lasts(w.grace() + w.between(0, w.beat.Freq))
	w.after()
	w.quiet()
	w.whole()
	h := w.close()
	if *histories != "" {
		w.keep(h, filepath.Join(*histories, strings.ReplaceAll(c.name(), "/", "_")))
	}
	r := &result{cell: c, proof: proof, took: time.Since(began), events: len(h.Events)}
	r.judge(t, h, w.budget(small))
	if note(r); t.Failed() {
		t.Logf("again: go test -run 'Fault/%s$' ./integration/faults -args -cells all -seed %d", regexp.QuoteMeta(c.name()), *seed)
	}
}

// least is how often each promise is to be checked in a cell at least.
var least = map[string]map[string]int{
	"Complete":          {"pairs": 40, "registrations": 40},
	"Timely":            {"held": 16, "gone": 16, "picks": 500, "reads": 80},
	"NoFlap":            {"views": 16, "absences": 24},
	"Monotone":          {"turns": 60},
	"Fenced":            {"departed": 1, "listed": 500},
	"NeverWronglyEmpty": {"views": 16, "picks": 500, "fresh reads": 80},
	"Converged":         {"pairs": 40, "leaves": 1},
	"Bounded":           {"seconds": 5},
}

// budget is what a world may send in any second, also when everyone comes back: for each process and topic
// eight commands a heartbeat and ten besides, and what the lookups that ask send.
func (w *world) budget(s size) history.Budget {
	each := float64((s.registrants + s.watchers + 1) * len(w.topics))
	reads := 5 * float64(s.watchers*len(w.topics)) / s.read.Seconds()
	return history.Budget{Rest: reads + each*8/w.beat.Freq.Seconds(), Peak: int(reads + each*(8/w.beat.Freq.Seconds()+10))}
}
