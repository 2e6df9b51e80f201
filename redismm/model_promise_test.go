package redismm

import (
	"time"

	"github.com/redismm/matchmaker/core"
)

// promise runs the world until mishaps have ended, and then until everybody must know the truth, in the bounds
// that are promised. The half interval is for calls and polls that are under way.
func (w *world) promise(calm int64) {
	w.until(calm)
	w.tell("--- calm")
	w.firstGoes = false // whoever is not back by now: nothing befalls them any more
	for _, k := range w.processes {
		k.fates = nil
	}
	for _, b := range w.watchers {
		b.unheard = 0
	}
	for _, then := range []struct {
		after int64
		check func()
	}{
		{2 * freqMicro, w.livingAreBack},
		{ttlMicro + freqMicro + freqMicro/2, w.deadAreHeld},
		{2*ttlMicro + 2*freqMicro + freqMicro/2, w.deadAreGone},
		{3*ttlMicro + 4*freqMicro, w.converged},
	} {
		if w.until(calm + then.after); len(w.wrong) == 0 {
			then.check()
		}
	}
}

// living returns who lives of a host and wants to be registered: the newest, and how many they ever were.
func (w *world) living(host string) (newest *tenant, ever int) {
	for _, k := range w.processes {
		for _, t := range k.tenants {
			if t.Host != host {
				continue
			}
			ever++
			if !k.dead && !t.leaving && t.standing != gone && (newest == nil || t.Instance > newest.Instance) {
				newest = t
			}
		}
	}
	return newest, ever
}

// livingAreBack: a host whose place nobody contests is registered again, and every view shows it.
func (w *world) livingAreBack() {
	for _, h := range worldHosts {
		t, ever := w.living(h)
		if t == nil || ever > 1 {
			continue
		}
		w.counted["back in time"]++
		for _, b := range w.watchers {
			if m := b.picture.members[h]; m == nil || m.held || m.member.Instance != t.Instance {
				w.bad("Converged: %s does not show %s %s, which lives", b.name, h, short(t.Instance))
			}
		}
	}
}

// deadAreHeld: a dead host is not shown as if it lived.
func (w *world) deadAreHeld() {
	for _, h := range worldHosts {
		if t, _ := w.living(h); t != nil {
			continue
		}
		w.counted["held in time"]++
		for _, b := range w.watchers {
			if m := b.picture.members[h]; m != nil && !m.held {
				w.bad("Timely: %s shows %s %s, which is dead, and does not hold it", b.name, h, short(m.member.Instance))
			}
		}
	}
}

// deadAreGone: a dead host is shown no more.
func (w *world) deadAreGone() {
	for _, h := range worldHosts {
		if t, _ := w.living(h); t != nil {
			continue
		}
		w.counted["gone in time"]++
		for _, b := range w.watchers {
			if m := b.picture.members[h]; m != nil {
				w.bad("Timely: %s still holds %s %s, which is dead", b.name, h, short(m.member.Instance))
			}
		}
	}
}

// converged compares the registry with those who live, and the views with the registry.
func (w *world) converged() {
	for _, h := range worldHosts {
		newest, _ := w.living(h)
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
	for _, b := range w.watchers {
		for _, m := range b.picture.view(w.clock(), time.Duration(w.now-b.looked)*time.Microsecond).Members {
			drained := w.drains[m.Host].until > w.now
			want, _ := w.living(m.Host)
			if want != nil && (m.State == core.Draining) != (want.State == core.Draining || want.State == core.Up && drained) {
				w.bad("Converged: %s shows %s %s, which says %s and is drained %t", b.name, m.Host, m.State, want.State, drained)
			}
		}
	}
}
