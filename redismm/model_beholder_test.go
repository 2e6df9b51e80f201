package redismm

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// beholder is a watcher: the picture is the store's own, and what it does is what a follower does.
type beholder struct {
	w       *world
	name    string
	dice    *rand.Rand
	picture *picture
	stale   bool
	looked  int64
	passed  int64
	cut     int64 // Redis cannot be reached until
	deaf    int64 // messages are lost until
	lag     time.Duration
	unheard int      // messages that will be lost, and the connection stands
	heard   *message // last
	inbox   []*post
	busy    bool              // a poll is under way
	changed bool              // and the subscription began anew meanwhile
	shown   map[string]sight  // as of the last check
	largest map[string]string // stamp ever shown, by host
	began   map[string]int64  // when holds began, by stamp
}

// post is a message, and who was well when it was published.
type post struct {
	message
	well   map[string]bool
	arrive int64
}

// sight is a member as it was shown.
type sight struct {
	stamp string
	held  bool
	since int64 // when the hold began
}

func (w *world) newBeholder(name string) *beholder {
	b := &beholder{w: w, name: name, dice: w.dice(name), picture: newPicture("t", worldTTL), passed: w.now,
		shown: map[string]sight{}, largest: map[string]string{}, began: map[string]int64{}}
	w.watchers = append(w.watchers, b)
	b.read()
	w.in(jittered(b.dice), b.poll)
	return b
}

// published is told of every message.
func (b *beholder) published(m *post) {
	if b.deaf > b.w.now {
		b.w.counted["messages lost"]++
		return
	}
	if b.unheard > 0 {
		b.unheard--
		b.w.counted["messages lost unnoticed"]++
		return
	}
	mine := *m
	mine.arrive = b.w.after(b.lag)
	if n := len(b.inbox); n > 0 { // in order
		mine.arrive = max(mine.arrive, b.inbox[n-1].arrive)
	}
	b.inbox = append(b.inbox, &mine)
	if b.dice.IntN(40) == 0 {
		b.inbox = append(b.inbox, &mine)
		b.w.counted["messages twice"]++
	}
	b.w.at(mine.arrive, b.receive)
}

// receive hears what has arrived, and asks if it has to.
func (b *beholder) receive() {
	if !b.busy && len(b.inbox) > 0 && b.inbox[0].arrive <= b.w.now && !b.hearRest() {
		b.compare()
	}
}

// hear is the follower's, and so are the following.
func (b *beholder) hear(m *post) bool {
	b.since()
	b.heard = &m.message
	said := b.picture.hear(&m.message)
	b.w.counted[[...]string{"applied", "known", "to compare", "missing"}[said]]++
	b.check("a message", m.well)
	if said == missing {
		b.picture.synced = false
	}
	return said == applied || said == known
}

func (b *beholder) since() { b.picture.since = time.Duration(b.w.now-b.passed) * time.Microsecond }

// reaches says whether Redis answers, and notes it.
func (b *beholder) reaches() bool {
	b.stale = b.cut > b.w.now || b.w.stalled > b.w.now
	if b.stale {
		b.picture.synced = false
	}
	return !b.stale
}

func (b *beholder) read() {
	if b.reaches() {
		b.looked = b.w.now
		b.since()
		b.picture.look(b.w.snapshot(b.picture.hosts()))
		b.w.counted["looks"]++
		b.check("a snapshot", b.w.wells())
	}
}

func (b *beholder) compare() {
	if !b.picture.synced || b.picture.doubt {
		b.read()
		return
	}
	if !b.reaches() {
		return
	}
	v, n := b.w.version, strconv.Itoa(len(b.w.listed))
	if v != b.picture.version || (v.epoch != "" && v.n != n) || (v.epoch == "" && n != "0") {
		b.read()
	}
}

func (b *beholder) poll() {
	w := b.w
	now := w.now
	interval := min(time.Duration(now-b.passed)*time.Microsecond, worldFreq)
	again := func() {
		next := worldFreq - time.Duration(b.dice.Int64N(int64(worldFreq/10)))
		if !b.stale { // else the follower's is a second too
			next = max(next-time.Duration(w.now-now)*time.Microsecond, worldFreq/4)
		}
		w.in(next, b.poll)
	}
	if !b.picture.holding() {
		b.passed = now
		b.compare()
		b.picture.attest()
		again()
		return
	}
	b.busy = true
	b.hearRest()
	w.in(time.Duration(b.dice.Int64N(int64(worldFreq/5))), func() {
		b.read()
		wells := w.wells()
		pong := b.lag // in order behind what was told
		if n := len(b.inbox); n > 0 {
			pong = max(pong, time.Duration(b.inbox[n-1].arrive-w.now)*time.Microsecond)
		}
		heard := b.deaf <= w.now && !b.stale && pong <= worldFreq/2
		w.in(min(pong, worldFreq/2)+time.Duration(b.dice.Int64N(int64(worldFreq/10))), func() {
			said := b.hearRest()
			if heard && b.deaf <= w.now && !b.changed {
				if !b.picture.attested {
					w.counted["untold"]++
				}
				b.picture.pass(interval)
				now := w.wells()
				maps.DeleteFunc(wells, func(stamp string, _ bool) bool { return !now[stamp] }) // left since
				b.check("time", wells)
				w.counted["intervals counted"]++
			}
			if !said && !b.stale {
				b.compare()
			}
			b.passed = now
			b.busy = false
			if b.changed {
				b.reconnect()
			}
			b.receive()
			again()
		})
	})
}

// hearRest hears what has arrived, and returns false if the topic has to be asked.
func (b *beholder) hearRest() bool {
	said := true
	for len(b.inbox) > 0 && b.inbox[0].arrive <= b.w.now {
		m := b.inbox[0]
		b.inbox = b.inbox[1:]
		said = b.hear(m) && said
	}
	return said
}

// reconnect begins a subscription anew, after messages were lost.
func (b *beholder) reconnect() {
	if b.changed = b.busy; !b.busy && b.deaf <= b.w.now {
		b.passed = b.w.now
		b.compare()
	}
}

// check compares what is shown with what was shown before. wells are those who were well when what changed
// it was so.
func (b *beholder) check(why string, wells map[string]bool) {
	w := b.w
	now := make(map[string]sight, len(b.picture.members))
	for h, m := range b.picture.members {
		now[h] = sight{m.member.Instance, m.held, b.heldSince(m)}
		if m.under != nil {
			b.heldSince(m.under)
		}
	}
	w.counted["views"]++
	for _, h := range slices.Sorted(maps.Keys(b.shown)) {
		b.compareSights(why, h, b.shown[h], now[h], wells)
	}
	for _, h := range slices.Sorted(maps.Keys(now)) {
		b.monotone(why, h, b.shown[h], now[h], wells)
	}
	b.shown = now
	b.draws()
}

// draws compares the view, of which only what changed is drawn anew, with the picture.
func (b *beholder) draws() {
	v := b.picture.view(b.w.clock(), time.Duration(b.w.now-b.looked)*time.Microsecond)
	if len(v.Members) != len(b.picture.order) {
		b.w.bad("View: %s shows %d members of %d", b.name, len(v.Members), len(b.picture.order))
		return
	}
	for i, s := range b.picture.order {
		m := v.Members[i]
		if m.Host != s.member.Host || m.Instance != s.member.Instance || m.Held != s.held || len(b.picture.drains) == 0 && m.State != s.member.State {
			b.w.bad("View: %s shows %+v for %s %s, held %t", b.name, *m, s.member.Host, short(s.member.Instance), s.held)
		}
	}
}

// ends says whether the message that was heard last ends a stamp of a host.
func (b *beholder) ends(host, stamp string) bool {
	return slices.ContainsFunc(b.heard.Changes, func(c []string) bool {
		return (c[0] == "left" || c[0] == "expired") && c[1] == host && c[2] >= stamp
	})
}

// heldSince returns when the hold of a member began.
func (b *beholder) heldSince(m *seen) int64 {
	stamp := m.member.Instance
	if _, ok := b.began[stamp]; !m.held || !ok {
		b.began[stamp] = b.w.now
	}
	return b.began[stamp]
}

func (b *beholder) compareSights(why, host string, was, now sight, wells map[string]bool) {
	w := b.w
	if now.stamp == was.stamp {
		if now.held != was.held {
			w.tell("%s: %s %s held %t by %s", b.name, host, short(now.stamp), now.held, why)
			w.counted[map[bool]string{true: "holds", false: "holds ended"}[now.held]]++
		}
		return
	}
	if now.stamp > was.stamp {
		return
	}
	w.tell("%s: %s %s dropped by %s", b.name, host, short(was.stamp), why)
	w.counted["drops by "+why]++
	if long := w.now - was.since; why == "time" && (!was.held || long < ttlMicro) {
		w.bad("NoFlap: %s drops %s %s, held %t for %d us only", b.name, host, short(was.stamp), was.held, long)
	}
	for stamp := range wells {
		if t := w.owner(stamp); t.Host == host && (stamp == was.stamp || now.stamp == "" && why == "time") {
			w.bad("NoFlap: %s drops %s %s by %s, and %s is well", b.name, host, short(was.stamp), why, short(stamp))
		}
	}
}

func (b *beholder) monotone(why, host string, was, now sight, wells map[string]bool) {
	w := b.w
	if was.stamp == now.stamp {
		return
	}
	w.tell("%s: %s %s shown by %s", b.name, host, short(now.stamp), why)
	w.counted["shown"]++
	if now.stamp < was.stamp && why != "time" && !(why == "a message" && b.ends(host, was.stamp)) {
		w.bad("Monotone: %s turns %s from %s to the older %s by %s", b.name, host, short(was.stamp), short(now.stamp), why)
	}
	if top := b.largest[host]; now.stamp < top {
		if t := w.owner(top); wells[top] && !(t.named && w.lossy(host, t.wellFrom)) {
			w.bad("Monotone: %s shows %s %s by %s, and the newer %s is well", b.name, host, short(now.stamp), why, short(top))
		}
		if at := w.places[host]; why == "a snapshot" && at.kind == live && at.stamp == top {
			w.bad("Monotone: %s shows %s %s while the newer %s is registered", b.name, host, short(now.stamp), short(top))
		}
	}
	b.largest[host] = max(b.largest[host], now.stamp)
	if t := w.owner(now.stamp); t != nil && was.stamp == "" && why == "a snapshot" && t.left > 0 && !w.lossy(host, t.left-ttlMicro) {
		w.bad("Fenced: %s shows %s %s again, which had left", b.name, host, short(now.stamp))
	}
}
