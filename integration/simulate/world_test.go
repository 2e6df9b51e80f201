package simulate

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration/history"
)

// world is everything that runs in a bubble.
type world struct {
	*testing.T
	net      *network
	recorder *history.Recorder
	topics   []string
	slots    [][]place
	running  []*process // by slot; nil while it does not run
	watching []*process
	lives    int // of processes, for names
	going    sync.WaitGroup

	mu      sync.Mutex
	effects map[string]int // of faults that took effect
	without map[string]int // and that did not: there was nothing to fail
}

func newWorld(t *testing.T, p *playwright) *world {
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	first, err := m.Dial() // which starts it
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	w := &world{T: t, net: &network{mini: m, sweeps: make(map[string]*wire), swept: make(map[string]func())}, recorder: history.NewRecorder(core.DefaultTTLFactor * core.DefaultFreq),
		slots: p.slots, running: make([]*process, len(p.slots)), watching: make([]*process, watchers),
		effects: make(map[string]int), without: make(map[string]int)}
	for _, s := range sizes {
		w.topics = append(w.topics, s.topic)
	}
	return w
}

func (w *world) name(kind string, slot int) string {
	w.lives++
	return fmt.Sprintf("%s%d.%d", kind, slot, w.lives)
}

func (w *world) start(slot int) { w.running[slot] = w.runs(w.name("p", slot), w.slots[slot]) }
func (w *world) watch(slot int) { w.watching[slot] = w.watches(w.name("w", slot)) }

// play carries out a script, and then lets the world be quiet for a while.
func (w *world) play(p *playwright, long time.Duration) {
	defer w.close()
	began := time.Now()
	for slot := range p.slots {
		w.start(slot)
	}
	for slot := range watchers {
		w.watch(slot)
	}
	reader := w.reads("r")
	defer reader.crash()
	counting := make(chan struct{})
	w.going.Go(func() { w.count(counting) })
	agenda := newAgenda(p.acts)
	for a, ok := agenda.next(); ok; a, ok = agenda.next() {
		time.Sleep(time.Until(began.Add(a.at)))
		w.do(a, agenda)
	}
	time.Sleep(max(0, time.Until(began.Add(long))) + quiet)
	close(counting)
}

// count notes how many commands are sent in each second.
func (w *world) count(until chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for last := int64(0); ; {
		select {
		case <-tick.C:
			now := w.net.sent.Load()
			w.recorder.Sent(int(now - last))
			last = now
		case <-until:
			return
		}
	}
}

func (w *world) close() {
	for _, p := range append(w.running, w.watching...) {
		if p != nil {
			w.going.Go(p.crash)
		}
	}
	w.going.Wait()
	w.net.mini.Close()
	time.Sleep(2 * time.Second) // for a pool that dialled in vain
}
