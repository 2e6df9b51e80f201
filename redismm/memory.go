package redismm

import (
	"maps"
	"time"
)

// memory is what a sweeper remembers of a topic. Times are Redis's, in microseconds.
type memory struct {
	last    int64
	seen    map[string]string // stamp last seen alive, by host
	absent  map[string]int64  // since when, by host
	lost    int64             // since when the set is not what the version counts, 0 while it is
	version version           // that counts so: another was written by somebody who was back meanwhile
}

func newMemory() *memory {
	return &memory{seen: make(map[string]string), absent: make(map[string]int64)}
}

// note takes a snapshot in and returns who is absent for the first time, and who was at every sweep for a
// TTL. A gap between sweeps begins every absence anew.
func (m *memory) note(s *snapshot, freq, ttl time.Duration) (suspects, gone []string) {
	gap := s.time-m.last > (3 * freq / 2).Microseconds()
	m.last = s.time
	if s.whole() {
		m.lost = 0
	} else if m.lost == 0 || gap || s.version != m.version {
		m.lost, m.version = s.time, s.version
	}
	listed := make(map[string]bool, len(s.hosts))
	for _, h := range s.hosts {
		listed[h] = true
		if v := s.values[h]; v.kind == live {
			m.seen[h] = v.stamp
			delete(m.absent, h)
			continue
		}
		since, known := m.absent[h]
		switch {
		case !known:
			suspects = append(suspects, h)
			m.absent[h] = s.time
		case gap:
			m.absent[h] = s.time
		case s.time-since >= ttl.Microseconds():
			gone = append(gone, h)
		}
	}
	unlisted := func(h string) bool { return !listed[h] }
	maps.DeleteFunc(m.seen, func(h, _ string) bool { return unlisted(h) })
	maps.DeleteFunc(m.absent, func(h string, _ int64) bool { return unlisted(h) })
	return suspects, gone
}
