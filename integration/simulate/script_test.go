package simulate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// act is one line of the script: what happens at a time to whom.
type act struct {
	at    time.Duration
	what  string
	slot  int // of a process, or of a watcher
	host  place
	lasts time.Duration
	n     int    // for whoever carries it out to choose by
	then  func() // instead, where it ends what an earlier one began
}

func (a act) String() string {
	return fmt.Sprintf("%s %s slot %d %s.%s %s %d", a.at, a.what, a.slot, a.host.topic, a.host.host, a.lasts, a.n)
}

// size is how many hosts a topic has.
type size struct {
	topic string
	hosts int
}

var sizes = []size{{"compute", 100}, {"network", 50}, {"volume", 25}, {"scheduler", 12}, {"conductor", 8}, {"image", 4}, {"cert", 1}}

const watchers = 4

// playwright writes a script. Who is busy is left alone until it is not.
type playwright struct {
	*rand.Rand
	acts  []act
	slots [][]place // of processes
	busy  []time.Duration
	held  []time.Duration // watchers
	decks map[*[]string][]string
}

// draw takes one of a kind of faults, each as often as the others are.
func (p *playwright) draw(of *[]string) string {
	if len(p.decks[of]) == 0 {
		p.decks[of] = slices.Clone(*of)
		p.Shuffle(len(*of), func(i, j int) { p.decks[of][i], p.decks[of][j] = p.decks[of][j], p.decks[of][i] })
	}
	first := p.decks[of][0]
	p.decks[of] = p.decks[of][1:]
	return first
}

// cast spreads the hosts over processes of 1 to 20.
func (p *playwright) cast() {
	var all []place
	for _, s := range sizes {
		for i := range s.hosts {
			all = append(all, place{s.topic, fmt.Sprintf("node%d", i+1)})
		}
	}
	for len(all) > 0 {
		n := min(1+p.IntN(20), len(all))
		p.slots = append(p.slots, all[:n:n])
		all = all[n:]
	}
	p.busy = make([]time.Duration, len(p.slots))
	p.held = make([]time.Duration, watchers)
}

func (p *playwright) between(from, to time.Duration) time.Duration {
	return from + rand64(p.Rand, to-from)
}

func rand64(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

func (p *playwright) add(a act) { p.acts = append(p.acts, a) }

// idle returns one that is not busy at a time, and makes it so until another.
func (p *playwright) idle(of []time.Duration, at, until time.Duration) (int, bool) {
	from := p.IntN(len(of))
	for i := range of {
		if slot := (from + i) % len(of); of[slot] <= at {
			of[slot] = until + 10*time.Second
			return slot, true
		}
	}
	return 0, false
}

// The faults of registrants, of watchers and of the registry; those named more often come more often.
var (
	ofRegistrants = []string{"crash", "crash", "crash", "crash", "finish", "leave", "drain", "drain", "short stall", "long stall", "cut", "rival", "rival"}
	ofWatchers    = []string{"watcher stall", "watcher cut", "watcher deaf", "watcher restart"}
	ofRegistry    = []string{"flush", "flush", "evict", "evict", "refuse", "refuse", "reset", "silent", "deaf",
		"cut subscriptions", "short freeze", "long freeze", "restart empty", "forget scripts", "go back"}
)

// registrant is one thing that happens to registrants.
func (p *playwright) registrant(at time.Duration) {
	a := act{at: at, what: p.draw(&ofRegistrants), n: p.IntN(1000)}
	a.lasts = p.between(time.Second, 90*time.Second)
	switch a.what {
	case "short stall":
		a.lasts = p.between(time.Second, 8*time.Second)
	case "long stall":
		a.lasts = p.between(16*time.Second, 50*time.Second)
	}
	slot, ok := p.idle(p.busy, at, at+a.lasts)
	if !ok {
		return
	}
	a.slot = slot
	a.host = p.slots[slot][p.IntN(len(p.slots[slot]))]
	p.add(a)
	if a.what == "rival" {
		p.busy[slot] += time.Minute // until it has its place back
	}
}

func (p *playwright) watcher(at time.Duration) {
	a := act{at: at, what: p.draw(&ofWatchers), lasts: p.between(time.Second, 40*time.Second)}
	if slot, ok := p.idle(p.held, at, at+a.lasts); ok {
		a.slot = slot
		p.add(a)
	}
}

// registry is one fault of the registry. It returns how long it lasts.
func (p *playwright) registry(at time.Duration) time.Duration {
	a := act{at: at, what: p.draw(&ofRegistry), n: p.IntN(1000)}
	switch a.what {
	case "refuse", "silent", "deaf":
		a.lasts = p.between(time.Second, 40*time.Second)
	case "restart empty":
		a.lasts = p.between(100*time.Millisecond, 20*time.Second)
	case "short freeze", "go back":
		a.lasts = p.between(100*time.Millisecond, 10*time.Second)
	case "long freeze":
		a.lasts = p.between(16*time.Second, 40*time.Second)
	}
	p.add(a)
	return a.lasts
}

// massDeath ends half of the processes at once.
func (p *playwright) massDeath(at time.Duration) {
	for slot := range p.slots {
		if p.busy[slot] <= at && p.IntN(2) == 0 {
			a := act{at: at, what: "crash", slot: slot, host: p.slots[slot][0], lasts: p.between(20*time.Second, 2*time.Minute)}
			p.add(a)
			p.busy[slot] = at + a.lasts + 10*time.Second
		}
	}
}

// quiet is long enough for who is dead to be gone from every view.
const quiet = time.Minute

// settled is when nobody is busy any more.
func (p *playwright) settled(t time.Duration) time.Duration {
	return max(t, slices.Max(p.busy), slices.Max(p.held))
}

// script writes what happens in so long a time: by turns a while in which processes come and go, and a storm in
// which the registry fails too; a quiet time after each.
func script(seed uint64, long time.Duration) *playwright {
	p := &playwright{Rand: rand.New(rand.NewPCG(seed, 1)), decks: make(map[*[]string][]string)}
	p.cast()
	t := 30 * time.Second
	for turn := 0; t < long; turn++ {
		end := t + p.between(2*time.Minute, 4*time.Minute)
		if turn == 0 { // for those who have little time
			end = t + 45*time.Second
		}
		if turn%4 == 1 {
			p.massDeath(t)
			t += 3 * time.Minute
		}
		for t < end && t < long {
			p.registrant(t)
			t += p.between(2*time.Second, 12*time.Second)
		}
		t = p.settled(t) + quiet
		if turn%8 == 3 {
			p.add(act{at: t, what: "gone", lasts: 10 * time.Minute, n: turn / 8})
			t += 10*time.Minute + quiet
		}
		t = p.settled(p.storm(t, min(long, t+p.between(2*time.Minute, 4*time.Minute)))) + quiet
	}
	slices.SortStableFunc(p.acts, func(a, b act) int { return int(a.at - b.at) })
	return p
}

func (p *playwright) storm(t, end time.Duration) time.Duration {
	after := t
	for t < end {
		switch p.IntN(4) {
		case 0:
			p.watcher(t)
		case 1:
			p.registrant(t)
		default:
			if after <= t {
				after = t + p.registry(t) + p.between(time.Second, 20*time.Second)
			}
		}
		t += p.between(time.Second, 10*time.Second)
	}
	return max(t, after)
}
