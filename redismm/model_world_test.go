package redismm

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// world is one topic on the plain registry, the processes that register in it, watch it and sweep it, and
// what befalls them. Nothing in it runs beside anything else: events happen in the order of their times, so
// that a seed repeats a walk.
//
// The processes are the code of this package (claims and batches, pictures, memories) and around it what the
// store does with Redis, written once more without it.
type world struct {
	*plain
	seed      uint64
	queue     events
	events    int
	processes []*keeper
	watchers  []*beholder
	sweepers  []*broom
	lease     struct {
		holder string
		until  int64
	}
	stalled   int64 // until when Redis stands still
	copy      *plain
	copied    int64
	newest    map[string]string // the largest stamp ever put, by host
	losses    []loss
	blank     int64      // when all that told of the topic was last gone, or older than what was lost
	firstGoes bool       // whoever is listed first after the set was evicted is removed
	muted     *rand.Rand // leaves changes out of messages, as if they were too many

	story   []string
	wrong   []string
	counted map[string]int
}

// loss is when the registry lost something of a host; "" of all.
type loss struct {
	at   int64
	host string
}

const (
	worldFreq = time.Second
	worldTTL  = 3 * time.Second
	freqMicro = int64(worldFreq / time.Microsecond)
	ttlMicro  = int64(worldTTL / time.Microsecond)
	worldBase = int64(1_700_000_000_000_000)
)

// event is something that happens at a time; by order of making at one time.
type event struct {
	at, order int64
	f         func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[i].at, q[j].at), cmp.Compare(q[i].order, q[j].order)) < 0
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

func newWorld(seed uint64) *world {
	w := &world{seed: seed, newest: map[string]string{}, counted: map[string]int{}}
	nonces := 0
	w.plain = newPlain(worldTTL, func() string {
		nonces++
		return fmt.Sprintf("c%d", nonces)
	})
	w.plain.now = worldBase
	w.muted = w.dice("muted")
	return w
}

// dice are random numbers for one actor: whatever befalls the others, they stay.
func (w *world) dice(actor string) *rand.Rand {
	h := uint64(14695981039346656037)
	for i := range len(actor) {
		h = (h ^ uint64(actor[i])) * 1099511628211
	}
	return rand.New(rand.NewPCG(w.seed, h))
}

func (w *world) at(when int64, f func()) {
	w.events++
	heap.Push(&w.queue, event{max(when, w.now), int64(w.events), f})
}

func (w *world) in(d time.Duration, f func()) { w.at(w.after(d), f) }

// until runs the world until a time.
func (w *world) until(when int64) {
	for len(w.queue) > 0 && w.queue[0].at <= when && len(w.wrong) == 0 {
		e := heap.Pop(&w.queue).(event)
		w.pass(e.at)
		e.f()
	}
	w.pass(when)
}

// clock is the clock of every host.
func (w *world) clock() time.Time { return time.UnixMicro(w.now) }

func (w *world) tell(format string, args ...any) {
	w.story = append(w.story, fmt.Sprintf("%8.3f  ", float64(w.now-worldBase)/1e6)+fmt.Sprintf(format, args...))
}

func (w *world) bad(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.tell("WRONG: %s", text)
	w.wrong = append(w.wrong, text)
}

// jittered is one interval, up to a tenth less.
func jittered(r *rand.Rand) time.Duration {
	return worldFreq - time.Duration(r.Int64N(int64(worldFreq/10)))
}

// run executes a script: what it tells goes to the watchers, and what it does to places is checked.
func (w *world) run(what string, f func()) {
	before := make(map[string]place, len(w.places))
	for h, v := range w.places {
		before[h] = v
	}
	told := len(w.told)
	f()
	w.fenced(what, before)
	w.wronglyEmpty(what)
	for _, m := range w.told[told:] {
		w.tell("%s: %s of %s after %s, n %s: %v", what, m.Change, m.Epoch, m.Previous, m.N, brief(m.Changes))
		sent := &post{message: *m, well: w.wells()}
		if w.muted.IntN(30) == 0 {
			sent.Changes = nil
		}
		for _, b := range w.watchers {
			b.published(sent)
		}
	}
	w.told = w.told[:0]
	w.firstBack()
}

func brief(changes [][]string) (all []string) {
	for _, c := range changes {
		text := c[0] + " " + c[1]
		if len(c) > 2 && c[0] != "drain" {
			text += " " + short(c[2])
		}
		all = append(all, text)
	}
	return all
}

// short tells stamps apart in a story.
func short(stamp string) string {
	if len(stamp) < stampSize {
		return "?" + stamp
	}
	return stamp[8:16]
}

// lose notes that the registry lost something.
func (w *world) lose(host string) {
	w.losses = append(w.losses, loss{w.now, host})
	if w.snapshot(nil).unknown() {
		w.blank = w.now
	}
}

// wronglyEmpty checks what a reader is told who sees the topic for the first time: not that nobody is there, while
// somebody is well, unless all was lost that told of him.
func (w *world) wronglyEmpty(what string) {
	s := w.snapshot(nil)
	if s.unknown() || len(s.hosts) > 0 || w.now-w.blank < ttlMicro {
		return
	}
	wells := w.wells()
	if s.unsure(0) {
		w.counted["cannot tell"]++
		if s.whole() && len(wells) > 0 {
			w.counted["cannot tell for the doubt"]++
		}
		return
	}
	w.counted["nobody"]++
	for stamp := range wells {
		w.bad("NeverWronglyEmpty: after %s nobody is there, and %s is well", what, short(stamp))
	}
}

// lossy says whether the registry lost anything of the host since.
func (w *world) lossy(host string, since int64) bool {
	return slices.ContainsFunc(w.losses, func(l loss) bool { return l.at >= since && (l.host == "" || l.host == host) })
}

// claimOfStamp finds who registered with a stamp.
func (w *world) owner(stamp string) *tenant {
	for _, k := range w.processes {
		for _, t := range k.tenants {
			if t.Instance == stamp {
				return t
			}
		}
	}
	return nil
}

// wells are the stamps of those who are well.
func (w *world) wells() map[string]bool {
	wells := make(map[string]bool)
	for _, k := range w.processes {
		for _, t := range k.tenants {
			if w.well(t) {
				wells[t.Instance] = true
			}
		}
	}
	return wells
}

// fenced checks what a script did to places: a newer stamp is not overwritten by an older one.
func (w *world) fenced(what string, before map[string]place) {
	for h, now := range w.places {
		was := before[h]
		if was.stamp > now.stamp {
			w.bad("Fenced: %s puts %s in the place of the newer %s", what, short(now.stamp), short(was.stamp))
		}
		if was.kind == tombstone && was.stamp == now.stamp && now.kind == live {
			w.bad("Fenced: %s revives %s", what, short(now.stamp))
		}
		w.counted["places"]++
		if now.stamp != was.stamp || now.kind != was.kind {
			w.put(what, now)
		}
	}
}

// put notes who holds a place now.
func (w *world) put(what string, v place) {
	t := w.owner(v.stamp)
	for _, k := range w.processes { // a newer tombstone stops the older as well
		for _, other := range k.tenants {
			if t != nil && other.Host == t.Host && other.Instance < t.Instance {
				other.over = true
			}
		}
	}
	if t == nil || v.kind != live {
		return
	}
	if t.standing == gone && t.left > 0 && !w.lossy(t.Host, t.left-ttlMicro) {
		w.bad("Fenced: %s registers %s, which had left", what, short(v.stamp))
	}
	for _, k := range w.processes {
		for _, other := range k.tenants {
			if other.Host == t.Host && other.Instance > t.Instance && other.standing == held && w.well(other) && !w.lossy(t.Host, other.executed) {
				w.bad("Fenced: %s registers %s while the newer %s is well and nothing was lost", what, short(v.stamp), short(other.Instance))
			}
		}
	}
	t.over, t.ended = false, false
}
