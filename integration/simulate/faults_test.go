package simulate

import (
	"cmp"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
)

// agenda is what is still to be done: the script, and what ends what it began.
type agenda struct{ acts []act }

func newAgenda(acts []act) *agenda { return &agenda{slices.Clone(acts)} }

func (g *agenda) next() (act, bool) {
	if len(g.acts) == 0 {
		return act{}, false
	}
	a := g.acts[0]
	g.acts = g.acts[1:]
	return a, true
}

// then adds something that is done when a has lasted its time.
func (g *agenda) then(a act, do func()) {
	a.at, a.lasts, a.then = a.at+a.lasts, 0, do
	at, _ := slices.BinarySearchFunc(g.acts, a, func(x, y act) int { return cmp.Compare(x.at, y.at) })
	g.acts = slices.Insert(g.acts, at, a)
}

// unswept is how long nobody sweeps when who did does not any more: until its lease ends, somebody has seen
// that, and his next sweep comes.
const unswept = (2+1+1)*core.DefaultFreq + time.Second

// sweepsNoMore notes that a process has lost what it had seen in its sweeps, or will not sweep again.
func (w *world) sweepsNoMore(a act, p *process, g *agenda) {
	w.net.leaderless(p.wire, func(topic string) func() {
		w.took("sweeper lost", true)
		swept := w.recorder.Unswept(a.what+" "+p.name, topic)
		a.lasts = unswept
		g.then(a, swept)
		return swept
	})
}

// do carries out one line of the script.
func (w *world) do(a act, g *agenda) {
	synctest.Wait() // for who does something at this very moment
	if a.then != nil {
		a.then()
		return
	}
	switch {
	case strings.HasPrefix(a.what, "watcher"):
		w.onWatcher(a, g)
	case slices.Contains(ofRegistrants, a.what):
		w.onRegistrant(a, g)
	default:
		w.onRegistry(a, g)
	}
}

// took notes whether a fault took effect.
func (w *world) took(what string, effect bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if effect {
		w.effects[what]++
	} else {
		w.without[what]++
	}
}

func (w *world) onRegistrant(a act, g *agenda) {
	p := w.running[a.slot]
	if !slices.Contains([]string{"leave", "drain", "rival", "short stall"}, a.what) {
		w.sweepsNoMore(a, p, g)
	}
	switch a.what {
	case "crash":
		w.took(a.what, true)
		w.going.Go(p.crash)
		w.running[a.slot] = nil
		g.then(a, func() { w.start(a.slot) })
	case "finish":
		w.took(a.what, true)
		w.going.Go(p.finish)
		w.running[a.slot] = nil
		g.then(a, func() { w.start(a.slot) })
	case "leave":
		w.took(a.what, true)
		w.going.Go(func() { p.leave(a.host) })
		g.then(a, func() { w.going.Go(func() { p.register([]place{a.host}) }) })
	case "drain":
		w.took(a.what, true)
		w.going.Go(func() { p.drain(a.host) })
		g.then(a, func() { // up again, as a new registration
			w.going.Go(func() { p.leave(a.host); p.register([]place{a.host}) })
		})
	case "short stall", "long stall":
		w.stall(a, p, g)
	case "cut":
		w.cut(a, p.wire.owns, p.name)
	case "rival":
		rival := w.runs(w.name("rival", a.slot), []place{a.host})
		w.took(a.what, true)
		g.then(a, func() {
			if a.n%2 == 0 {
				w.going.Go(rival.crash)
			} else {
				w.going.Go(rival.finish)
			}
		})
	}
}

// stall freezes all that a process and the registry tell each other; it arrives when it goes on.
func (w *world) stall(a act, p *process, g *agenda) {
	links := w.net.those(p.wire.owns)
	w.took(a.what, len(links) > 0)
	mended := w.recorder.Fault(a.what, p.name, "")
	p.wire.cut.Store(true)
	for _, l := range links {
		l.freeze()
	}
	g.then(a, func() {
		for _, l := range links {
			l.thaw()
		}
		p.wire.cut.Store(false)
		mended()
	})
}

// cut breaks the connections that are wanted.
func (w *world) cut(a act, wanted func(*link) bool, process string) {
	links := w.net.those(wanted)
	w.took(a.what, len(links) > 0)
	w.recorder.Fault(a.what, process, "")()
	for _, l := range links {
		l.reset()
	}
}

// silence freezes connections that are wanted, and breaks them when it ends. New ones are not hurt.
func (w *world) silence(a act, wanted func(*link) bool, process string, g *agenda) {
	links := w.net.those(wanted)
	w.took(a.what, len(links) > 0)
	mended := w.recorder.Fault(a.what, process, "")
	for _, l := range links {
		l.freeze()
	}
	g.then(a, func() {
		for _, l := range links {
			l.reset()
		}
		mended()
	})
}

func (w *world) onWatcher(a act, g *agenda) {
	p := w.watching[a.slot]
	if a.what != "watcher deaf" {
		w.sweepsNoMore(a, p, g)
	}
	subscribed := func(l *link) bool { return p.wire.owns(l) && subscription(l) }
	switch a.what {
	case "watcher stall":
		w.stall(a, p, g)
	case "watcher cut":
		w.cut(a, p.wire.owns, p.name)
	case "watcher deaf":
		w.silence(a, subscribed, p.name, g)
	case "watcher restart":
		w.took(a.what, true)
		w.going.Go(p.crash)
		w.watch(a.slot)
	}
}

func (w *world) onRegistry(a act, g *agenda) {
	switch a.what {
	case "flush":
		w.flush(a.what)
	case "evict":
		w.evict(a)
	case "forget scripts":
		w.took(a.what, w.forgetScripts())
	case "refuse", "restart empty", "gone":
		w.away(a, g)
	case "reset":
		w.cut(a, everyLink, "")
	case "cut subscriptions":
		w.cut(a, subscription, "")
	case "go back":
		w.goBack(a, g)
	case "silent":
		w.silence(a, everyLink, "", g)
	case "deaf":
		w.silence(a, subscription, "", g)
	case "short freeze", "long freeze":
		mended := w.recorder.Fault(a.what, "", "")
		n := w.net.stall()
		g.then(a, func() {
			w.took(a.what, n > 0)
			w.net.goOn()
			mended()
		})
	default:
		w.Fatalf("the script says %q, which nobody can do", a.what)
	}
}

// away ends the registry, and starts it again after a time: with its data, but every other time without it if
// it was gone for long.
func (w *world) away(a act, g *agenda) {
	turned := w.net.turned.Load()
	mended := w.recorder.Fault(a.what, "", "")
	w.net.refuse(true)
	links := w.net.those(everyLink)
	for _, l := range links {
		l.reset()
	}
	if a.what == "restart empty" || a.what == "gone" && a.n%2 == 0 {
		w.flush(a.what + ", data")
	}
	g.then(a, func() {
		w.took(a.what, len(links) > 0 && (w.net.turned.Load() > turned || a.lasts < 2*time.Second))
		w.net.refuse(false)
		mended()
	})
}

func (w *world) flush(what string) {
	w.took(what, len(w.net.mini.Keys()) > 0)
	w.recorder.Lost(what, "", "")
	w.net.mini.FlushAll()
}

// evict removes a few keys, as a registry does that is short of memory.
func (w *world) evict(a act) {
	keys := w.net.mini.Keys()
	for i := range 1 + a.n%5 {
		if len(keys) == 0 {
			break
		}
		key := keys[(a.n*(i+1)*7919)%len(keys)]
		if i == 0 && a.n%3 == 0 { // these are few
			key = "mm:{" + w.topics[a.n%len(w.topics)] + "}" + []string{"", ":v"}[a.n%2]
		}
		rest, ours := strings.CutPrefix(key, "mm:{")
		topic, rest, _ := strings.Cut(rest, "}")
		host, _ := strings.CutPrefix(rest, "@")
		if !ours || !strings.HasPrefix(rest, "@") {
			host = ""
		}
		if ours && w.net.mini.Del(key) {
			w.recorder.Lost("evict "+key, topic, host)
			w.took(a.what, true)
		}
	}
}

// forgetScripts makes the registry forget every script.
func (w *world) forgetScripts() bool {
	conn, err := w.net.mini.Dial()
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("*2\r\n$6\r\nSCRIPT\r\n$5\r\nFLUSH\r\n")); err != nil {
		return false
	}
	ok := make([]byte, 5)
	n, _ := conn.Read(ok)
	return string(ok[:n]) == "+OK\r\n"
}
