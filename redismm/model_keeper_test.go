package redismm

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redismm/matchmaker/core"
)

// keeper is a process that keeps registrations: its claims, memos and batches are the store's own.
type keeper struct {
	w       *world
	name    string
	dice    *rand.Rand
	tenants []*tenant
	dead    bool
	stopped int64 // SIGSTOP until
	cut     int64 // Redis cannot be reached until
	fates   []fate
	retry   time.Duration
}

// fate is what becomes of one call.
type fate struct {
	lost  bool          // the reply
	delay time.Duration // of the execution; the client has given up by then if it is more than its timeout
}

// tenant is a registration, and what is true of it.
type tenant struct {
	*core.Claim
	keeper   *keeper
	standing tenancy
	executed int64 // when a beat of it was last executed that kept it
	over     bool  // a newer one was put
	ended    bool  // removed or expired by name, and not put since
	named    bool  // ended by name at any time
	leaving  bool
	left     int64 // when its leave was executed
	wellFrom int64 // since when it never missed its TTL
}

type tenancy uint8

const (
	wanted tenancy = iota
	held
	standing
	gone
)

var tenancies = [...]string{"wanted", "held", "standing by", "gone"}

const keeperTimeout = worldFreq / 2

// well: it is registered, was told so, and never missed its TTL.
func (w *world) well(t *tenant) bool {
	return t.standing == held && !t.leaving && !t.keeper.dead && !t.over && !t.ended && t.keeper.stopped <= w.now && w.now-t.executed < ttlMicro
}

func (w *world) newKeeper(name string) *keeper {
	k := &keeper{w: w, name: name, dice: w.dice(name), retry: worldFreq / 16}
	w.processes = append(w.processes, k)
	w.in(time.Duration(k.dice.Int64N(int64(worldFreq))), k.wake)
	return k
}

func (k *keeper) register(host string) *tenant {
	t := &tenant{Claim: &core.Claim{Registration: core.Registration{Topic: "t", Host: host, Weight: 1 + len(k.w.processes)}}, keeper: k}
	k.tenants = append(k.tenants, t)
	return t
}

// wake sends one round.
func (k *keeper) wake() {
	w := k.w
	switch {
	case k.dead:
		return
	case k.stopped > w.now:
		w.at(k.stopped, k.wake)
		return
	}
	ok, took := k.round()
	next := jittered(k.dice)
	if ok {
		k.retry = worldFreq / 16
		next -= took
	} else {
		next = took + k.retry - time.Duration(k.dice.Int64N(int64(k.retry/10)))
		k.retry = min(2*k.retry, worldFreq)
	}
	w.in(next, k.wake)
}

func (k *keeper) of(which func(*tenant) bool) []*tenant {
	return slices.DeleteFunc(slices.Clone(k.tenants), func(t *tenant) bool { return !which(t) })
}

// round returns whether all was answered, and how long it waited for what was not.
func (k *keeper) round() (ok bool, took time.Duration) {
	beats := k.of(func(t *tenant) bool { return !t.leaving && (t.standing == held || t.standing == standing) })
	joins := k.of(func(t *tenant) bool { return !t.leaving && t.standing == wanted })
	leaves := k.of(func(t *tenant) bool { return t.leaving && t.standing != gone })
	ok = k.beat(beats)
	ok = k.tickets(joins) && k.beat(joins) && ok
	ok = k.leave(leaves) && ok
	if !ok {
		took = keeperTimeout
	}
	return ok, took
}

// call sends scripts and says whether they were executed and answered at once.
func (k *keeper) call(what string, f func()) bool {
	w := k.w
	if k.cut > w.now {
		return false
	}
	var luck fate
	if len(k.fates) > 0 {
		luck, k.fates = k.fates[0], k.fates[1:]
	}
	delay := max(luck.delay, time.Duration(w.stalled-w.now)*time.Microsecond)
	if delay > 0 {
		w.counted["late"]++
		w.tell("%s: %s is late", k.name, what)
		w.in(delay, func() { w.run(k.name+" late: "+what, f) })
		return false // its client has given up, or takes it so
	}
	w.run(k.name+": "+what, f)
	if luck.lost {
		w.tell("%s: the reply is lost", k.name)
		w.counted["replies lost"]++
	}
	return !luck.lost
}

func (k *keeper) tickets(ts []*tenant) bool {
	fresh := slices.DeleteFunc(slices.Clone(ts), func(t *tenant) bool { return t.Instance != "" })
	if len(fresh) == 0 {
		return true
	}
	ids := make([]string, len(fresh))
	ok := k.call("ticket", func() {
		for i, t := range fresh {
			ids[i] = stampOf(k.w.ticket(t.Host), k.dice.Uint64()^k.dice.Uint64()) // two, as when the known walks were met
		}
	})
	if ok {
		for i, t := range fresh {
			t.Instance = ids[i]
		}
	}
	return ok
}

// beat does as Store.beat: touches where it may, else upserts.
func (k *keeper) beat(ts []*tenant) bool {
	if len(ts) == 0 {
		return true
	}
	cs := make([]*core.Claim, len(ts))
	for i, t := range ts {
		cs[i] = t.Claim
	}
	ok := true
	for _, b := range batches(cs, standsBy) {
		of := make([]*tenant, len(b.at))
		for i, at := range b.at {
			of[i] = ts[at]
		}
		ok = (k.touch(b, of) || k.upsert(b, of)) && ok
	}
	return ok
}

func (k *keeper) touch(b *batch, of []*tenant) bool {
	w := k.w
	v := b.touchable(w.clock())
	if v == nil {
		return false
	}
	touched, notAfter := false, w.after(keeperTimeout)
	revs := make([]uint64, len(of))
	for i, t := range of {
		revs[i] = memoOf(t.Claim).rev
	}
	answered := k.call("touch", func() {
		if touched = w.touch(worldTTL, notAfter, *v, b.hosts()); !touched {
			return
		}
		w.counted["touched"]++
		for i, t := range of {
			at := w.places[t.Host]
			if at.kind != live || at.stamp != t.Instance || at.rev != revs[i] || !w.listed[t.Host] {
				w.bad("FastPath: %s is told kept, and its place holds %s", short(t.Instance), at.text())
			}
			w.kept(t)
		}
	})
	if answered && touched {
		return true
	}
	b.forget()
	return false
}

// kept notes that a beat was executed.
func (w *world) kept(t *tenant) {
	if w.now-t.executed >= ttlMicro || t.standing != held {
		t.wellFrom = w.now
	}
	t.executed = w.now
}

func (k *keeper) upsert(b *batch, of []*tenant) bool {
	w := k.w
	tells := make([]tell, len(of))
	for i, t := range of {
		m := memoOf(t.Claim)
		tells[i] = tell{t.Host, t.Instance, m.rev, encodeRecord(&t.Registration, t.State)}
	}
	var words []string
	inTime, notAfter, sent := false, w.after(keeperTimeout), w.clock()
	answered := k.call("upsert", func() {
		if words, inTime = w.upsert(worldTTL, notAfter, tells); !inTime {
			w.counted["refused late"]++
			return
		}
		for i, t := range of {
			switch words[i] {
			case "ok", "joined", "replaced", "updated":
				w.kept(t)
			}
		}
	})
	if !answered || !inTime {
		b.forget()
		return false
	}
	v := w.version
	for i, t := range of {
		o, _ := new(Store).acknowledge(t.Claim, words[i], &v, sent)
		k.note(t, o)
	}
	return true
}

func (k *keeper) note(t *tenant, o core.Outcome) {
	was := t.standing
	switch {
	case o.Holds():
		t.standing = held
	case o == core.Superseded:
		t.standing = standing
		if t.Holder != nil && t.Holder.Instance <= t.Instance {
			k.w.bad("Lost: %s is told superseded by the older %s", short(t.Instance), short(t.Holder.Instance))
		}
	case o == core.Left:
		t.standing = gone
	}
	if t.standing != was {
		k.w.tell("%s: %s %s is %s", k.name, t.Host, short(t.Instance), tenancies[t.standing])
		k.w.counted[tenancies[t.standing]]++
	}
}

func (k *keeper) leave(ts []*tenant) bool {
	ts = slices.DeleteFunc(ts, func(t *tenant) bool {
		if t.Instance == "" {
			t.standing = gone
		}
		return t.Instance == ""
	})
	if len(ts) == 0 {
		return true
	}
	tells := make([]tell, len(ts))
	for i, t := range ts {
		tells[i] = tell{host: t.Host, stamp: t.Instance}
	}
	answered := k.call("leave", func() {
		for i, word := range k.w.leave(worldTTL, tells) {
			if word == "left" && ts[i].left == 0 {
				ts[i].left = k.w.now
			}
		}
	})
	if answered {
		for _, t := range ts {
			k.note(t, core.Left)
		}
	}
	return answered
}
