package redismm

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	walkSeed = flag.Uint64("walk.seed", 0, "seed of the first walk; 0: from the clock")
	walks    = flag.Int("walk.n", 2000, "number of walks")
)

// mishap is something that befalls the world.
type mishap struct {
	at   time.Duration
	what string
	who  uint64 // any number: whom it befalls
	d    time.Duration
}

func (m mishap) String() string { return fmt.Sprintf("%s %s %d %s", m.at, m.what, m.who, m.d) }

// kinds of mishaps, some more often than others.
var mishaps = map[string]func(w *world, m mishap){
	"flush":          (*world).flush,
	"evict a place":  (*world).evictPlace,
	"evict the set":  (*world).evictSet,
	"evict and go":   (*world).evictSetAndTheFirst,
	"evict version":  (*world).evictVersion,
	"copy":           (*world).takeCopy,
	"rollback":       (*world).rollback,
	"fall back":      func(w *world, _ mishap) { w.fallBack() },
	"stall":          (*world).stall,
	"kill":           (*world).kill,
	"stop":           (*world).stop,
	"take over":      (*world).takeOver,
	"leave":          (*world).wantLeave,
	"remove":         (*world).removeByName,
	"expire":         (*world).expireByName,
	"state":          (*world).changeState,
	"drain":          (*world).drainByName,
	"lose replies":   (*world).loseReplies,
	"delay a call":   (*world).delayCall,
	"cut a keeper":   (*world).cutKeeper,
	"cut a watcher":  (*world).cutWatcher,
	"deafen":         (*world).deafen,
	"lose messages":  (*world).loseMessages,
	"lag":            (*world).lagWatcher,
	"stop a sweeper": (*world).stopSweeper,
	"cut a sweeper":  (*world).cutSweeper,
	"delay a sweep":  (*world).delaySweep,
	"new watcher":    (*world).oneMoreWatcher,
}

const (
	walkBegins = 5 * time.Second
	walkCalm   = 25 * time.Second // no mishap begins later
)

// draw draws the mishaps of a walk: of few kinds, that befall few, often at about one time, so that they meet.
func draw(r *rand.Rand) []mishap {
	kinds := slices.Sorted(maps.Keys(mishaps))
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	kinds = kinds[:2+r.IntN(5)]
	whom := []uint64{r.Uint64() >> 32, r.Uint64() >> 32, r.Uint64() >> 32}[:1+r.IntN(3)]
	span := []time.Duration{4, 8, 20}[r.IntN(3)] * time.Second
	begins := walkBegins + time.Duration(r.Int64N(int64(walkCalm-walkBegins-span)+1))
	all := make([]mishap, 2+r.IntN(11))
	for i := range all {
		all[i] = mishap{
			at:   (begins + time.Duration(r.Int64N(int64(span)))).Truncate(time.Millisecond),
			what: kinds[r.IntN(len(kinds))],
			who:  whom[r.IntN(len(whom))],
			d:    []time.Duration{50, 300, 700, 1200, 2500, 3200, 4500, 6000}[r.IntN(8)] * time.Millisecond,
		}
		if i > 0 && r.IntN(2) == 0 { // as the one before ends
			all[i].at = min(all[i-1].at+all[i-1].d+time.Duration(r.Int64N(int64(worldFreq))), walkCalm).Truncate(time.Millisecond)
		}
	}
	slices.SortFunc(all, func(a, b mishap) int { return int(a.at - b.at) })
	return all
}

// walk runs a world in which these befall it, and then calm until the truth must be known.
func walk(seed uint64, of []mishap) *world {
	w := newWorld(seed)
	for i, hosts := range [][]string{{"a", "b"}, {"c"}, {"a"}} {
		k := w.newKeeper(fmt.Sprintf("keeper%d", i))
		for _, h := range hosts {
			if i < 2 || w.seed%2 == 0 { // in every other world one stands by
				k.register(h)
			}
		}
	}
	w.newBroom("sweeper0")
	w.newBroom("sweeper1")
	w.newBeholder("watcher0")
	w.in(2*time.Second, func() { w.newBeholder("watcher1") })
	calm := walkCalm
	for _, m := range of {
		w.in(m.at, func() {
			w.tell("--- %s", m)
			w.counted[m.what]++
			mishaps[m.what](w, m)
		})
		calm = max(calm, m.at+m.d)
	}
	w.promise(worldBase + calm.Microseconds())
	return w
}

// TestNoWalkBreaksAPromise walks at random through worlds of registrants, watchers and sweepers in which
// Redis, the network and the processes fail, and checks after every event that no promise is broken. A
// failure prints its seed and the fewest mishaps that show it.
func TestNoWalkBreaksAPromise(t *testing.T) {
	first := *walkSeed
	if first == 0 {
		first = uint64(time.Now().UnixNano()) / 1000 % 1e9
	}
	t.Logf("-walk.seed=%d", first)
	counted := map[string]int{}
	classes := map[string]bool{}
	for i := range uint64(*walks) {
		seed := first + i
		of := draw(rand.New(rand.NewPCG(seed, 1)))
		w := walk(seed, of)
		for what, n := range w.counted {
			counted[what] += n
		}
		if len(w.wrong) > 0 {
			class, _, _ := strings.Cut(w.wrong[0], " ")
			counted["wrong "+class]++
			if !classes[class] {
				classes[class] = true
				of, w = fewest(seed, of, class)
				t.Errorf("-walk.seed=%d -walk.n=1 with %v\n%s", seed, of, strings.Join(w.story, "\n"))
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(counted)) {
		t.Logf("%-24s %d", what, counted[what])
	}
	for what, least := range reached {
		if *walks >= 1000 && counted[what] < least**walks/1000 {
			t.Errorf("%q %d times, want at least %d in 1000 walks", what, counted[what], least)
		}
	}
}

// reached is what a thousand walks meet at least, a quarter of what they usually do: a promise that was never
// at stake was not kept.
var reached = map[string]int{
	"views": 6000, "shown": 2000, "holds": 1200, "holds ended": 1100, "intervals counted": 500,
	"drops by a message": 200, "drops by a snapshot": 8, "drops by time": 60,
	"applied": 1800, "known": 120, "to compare": 900, "missing": 60, "messages lost": 180, "messages lost unnoticed": 40,
	"sweeps": 9000, "suspects": 120, "judged": 20, "pruned": 20,
	"touched": 19000, "held": 1000, "standing by": 240, "gone": 60, "refused late": 300, "replies lost": 90,
	"back in time": 500, "held in time": 75, "gone in time": 75, "converged": 1600,
	"cannot tell for the doubt": 50,
}

// fewest leaves mishaps out as long as a promise of the class is broken.
func fewest(seed uint64, of []mishap, class string) ([]mishap, *world) {
	best := walk(seed, of)
	for i := 0; i < len(of); {
		fewer := slices.Delete(slices.Clone(of), i, i+1)
		if w := walk(seed, fewer); len(w.wrong) > 0 && strings.HasPrefix(w.wrong[0], class) {
			of, best, i = fewer, w, 0
		} else {
			i++
		}
	}
	return of, best
}
