package simulate

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration/history"
)

// TestTheDeadAreHeldThoughTheirSweeperDiesToo is the worst that a dead host can meet: who sweeps its topic dies
// before the first sweep that would have missed it. Its lease has to end, somebody has to see that at a poll,
// and his next sweep has to come, each at most an interval or two: four beyond the bound.
func TestTheDeadAreHeldThoughTheirSweeperDiesToo(t *testing.T) {
	const topic = "compute"
	var w *world
	synctest.Test(t, func(t *testing.T) {
		p := &playwright{slots: [][]place{}}
		for i := range 6 {
			p.slots = append(p.slots, []place{{topic, fmt.Sprintf("node%d", i)}, {topic, fmt.Sprintf("spare%d", i)}})
		}
		w = newWorld(t, p)
		defer w.close()
		for slot := range p.slots {
			w.start(slot)
		}
		for slot := range watchers {
			w.watch(slot)
		}
		for i := range 12 {
			time.Sleep(quiet + time.Duration(i)*700*time.Millisecond)
			w.doubleDeath(i%6, topic)
		}
		time.Sleep(2 * quiet)
	})
	events := w.recorder.Events()
	if f := history.Timely(history.New(core.DefaultFreq, core.DefaultTTLFactor*core.DefaultFreq, events)); len(f.Broken) > 0 {
		t.Error(f.Broken[0])
	}
	events = slices.DeleteFunc(events, func(e history.Event) bool { return e.What == history.Unswept })
	held := history.Deaths(history.New(core.DefaultFreq, core.DefaultTTLFactor*core.DefaultFreq, events))[0]
	fmt.Print(held)
	if len(held.Delays) < 12*watchers {
		t.Errorf("%d delays were measured, want at least %d", len(held.Delays), 12*watchers)
	}
	if most := held.Bound + 4*core.DefaultFreq; held.Quantile(1) > most {
		t.Errorf("one was held %s after its death, want at most %s", held.Quantile(1), most)
	}
}

// doubleDeath crashes a process, and who sweeps the topic as soon as the first has lapsed.
func (w *world) doubleDeath(slot int, topic string) {
	host := w.slots[slot][0].host
	w.running[slot].crash()
	for w.net.mini.Exists("mm:{" + topic + "}@" + host) {
		time.Sleep(10 * time.Millisecond)
	}
	w.net.mu.Lock()
	by := w.net.sweeps[topic]
	w.net.mu.Unlock()
	agenda := newAgenda(nil)
	for i, p := range slices.Concat(w.running, w.watching) {
		if p == nil || p.wire != by || i == slot {
			continue
		}
		w.sweepsNoMore(act{what: "crash"}, p, agenda)
		p.crash()
		if i < len(w.running) {
			w.running[i] = w.runs(w.name("q", i), []place{{topic, fmt.Sprintf("late%d", w.lives)}})
		} else {
			w.watch(i - len(w.running))
		}
	}
	time.Sleep(quiet)
	w.start(slot)
}
