package simulate

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration/history"
)

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(silence{}) // it says of every dial that it failed
	goleak.VerifyTestMain(m)
}

// some is how long the simulation is where HOURS does not say.
const some = 7 * time.Minute

// scale reads HOURS and SEED, and returns the command by which the same story is told again.
func scale(t *testing.T) (long time.Duration, seed uint64, again string) {
	long, seed = some, 1
	inHours := strconv.FormatFloat(long.Hours(), 'g', -1, 64)
	if text := os.Getenv("HOURS"); text != "" {
		hours, err := strconv.ParseFloat(text, 64)
		if err != nil || hours <= 0 {
			t.Fatalf("HOURS is %q; want a number of hours, as 3 or 0.5", text)
		}
		long, inHours = time.Duration(hours*float64(time.Hour)), text
	}
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("SEED is %q; want a number from 0 on", text)
		}
	}
	return long, seed, fmt.Sprintf("make simulate HOURS=%s SEED=%d", inHours, seed)
}

// TestPromisesAreKept runs the world and checks every promise over its history. HISTORY names a file that the
// history is written to.
func TestPromisesAreKept(t *testing.T) {
	long, seed, again := scale(t)
	fmt.Println(again) // first: it may not come to its end
	t.Cleanup(func() {
		if t.Failed() {
			fmt.Printf("again: %s\n", again)
		}
	})
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	began := time.Now()
	var w *world
	synctest.Test(t, func(t *testing.T) {
		p := script(seed, long)
		w = newWorld(t, p)
		w.play(p, long)
	})
	events := w.recorder.Events()
	if out := os.Getenv("HISTORY"); out != "" {
		keep(t, out, events)
	}
	fmt.Printf("%s of %d hosts in %d topics, in %d processes and %d watchers: %d events, %d commands, in %s\n", long, hosts(), len(sizes),
		len(w.slots), watchers, len(events), w.net.sent.Load(), time.Since(began).Round(time.Second))
	h := history.New(core.DefaultFreq, core.DefaultTTLFactor*core.DefaultFreq, events)
	for _, promise := range append(history.Promises, history.Bounded(budget)) {
		f := promise(h)
		fmt.Println(f)
		if short := f.Short(least(f.Promise, long)); short != "" {
			t.Errorf("%s was hardly checked: %s", f.Promise, short)
		}
		for _, v := range f.Broken[:min(3, len(f.Broken))] {
			t.Errorf("%s: %s", f.Promise, v)
		}
	}
	w.tellFaults(t, long)
	for _, d := range history.Deaths(h) {
		fmt.Print(d)
	}
}

func hosts() (n int) {
	for _, s := range sizes {
		n += s.hosts
	}
	return n
}

// budget is what the world may send: at rest, one command for each process and topic in an interval, two for
// each watcher and topic, and the sweeps; in any second, what everybody sends who comes back in it.
var budget = history.Budget{Rest: 50, Peak: 1000}

// leastAnHour is how often each promise is to be checked in an hour at least.
var leastAnHour = map[string]map[string]int{
	"Complete":          {"pairs": 8000, "registrations": 600},
	"Timely":            {"held": 2000, "gone": 2000, "picks": 10000, "reads": 3000},
	"NoFlap":            {"views": 2000, "absences": 1000, "holds of the living": 2000},
	"Monotone":          {"turns": 3000, "turns to an older": 20},
	"Fenced":            {"departed": 50, "superseded": 5, "recoveries": 1000},
	"NeverWronglyEmpty": {"views": 2000, "picks": 10000, "fresh reads": 3000},
	"Converged":         {"pairs": 12000, "convergences": 8000, "leaves": 400, "views compared": 50},
	"Bounded":           {"seconds": 3500, "minutes at rest": 1},
}

// least is what of it falls to so long a time. The first minutes are not as rich as the hours.
func least(promise string, long time.Duration) map[string]int {
	want := maps.Clone(leastAnHour[promise])
	for what, n := range want {
		want[what] = int(float64(n) * long.Hours())
		if long < time.Hour {
			want[what] /= 4
		}
	}
	return want
}

// tellFaults prints how often each fault took effect. In an hour each must have.
func (w *world) tellFaults(t *testing.T, long time.Duration) {
	for _, what := range slices.Sorted(maps.Keys(w.effects)) {
		tried := w.effects[what] + w.without[what]
		fmt.Printf("%4d of %4d took effect: %s\n", w.effects[what], tried, what)
		if tried > 4*w.effects[what] {
			t.Errorf("%q hardly ever took effect", what)
		}
	}
	if long < time.Hour {
		return
	}
	for _, what := range slices.Concat(ofRegistrants, ofWatchers, ofRegistry, []string{"gone"}) {
		if w.effects[what] == 0 {
			t.Errorf("%q never took effect", what)
		}
	}
}

func keep(t *testing.T, name string, events []history.Event) {
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := history.Write(f, events); err != nil {
		t.Fatal(err)
	}
}
