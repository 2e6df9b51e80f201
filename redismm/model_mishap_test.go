package redismm

import (
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

func (w *world) evictVersion(mishap) {
	w.version = version{}
	w.lose("")
}

// takeCopy is what a replica has that falls behind from now on.
func (w *world) takeCopy(mishap) { w.copy, w.copied = w.clone(), w.now }

// rollback is a failover to it, or to one as far behind as d: connections are cut, and some watchers notice
// late.
func (w *world) rollback(m mishap) {
	if w.copy == nil {
		w.flush(m)
	} else {
		old := w.copy
		w.listed, w.places, w.drains = old.clone().listed, old.clone().places, old.clone().drains
		w.version, w.listedUntil, w.versionUntil, w.drainsUntil = old.version, old.listedUntil, old.versionUntil, old.drainsUntil
		w.pass(w.now)
	}
	w.losses = append(w.losses, loss{w.now, ""})
	w.lease.until = 0
	for _, s := range w.sweepers {
		s.memory = nil
	}
	for i, b := range w.watchers {
		until := w.after(time.Duration(i%2) * m.d)
		b.deaf = max(b.deaf, until)
		w.at(until, b.reconnect)
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

func (w *world) removeByName(m mishap) {
	h := pick(worldHosts, m.who)
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
	h, until := pick(worldHosts, m.who), w.after(m.d)
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

// promise runs the world until mishaps have ended, and then until everybody must know the truth.
func (w *world) promise(calm int64) {
	w.until(calm)
	w.tell("--- calm")
	for _, k := range w.processes {
		k.fates = nil
	}
	w.until(calm + 3*ttlMicro + 4*freqMicro)
	if len(w.wrong) == 0 {
		w.converged()
	}
}

// converged compares the registry with those who live, and the views with the registry.
func (w *world) converged() {
	for _, h := range worldHosts {
		var newest *tenant
		for _, k := range w.processes {
			for _, t := range k.tenants {
				if t.Host == h && !k.dead && !t.leaving && t.standing != gone && (newest == nil || t.Instance > newest.Instance) {
					newest = t
				}
			}
		}
		at := w.places[h]
		switch {
		case newest == nil && (w.lives(h) || w.listed[h]):
			w.bad("Converged: %s is registered by %s, and nobody of it lives", h, at.text())
		case newest != nil && (!w.listed[h] || at.kind != live || at.stamp != newest.Instance):
			w.bad("Converged: %s lives as %s, and its place holds %s, listed %t", h, short(newest.Instance), at.text(), w.listed[h])
		case newest != nil && at.record != encodeRecord(&newest.Registration, newest.State):
			w.bad("Converged: %s says %q, and its place holds %s", h, newest.State, at.text())
		}
		for _, b := range w.watchers {
			m := b.picture.members[h]
			if (m != nil) != w.lives(h) || m != nil && (m.held || m.member.Instance != at.stamp || m.rev != at.rev) {
				w.bad("Converged: %s shows %s as %+v, and its place holds %s", b.name, h, m, at.text())
			}
			w.counted["converged"]++
		}
	}
}
