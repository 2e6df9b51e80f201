package redismm

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

// A registration that a later release wrote: its record has fields that this one does not know.
func TestRecordsOfALaterReleaseAreKeptByEveryScript(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, mine := r.joined("node1")
		stamp := newStamp(time.Now().Add(time.Hour).UnixMicro()) // after any that is drawn here
		newer := "L " + stamp + ` 7 {"addr":"10.0.0.1:80","state":"up","tier":{"gpu":[1,2]},"since":"2031"}`
		theirs := keysOf.liveness(compute, "node2")
		writes := func() {
			r.do("SET", theirs, newer, "PX", r.config.TTL.Milliseconds())
			r.do("SADD", keysOf.set(compute), "node2")
		}
		writes()
		older := claimOf("node2")
		older.Instance = newStamp(1)
		named := claimOf("node2")
		for _, verb := range []struct {
			name string
			run  func() error
		}{
			{"upsert of a neighbour", func() error { mine.Memo = nil; r.beats(s, core.Kept, mine); return nil }},
			{"touch of a neighbour", func() error { r.beats(s, core.Kept, mine); return nil }},
			{"a beat of an older instance", func() error { r.beats(s, core.Superseded, older); return nil }},
			{"a leave of an older instance", func() error { r.leaves(s, core.Superseded, older); return nil }},
			{"ack by name", func() error { r.call("ack", s.AckAlive, core.Kept, []*core.Claim{named}); return nil }},
			{"drain", func() error { return s.DrainFor(r.Context(), compute, "node2", time.Minute, "upgrade") }},
			{"end of a drain", func() error { return s.DrainFor(r.Context(), compute, "node2", 0, "") }},
			{"ticket", func() error { return s.ticket(r.Context(), []*core.Claim{claimOf("node2")}) }},
			{"suspect", func() error { return r.runs(s, s.suspectCall(compute, []string{"node2"})) }},
			{"prune", func() error {
				return r.runs(s, s.pruneCall(compute, []string{"node2"}, map[string]string{"node2": stamp}, time.Now().Add(time.Minute).UnixMicro()))
			}},
			{"a snapshot", func() error { _, err := s.readInOne(r.Context(), s.read, compute, nil); return err }},
			{"pick", func() error { _, err := s.TopicExchange(r.Context(), compute); return err }},
			{"expire of a neighbour", func() error { _, err := s.Expire(r.Context(), compute, "node1"); return err }},
		} {
			if err := verb.run(); err != nil {
				r.Errorf("%s: %v", verb.name, err)
			}
			if got := r.do("GET", theirs); got != newer {
				r.Errorf("after %s the key holds %q, want %q", verb.name, got, newer)
			}
			if !r.raw.SIsMember(r.Context(), keysOf.set(compute), "node2").Val() {
				r.Errorf("after %s it is not listed", verb.name)
			}
		}
		v, err := s.Members(r.Context(), compute)
		if err != nil || len(v.Members) != 1 || v.Members[0].Addr != "10.0.0.1:80" || v.Members[0].State != core.Up {
			r.Errorf("%q, %v, want what this release knows of the record", shown(v), err)
		}
		if out, err := s.Expire(r.Context(), compute, "node2"); out != core.Left || err != nil {
			r.Errorf("expire: %v, %v", out, err)
		}
		writes()
		r.call("unregister", s.BackendUnregister, core.Left, []*core.Claim{claimOf("node2")})
		if got := r.do("GET", theirs); !strings.HasPrefix(got, "T "+stamp) {
			r.Errorf("removed by name it holds %q, want a tombstone of that stamp", got)
		}
	})
}

// runs sends one call as a sweeper does.
func (r *registry) runs(s *Store, c *call) error {
	r.Helper()
	run(r.Context(), s.read, []*call{c})
	return c.err
}

// Neither an older release nor a newer one can be written over: the error names both layouts.
func TestEveryScriptThatWritesRefusesAnotherLayout(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, mine := r.joined("node1")
		for _, other := range []string{"0", "2"} {
			r.do("HSET", keysOf.version(compute), "l", other)
			before := r.do("GET", keysOf.liveness(compute, "node1"))
			for name, verb := range map[string]func() error{
				"register": func() error { _, err := s.BackendRegister(r.Context(), r.config.TTL, claimsOf("node2")); return err },
				"leave": func() error {
					_, err := s.BackendUnregister(r.Context(), r.config.TTL, []*core.Claim{mine})
					return err
				},
				"remove":  func() error { _, err := s.BackendUnregister(r.Context(), r.config.TTL, claimsOf("node1")); return err },
				"expire":  func() error { _, err := s.Expire(r.Context(), compute, "node1"); return err },
				"drain":   func() error { return s.DrainFor(r.Context(), compute, "node1", time.Minute, "") },
				"suspect": func() error { return r.runs(s, s.suspectCall(compute, []string{"node9"})) },
				"a sweeper": func() error {
					return r.runs(s, s.pruneCall(compute, []string{"node9"}, nil, time.Now().Add(time.Minute).UnixMicro()))
				},
			} {
				err := verb()
				if text := fmt.Sprint(err); err == nil || !strings.Contains(text, "layout "+other) || !strings.Contains(text, "writes layout "+layout) {
					r.Errorf("%s in layout %s: %v, want an error that names both layouts", name, other, err)
				}
				if errors.Is(err, core.ErrNoMatch) {
					r.Errorf("%s in layout %s: %v is an ErrNoMatch", name, other, err)
				}
			}
			if after := r.do("GET", keysOf.liveness(compute, "node1")); after != before {
				r.Errorf("layout %s: node1 holds %q, held %q", other, after, before)
			}
		}
	})
}

// TestStampsHaveOneWidthAndHoldNothingButDigits: scripts cut them by position, and digits sort alike in every locale.
func TestStampsHaveOneWidthAndHoldNothingButDigits(t *testing.T) {
	last := ""
	for _, generation := range []int64{0, 1, 1e15, time.Now().UnixMicro(), lastGeneration - 1, lastGeneration, 1e16, 1 << 55, math.MaxInt64} {
		stamp := newStamp(generation)
		if len(stamp) != stampSize || strings.Trim(stamp, "0123456789") != "" {
			t.Errorf("%d makes the stamp %q, want %d digits", generation, stamp, stampSize)
		}
		if generation <= lastGeneration && stamp <= last {
			t.Errorf("%d makes the stamp %q, which is not after %q", generation, stamp, last)
		}
		last = stamp
	}
	if least, most := stampOf(7, 0), stampOf(7, math.MaxUint64); len(least) != stampSize || len(most) != stampSize || least >= most {
		t.Errorf("%q and %q, want both of %d digits", least, most, stampSize)
	}
	if one, other := newStamp(1), newStamp(1); one == other {
		t.Error("two stamps of one generation are the same")
	}
}

// TestNoGenerationMakesAWiderStamp: nothing is after the last, so a stamp beside it may be smaller; it still is one.
func TestNoGenerationMakesAWiderStamp(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, _ := r.joined("node1")
		for _, generation := range []int64{lastGeneration - 1, lastGeneration} {
			key := keysOf.liveness(compute, "node2")
			r.do("SET", key, "T "+stampOf(generation, 0)+" 0", "PX", r.config.TTL.Milliseconds())
			c := claimOf("node2")
			if err := s.ticket(r.Context(), []*core.Claim{c}); err != nil || len(c.Instance) != stampSize || c.Instance < stampOf(generation, 0) {
				r.Errorf("after generation %d comes %q, %v", generation, c.Instance, err)
			}
		}
	})
}

// TestAValueOfARecordOf120BytesFitsInto160: with what Redis keeps beside a string, 160 bytes are what it takes; the
// next size is 192.
func TestAValueOfARecordOf120BytesFitsInto160(t *testing.T) {
	const header = 4 // of a string of up to 255 bytes, and its end
	r := core.Registration{Zone: strings.Repeat("z", 120-len(`{"zone":""}`))}
	if value := encodeValue(newStamp(1e15), 999, &r, core.Up); len(encodeRecord(&r, core.Up)) != 120 || len(value)+header > 160 {
		t.Errorf("a record of %d bytes makes a value of %d, want %d at most", len(encodeRecord(&r, core.Up)), len(value), 160-header)
	}
}
