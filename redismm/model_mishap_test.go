package redismm

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/redismm/matchmaker/core"
)

func pick[T any](from []T, who uint64) (one T) {
	if len(from) > 0 {
		one = from[who%uint64(len(from))]
	}
	return one
}

var worldHosts = []string{"a", "b", "c"}

func (w *world) flush(mishap) {
	clear(w.places)
	clear(w.listed)
	clear(w.drains)
	w.version = version{}
	w.lease.until = 0
	w.lose("")
}

func (w *world) evictPlace(m mishap) {
	h := pick(worldHosts, m.who)
	delete(w.places, h)
	w.lose(h)
}

func (w *world) evictSet(mishap) {
	clear(w.listed)
	w.lose("")
}

// evictSetAndTheFirst evicts the set, and whoever is listed first after it is removed before others are back.
func (w *world) evictSetAndTheFirst(m mishap) {
	w.evictSet(m)
	w.firstGoes = true
}

// firstBack removes them.
func (w *world) firstBack() {
	if !w.firstGoes || len(w.listed) == 0 {
		return
	}
	w.firstGoes = false
	for _, h := range slices.Sorted(maps.Keys(w.listed)) {
		w.in(time.Millisecond, func() { w.takeOut(h) })
	}
}

func (w *world) evictVersion(mishap) {
	w.version = version{}
	w.lose("")
}

// takeCopy is what a replica has that falls behind from now on.
func (w *world) takeCopy(mishap) { w.copy, w.copied = w.clone(), w.now }

// rollback is a failover to it: connections are cut, and some watchers notice late.
func (w *world) rollback(m mishap) {
	w.fallBack()
	for i, b := range w.watchers {
		until := w.after(time.Duration(i%2) * m.d)
		b.deaf = max(b.deaf, until)
		w.at(until, b.reconnect)
	}
}

// fallBack is a failover that watchers do not notice: their subscriptions carry on.
func (w *world) fallBack() {
	if w.copy == nil {
		w.flush(mishap{})
	} else {
		old := w.copy.clone()
		w.listed, w.places, w.drains = old.listed, old.places, old.drains
		w.version, w.doubted, w.listedUntil, w.versionUntil, w.drainsUntil = old.version, old.doubted, old.listedUntil, old.versionUntil, old.drainsUntil
		w.pass(w.now)
		for _, v := range w.places {
			if t := w.owner(v.stamp); v.kind == tombstone && t != nil { // it had been removed, and the removal was lost until now
				t.ended = true
			}
		}
	}
	w.lose("")
	w.blank = w.now
	w.lease.until = 0
	for _, s := range w.sweepers {
		s.memory = nil
	}
}

func (w *world) stall(m mishap) {
	w.stalled = max(w.stalled, w.after(m.d))
	w.lose("")
}

func (w *world) keeper(m mishap) *keeper { return pick(w.processes, m.who) }

func (w *world) kill(m mishap) { w.keeper(m).dead = true }

func (w *world) stop(m mishap) {
	k := w.keeper(m)
	k.stopped = max(k.stopped, w.after(m.d))
}

// takeOver is a new process for a host.
func (w *world) takeOver(m mishap) {
	w.newKeeper("keeper" + strconv.Itoa(len(w.processes))).register(pick(worldHosts, m.who))
}

func (w *world) wantLeave(m mishap) {
	if t := pick(w.keeper(m).tenants, m.who>>4); t != nil {
		t.leaving = true
	}
}

func (w *world) removeByName(m mishap) { w.takeOut(pick(worldHosts, m.who)) }

func (w *world) takeOut(h string) {
	w.end(h)
	w.run("remove "+h, func() { w.remove(worldTTL, h) })
}

func (w *world) expireByName(m mishap) {
	h := pick(worldHosts, m.who)
	w.end(h)
	w.run("expire "+h, func() { w.expire(h) })
}

// end notes who holds a place when it is ended by name.
func (w *world) end(host string) {
	if t := w.owner(w.places[host].stamp); t != nil && w.lives(host) {
		t.ended, t.named = true, true
	}
}

func (w *world) changeState(m mishap) {
	if t := pick(w.keeper(m).tenants, m.who>>4); t != nil {
		t.State = core.State((m.who >> 8) % 3)
	}
}

func (w *world) drainByName(m mishap) {
	h, until := pick(worldHosts, m.who), w.after(m.d*time.Duration(1+m.who>>6%20)) // some outlast the walk
	if m.who>>4%3 == 0 {
		until = 0
	}
	w.run("drain "+h, func() { w.plain.drain(h, until, "why") })
}

func (w *world) loseReplies(m mishap) {
	k := w.keeper(m)
	k.fates = append(k.fates, slices.Repeat([]fate{{lost: true}}, 1+int(m.who>>4%3))...)
}

func (w *world) delayCall(m mishap) {
	k := w.keeper(m)
	k.fates = append(k.fates, fate{delay: m.d / 2})
}

func (w *world) cutKeeper(m mishap) {
	k := w.keeper(m)
	k.cut = max(k.cut, w.after(m.d))
}

// cutWatcher is noticed at once.
func (w *world) cutWatcher(m mishap) {
	b := pick(w.watchers, m.who)
	b.cut, b.deaf = max(b.cut, w.after(m.d)), max(b.deaf, w.after(m.d))
	b.compare()
	w.at(b.deaf, b.reconnect)
}

// deafen loses messages, and nobody notices.
func (w *world) deafen(m mishap) {
	b := pick(w.watchers, m.who)
	b.deaf = max(b.deaf, w.after(min(m.d, 3*worldFreq))) // by then the ear has asked in vain
	w.at(b.deaf, b.reconnect)
}

func (w *world) loseMessages(m mishap) { pick(w.watchers, m.who).unheard += 1 + int(m.who>>4%2) }

func (w *world) lagWatcher(m mishap) {
	b := pick(w.watchers, m.who)
	b.lag = m.d / 3
	w.in(m.d, func() { b.lag = 0 })
}

func (w *world) stopSweeper(m mishap) {
	s := pick(w.sweepers, m.who)
	s.stopped = max(s.stopped, w.after(m.d))
}

func (w *world) cutSweeper(m mishap) {
	s := pick(w.sweepers, m.who)
	s.cut = max(s.cut, w.after(m.d))
}

func (w *world) delaySweep(m mishap) { pick(w.sweepers, m.who).slow = m.d / 3 }

func (w *world) oneMoreWatcher(mishap) {
	if len(w.watchers) < 4 {
		w.newBeholder("watcher" + strconv.Itoa(len(w.watchers)))
	}
}
