package redismm

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// broom is a process that sweeps: the memory is the store's own.
type broom struct {
	w       *world
	name    string
	dice    *rand.Rand
	memory  *memory
	stopped int64
	cut     int64
	slow    time.Duration // a delay of what it writes next

	looks  map[string][]int64 // when it looked and found a host absent, since it last found it alive
	living map[string]string  // the stamp that it last found alive, by host
}

func (w *world) newBroom(name string) *broom {
	s := &broom{w: w, name: name, dice: w.dice(name)}
	w.sweepers = append(w.sweepers, s)
	w.in(time.Duration(s.dice.Int64N(int64(worldFreq))), s.wake)
	return s
}

func (s *broom) wake() {
	w := s.w
	if s.stopped > w.now {
		w.at(s.stopped, s.wake)
		return
	}
	if w.stalled > w.now {
		waits := min(time.Duration(w.stalled-w.now)*time.Microsecond, worldFreq)
		w.in(waits, func() {
			if w.stalled > w.now {
				s.memory = nil // the connection is given up
			} else {
				s.round()
			}
			w.in(max(jittered(s.dice)-waits, worldFreq/4), s.wake)
		})
		return
	}
	if s.cut > w.now {
		s.memory = nil
	} else {
		s.round()
	}
	w.in(jittered(s.dice), s.wake)
}

func (s *broom) round() {
	w := s.w
	if w.lease.until <= w.now {
		w.lease.holder = ""
	}
	if w.lease.holder != "" && w.lease.holder != s.name {
		s.memory = nil
		return
	}
	w.lease.holder, w.lease.until = s.name, w.after(5*worldFreq/2)
	if s.memory == nil {
		s.memory = newMemory()
		s.looks, s.living = map[string][]int64{}, map[string]string{}
	}
	s.sweep()
}

// sweep is the sweeper's.
func (s *broom) sweep() {
	w := s.w
	snap := w.snapshot(nil)
	if snap.unknown() {
		return
	}
	w.counted["sweeps"]++
	s.looked(snap)
	suspects, gone := s.memory.note(snap, worldFreq, worldTTL)
	slices.Sort(suspects)
	slices.Sort(gone)
	s.judge(gone)
	seen, lost := maps.Clone(s.memory.seen), s.memory.lost
	notAfter := snap.time + (worldFreq / 2).Microseconds()
	f := func() {
		switch {
		case len(suspects) > 0:
			w.counted["suspects"] += len(suspects)
			w.run(s.name+": suspect", func() { w.suspect(suspects) })
		case !snap.whole() && (len(snap.hosts) > 0 || snap.time-lost >= ttlMicro):
			w.run(s.name+": suspect", func() { w.suspect(nil) })
		}
		if len(gone) > 0 {
			w.run(s.name+": prune", func() {
				n := w.prune(notAfter, gone, seen)
				if n < 0 {
					w.counted["prunes too late"]++
				} else {
					w.counted["pruned"] += n
				}
			})
		}
	}
	delay := s.slow
	s.slow = 0
	if delay == 0 || len(suspects)+len(gone) == 0 {
		f()
		return
	}
	if delay >= worldFreq {
		s.memory = nil
	}
	w.tell("%s: what it writes is late", s.name)
	w.in(delay, f)
}

// looked notes what a look shows, to judge by.
func (s *broom) looked(snap *snapshot) {
	for _, h := range worldHosts {
		switch {
		case !slices.Contains(snap.hosts, h):
			delete(s.looks, h)
			delete(s.living, h)
		case snap.values[h].kind == live:
			delete(s.looks, h)
			s.living[h] = snap.values[h].stamp
		default:
			s.looks[h] = append(s.looks[h], snap.time)
		}
	}
}

// judge checks what the memory calls gone: it was absent at every look for a TTL, none of them more than one
// and a half intervals after the one before.
func (s *broom) judge(gone []string) {
	w := s.w
	for _, h := range gone {
		looks := s.looks[h]
		first := len(looks) - 1
		for first > 0 && looks[first]-looks[first-1] <= freqMicro*3/2 {
			first--
		}
		if looks[len(looks)-1]-looks[first] < ttlMicro {
			w.bad("Sweep: %s calls %s gone, and found it absent without a gap since %d us only", s.name, h, looks[len(looks)-1]-looks[first])
		}
		if s.memory.seen[h] != s.living[h] {
			w.bad("Sweep: %s calls %s gone as %s, and saw it last as %s", s.name, h, short(s.memory.seen[h]), short(s.living[h]))
		}
		w.counted["judged"]++
	}
}
