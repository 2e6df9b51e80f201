package redismm

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Walks that once broke a promise, or break one when the rule they are named for is left out: too seldom met
// by chance to rely on it.
var knownWalks = []struct {
	rule string
	seed uint64
	of   []mishap
}{
	{"an expiry is believed only of a suspect", 1393, []mishap{
		{19216 * time.Millisecond, "evict a place", 2878150397, 0},
		{20221 * time.Millisecond, "evict a place", 2878150397, 0},
		{21123 * time.Millisecond, "evict a place", 2878150397, 0},
		{22672 * time.Millisecond, "evict a place", 2878150397, 0}}},
	{"an up begins a hold anew, whether it follows or not", 35304, []mishap{
		{13867 * time.Millisecond, "rollback", 749981813, 2500 * time.Millisecond},
		{14221 * time.Millisecond, "flush", 0, 0},
		{15613 * time.Millisecond, "cut a keeper", 749981813, 6 * time.Second},
		{16513 * time.Millisecond, "remove", 749981813, 0},
		{21991 * time.Millisecond, "flush", 0, 0}}},
	{"a message follows only on the change that it names", 0, []mishap{
		{10 * time.Second, "copy", 0, 0},
		{10500 * time.Millisecond, "take over", 1, 0},
		{12160 * time.Millisecond, "fall back", 0, 0},
		{12160 * time.Millisecond, "lose messages", 0, 0},
		{12161 * time.Millisecond, "drain", 1232, 6 * time.Second}}},
	{"an older registration follows a newer that is dropped", 12, []mishap{
		{15648 * time.Millisecond, "kill", 1913435898, 0}}},
	{"its own absence counts beside the newer's", 63880, []mishap{
		{16530 * time.Millisecond, "rollback", 1095550433, 50 * time.Millisecond},
		{16827 * time.Millisecond, "rollback", 1884928575, 700 * time.Millisecond},
		{17634 * time.Millisecond, "rollback", 1828495239, 3200 * time.Millisecond},
		{17675 * time.Millisecond, "kill", 1884928575, 0},
		{19028 * time.Millisecond, "kill", 1095550433, 0},
		{19419 * time.Millisecond, "rollback", 1828495239, 6 * time.Second}}},
	{"no absence counts across a gap between looks", 1347, []mishap{
		{16161 * time.Millisecond, "stall", 1711474635, 6 * time.Second},
		{19774 * time.Millisecond, "stop", 1711474635, 6 * time.Second},
		{20479 * time.Millisecond, "stop a sweeper", 2757312902, 1200 * time.Millisecond},
		{22180 * time.Millisecond, "stop a sweeper", 2757312902, 2500 * time.Millisecond}}},
}

func TestNoKnownWalkBreaksAPromise(t *testing.T) {
	for _, known := range knownWalks {
		if w := walk(known.seed, known.of); len(w.wrong) > 0 {
			t.Errorf("%s: %v\n%s", known.rule, known.of, strings.Join(w.story, "\n"))
		}
	}
}

// TestAKeyThatLivesUnlistedBeginsItsHoldAnew: its host beat, and only the index is lost.
func TestAKeyThatLivesUnlistedBeginsItsHoldAnew(t *testing.T) {
	p := newPicture("t", worldTTL)
	p.since = 0
	lives := value{kind: live, stamp: newStamp(1), rev: 1, record: encodeRecord(&core.Registration{}, core.Up)}
	shows := func(listed bool, v value, held bool) {
		t.Helper()
		s := &snapshot{version: version{"e", "1", "c", "1"}, values: map[string]value{"a": v}}
		if listed {
			s.hosts = []string{"a"}
		}
		p.look(s)
		p.pass(worldTTL * 2 / 3)
		if m := p.members["a"]; m == nil || m.held != held {
			t.Fatalf("shows %+v, want held %t", m, held)
		}
	}
	shows(true, lives, false)
	for range 3 {
		shows(false, lives, true)
	}
	shows(true, lives, false)
	shows(true, value{}, true)
	if p.pass(worldTTL / 3); p.members["a"] != nil {
		t.Error("shows a host that was absent for a TTL")
	}
}

func TestAHoldBeginsAnewWhereAChangeWasNotHeard(t *testing.T) {
	p := newPicture("t", worldTTL)
	p.since = 0
	reads := func(seq string, v value) {
		p.look(&snapshot{version: version{"e", seq, "c" + seq, "1"}, hosts: []string{"a"}, values: map[string]value{"a": v}, drains: map[string]string{}})
	}
	hears := func(seq, previous string) {
		p.hear(&message{Epoch: "e", Seq: seq, Change: "c" + seq, Previous: "c" + previous, N: "1", Changes: [][]string{{"drain", "b", "0", ""}}})
	}
	passes := func(d time.Duration, held bool) {
		t.Helper()
		if p.pass(d); (p.members["a"] != nil) != held {
			t.Fatalf("held %t, want %t", !held, held)
		}
	}
	reads("1", value{kind: live, stamp: newStamp(1), rev: 1, record: encodeRecord(&core.Registration{}, core.Up)})
	p.attest()
	reads("2", value{})
	hears("2", "1")
	passes(worldTTL*2/3, true)
	reads("4", value{}) // the third was not told: that "a" was back, maybe
	hears("4", "3")
	passes(worldTTL*2/3, true)
	hears("5", "4")
	reads("6", value{})
	hears("6", "5")
	passes(worldTTL*2/3, true)
	reads("9", value{}) // before what was told until then, and after
	for _, seq := range []string{"7", "8", "9", "10", "11"} {
		n, _ := strconv.Atoi(seq)
		hears(seq, strconv.Itoa(n-1))
	}
	passes(worldTTL/3, false)
}
