package history

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

func TestCompleteWantsWhoBeatsForATTLAndASweep(t *testing.T) {
	from := 20 * s
	alone := []story{watches(0), sees(0, 0), lives("p", "a", from, 100*s)}
	check(t, Complete, 100*s, []testcase{
		{"shown at the last moment", with(alone, sees(from+ttl+beat, 1, up("p", "a"))), ""},
		{"shown a hair later", with(alone, sees(from+ttl+beat+hair, 1, up("p", "a"))), "w does not show a"},
		{"held is shown", with(alone, sees(30*s, 1, up("p", "a")), sees(60*s, 1, held("p", "a"))), ""},
		{"dropped for a hair", with(alone, sees(30*s, 1, up("p", "a")), sees(60*s, 0, gone("a")), sees(60*s+hair, 1, up("p", "a"))), "w does not show a"},
		{"never shown", alone, "w does not show a"},
		{"never shown to who cannot see", with(alone, fails("w", 30*s, 95*s)), ""},
		{"never shown while the registry was away", with(alone, fails("", 30*s, 95*s)), ""},
		{"who cannot see hurts no other", with(alone, fails("v", 30*s, 95*s)), "w does not show a"},
	})
}

func TestCompleteWantsAReasonForALapse(t *testing.T) {
	lapsed := []story{lives("p", "a", 0, 40*s), again("p", "a", 40*s+ttl+hair, 100*s)}
	check(t, Complete, 100*s, []testcase{
		{"nothing was wrong", lapsed, "nothing was wrong"},
		{"its way was cut", with(lapsed, fails("p", 41*s, 54*s)), ""},
		{"another's way was cut", with(lapsed, fails("q", 41*s, 54*s)), "nothing was wrong"},
		{"it has left", with(lapsed[:1], leaves("p", "a", 55*s)), ""},
	})
}

func TestTimelyWantsTheDeadHeldAndGone(t *testing.T) {
	died := 50 * s
	alone := []story{watches(0), sees(1*s, 1, up("p", "a")), lives("p", "a", 0, 48*s), ends("p", died)}
	inTime := with(alone, sees(died+heldIn, 1, held("p", "a")))
	check(t, Timely, 200*s, []testcase{
		{"held and gone at the last moment", with(inTime, sees(died+goneIn, 0, gone("a"))), ""},
		{"held a hair too late", with(alone, sees(died+heldIn+hair, 1, held("p", "a")), sees(died+goneIn, 0, gone("a"))), "is to be held"},
		{"gone a hair too late", with(inTime, sees(died+goneIn+hair, 0, gone("a"))), "is to be gone"},
		{"never gone", inTime, "is to be gone"},
		{"held again for a hair is not shown", with(inTime, sees(died+goneIn, 0, gone("a")), sees(100*s, 1, held("p", "a")), sees(100*s+hair, 0, gone("a"))), "is to be gone"},
		{"a successor is not the dead", with(alone, lives("q", "a", 60*s, 200*s), sees(60*s, 1, up("q", "a"))), ""},
		{"after a fault the time begins anew", with(alone, fails("", 60*s, 80*s), sees(80*s+heldIn, 1, held("p", "a")), sees(80*s+goneIn, 0, gone("a"))), ""},
		{"and ends", with(alone, fails("", 60*s, 80*s), sees(80*s+heldIn+hair, 1, held("p", "a")), sees(80*s+goneIn, 0, gone("a"))), "is to be held"},
		{"while nobody sweeps it does not count", with(alone, unswept(70*s, 80*s), sees(80*s+heldIn, 1, held("p", "a")), sees(80*s+goneIn, 0, gone("a"))), ""},
		{"it does when somebody does", with(alone, unswept(70*s, 80*s), sees(80*s+heldIn+hair, 1, held("p", "a")), sees(80*s+goneIn, 0, gone("a"))), "is to be held"},
		{"after the registry went back the time begins anew", with(inTime, wentBack(90*s, 91*s), sees(91*s+heldIn, 1, held("p", "a")), sees(91*s+goneIn, 0, gone("a"))), ""},
		{"a fault of another changes nothing", with(inTime, fails("q", 60*s, 80*s), sees(80*s+goneIn, 0, gone("a"))), "is to be gone"},
	})
}

func TestTimelyWantsTheDeadPickedByNobody(t *testing.T) {
	died := 50 * s
	alone := []story{watches(0), sees(1*s, 2, up("p", "a"), up("q", "b")), lives("p", "a", 0, 48*s), ends("p", died),
		lives("q", "b", 0, 200*s), sees(died+heldIn, 2, held("p", "a")), sees(died+goneIn, 1, gone("a"))}
	check(t, Timely, 200*s, []testcase{
		{"picked at the last moment", with(alone, picks(died+heldIn, "p", "a")), ""},
		{"picked a hair later", with(alone, picks(died+heldIn+hair, "p", "a")), "w picked a"},
		{"picked while nobody is up", with(alone, sees(died+heldIn, 2, held("q", "b")), picks(died+heldIn+hair, "p", "a")), ""},
		{"another picked", with(alone, picks(died+heldIn+hair, "q", "b")), ""},
	})
}

func TestTimelyWantsLookupsThatAskToBeExact(t *testing.T) {
	alone := []story{lives("p", "a", 0, 48*s), ends("p", 50*s), lives("q", "b", 0, 200*s)}
	both := []Sight{up("p", "a"), up("q", "b")}
	check(t, Timely, 200*s, []testcase{
		{"listed at the last moment", with(alone, reads(50*s+ttl, "", both...)), ""},
		{"listed a hair later", with(alone, reads(50*s+ttl+hair, "", both...)), "listed a"},
		{"not listed though valid", with(alone, reads(40*s, "", both[0])), "for b"},
		{"listed as another", with(alone, reads(40*s, "", both[0], up("x", "b"))), "for b"},
		{"cannot tell", with(alone, reads(40*s, Unavailable)), ""},
		{"the older came first after a loss, and the newer is back", []story{lives("q", "b", 0, 30*s), lives("r", "b", 10*s, 30*s), loses("", 31*s),
			again("q", "b", 32*s, 32*s), again("r", "b", 33*s, 60*s), reads(42*s, "", up("r", "b"))}, ""},
		{"nobody", with(alone, reads(60*s, NoHosts)), "for b"},
		{"what was lost is not listed", with(alone, loses("b", 39*s), reads(40*s, "", both[0])), ""},
	})
}

func TestNoFlapWantsTheWellAlwaysShown(t *testing.T) {
	alone := []story{watches(0), sees(1*s, 1, up("p", "a")), lives("p", "a", 0, 100*s)}
	stalled := []story{watches(0), sees(1*s, 1, up("p", "a")), lives("p", "a", 0, 40*s), again("p", "a", 70*s, 100*s)}
	check(t, NoFlap, 100*s, []testcase{
		{"held", with(alone, sees(50*s, 1, held("p", "a")), sees(90*s, 1, up("p", "a"))), ""},
		{"absent for a hair", with(alone, sees(50*s, 0, gone("a")), sees(50*s+hair, 1, up("p", "a"))), "w does not show a any more"},
		{"it left", with(alone, leaves("p", "a", 50*s), sees(50*s+hair, 0, gone("a"))), ""},
		{"it died", with(alone, ends("p", 50*s), sees(50*s+hair, 0, gone("a"))), ""},
		{"it missed its TTL, by its own fault", with(stalled, fails("p", 41*s, 69*s), sees(60*s, 0, gone("a"))), ""},
		{"it had not missed it yet", with(stalled, fails("p", 41*s, 69*s), sees(40*s+ttl-hair, 0, gone("a"))), "w does not show a any more"},
		{"nobody could reach the registry", with(stalled, fails("", 41*s, 69*s), sees(60*s, 0, gone("a"))), "w does not show a any more"},
		{"nobody could, and it is back too late for the watcher", with(stalled, fails("", 41*s, 65*s), sees(69*s, 0, gone("a"))), "w does not show a any more"},
		{"another of the place is well", with(alone, leaves("p", "a", 50*s), lives("q", "a", 40*s, 100*s), sees(50*s+hair, 0, gone("a"))), "q keeps it"},
	})
}

func TestMonotoneWantsNoOlderInstance(t *testing.T) {
	// q is newer than p: its instance is larger.
	alone := []story{watches(0), lives("p", "a", 0, 20*s), sees(1*s, 1, up("p", "a")), lives("q", "a", 20*s, 60*s), sees(21*s, 1, up("q", "a"))}
	died := with(alone, ends("q", 61*s), again("p", "a", 60*s+ttl, 200*s), sees(80*s, 1, held("q", "a")))
	lapse := 60*s + ttl
	check(t, Monotone, 200*s, []testcase{
		{"older while the newer is registered", with(alone, sees(50*s, 1, up("p", "a"))), "is registered"},
		{"older and held, while the newer is registered", with(alone, sees(50*s, 1, held("p", "a"))), "is registered"},
		{"by way of an absence", with(alone, sees(50*s, 0, gone("a")), sees(51*s, 1, up("p", "a"))), "is registered"},
		{"the newer left", with(alone, leaves("q", "a", 50*s), sees(50*s, 1, up("p", "a"))), ""},
		{"the newer was held for its time", with(died, sees(lapse+ttl-s, 1, up("p", "a"))), ""},
		{"a hair less", with(died, sees(lapse+ttl-s-hair, 1, up("p", "a"))), "is to be held"},
		{"its time began when the registry lost it", with(died, loses("", 62*s), sees(62*s+ttl-s, 1, up("p", "a"))), ""},
		{"and not before", with(died, loses("", 62*s), sees(62*s+ttl-s-hair, 1, up("p", "a"))), "is to be held"},
	})
}

func TestFencedWantsTheDepartedNeverBack(t *testing.T) {
	alone := []story{watches(0), lives("p", "a", 0, 49*s), sees(1*s, 1, up("p", "a")), leaves("p", "a", 50*s), sees(50*s+hair, 0, gone("a"))}
	check(t, Fenced, 200*s, []testcase{
		{"listed as it left", with(alone, reads(50*s, "", up("p", "a"))), ""},
		{"listed a hair later", with(alone, reads(50*s+hair, "", up("p", "a"))), "which left"},
		{"shown again", with(alone, sees(60*s, 1, up("p", "a"))), "again, which left"},
		{"shown again to who hears late", with(alone, fails("w", 49*s, 60*s), sees(60*s, 1, up("p", "a"))), ""},
		{"the registry forgot the leave", with(alone, wentBack(49*s, 52*s), reads(52*s+ttl, "", up("p", "a")), sees(52*s+hair, 1, up("p", "a"))), ""},
		{"for a TTL and no more", with(alone, wentBack(49*s, 52*s), reads(52*s+ttl+hair, "", up("p", "a"))), "which left"},
		{"the registry forgot what came after", with(alone, wentBack(50*s+hair, 52*s), reads(53*s, "", up("p", "a"))), "which left"},
		{"a successor is another", with(alone, lives("q", "a", 55*s, 200*s), sees(60*s, 1, up("q", "a")), reads(60*s, "", up("q", "a"))), ""},
	})
}

func TestFencedWantsNobodyRemoved(t *testing.T) {
	first := lives("p", "a", 0, 40*s)
	check(t, Fenced, 200*s, []testcase{
		{"not known at its next beat", []story{first, again("p", "a", 40*s+ttl, 200*s)}, "did not know"},
		{"it had lapsed", []story{first, again("p", "a", 40*s+ttl+hair, 200*s)}, ""},
		{"the registry had lost it", []story{first, loses("a", 44*s), again("p", "a", 45*s, 200*s)}, ""},
		{"the registry had lost another", []story{first, loses("b", 44*s), again("p", "a", 45*s, 200*s)}, "did not know"},
		{"the other side of a split did not know it", []story{first, splits(42*s, 44*s), again("p", "a", 45*s, 200*s)}, ""},
		{"it beat last after the split", []story{first, splits(38*s, 39*s), again("p", "a", 45*s, 200*s)}, "did not know"},
		{"it was lost before it beat last", []story{first, loses("a", 39*s), again("p", "a", 45*s, 200*s)}, "did not know"},
		{"a newer came and went", []story{first, lives("q", "a", 41*s, 42*s), leaves("q", "a", 42*s), again("p", "a", 45*s, 200*s)}, ""},
	})
}

func TestNeverWronglyEmptyWantsNobodyToBeNobody(t *testing.T) {
	alone := []story{watches(0), lives("p", "a", 0, 100*s), sees(1*s, 1, up("p", "a"))}
	check(t, NeverWronglyEmpty, 100*s, []testcase{
		{"an empty view", with(alone, sees(50*s, 0, gone("a"))), "shows nobody any more"},
		{"an empty view of who left", with(alone, leaves("p", "a", 49*s), sees(50*s, 0, gone("a"))), ""},
		{"an empty view before the first", []story{watches(0), lives("p", "a", 0, 100*s), sees(10*s, 0), sees(11*s, 1, up("p", "a"))}, ""},
		{"picked nobody", with(alone, picksNobody(50*s, NoHosts)), "picked nobody"},
		{"cannot tell, though it has seen", with(alone, picksNobody(50*s, Unavailable)), "picked nobody"},
		{"picked nobody before it has seen", []story{watches(0), lives("p", "a", 0, 100*s), picksNobody(hair, Unavailable), sees(1*s, 1, up("p", "a"))}, ""},
		{"cannot tell who came while it could not see", with(alone, leaves("p", "a", 30*s), sees(30*s, 0, gone("a")), lives("q", "a", 40*s, 100*s), picksNobody(50*s, Unavailable)), ""},
		{"a fresh reader is told nobody", with(alone, reads(50*s, NoHosts)), "told that nobody is there"},
		{"after a loss too", with(alone, loses("", 49*s), reads(50*s, NoHosts)), "told that nobody is there"},
		{"a fresh reader is told that the topic is unknown", with(alone, loses("", 49*s), reads(50*s, Unknown)), ""},
		{"nobody, by one side of a split", with(alone, splits(49*s, 51*s), reads(50*s, NoHosts)), ""},
		{"nobody, after a split", with(alone, splits(48*s, 49*s), reads(50*s, NoHosts)), "told that nobody is there"},
		{"nobody, where the one host was evicted", with(alone, loses("a", 49*s), reads(50*s, NoHosts)), ""},
		{"nobody, where another was evicted", with(alone, loses("b", 49*s), reads(50*s, NoHosts)), "told that nobody is there"},
	})
}

func TestNeverWronglyEmptyExcusesACopyFromBeforeTheyCame(t *testing.T) {
	came, back := 40*s, 45*s
	alone := []story{lives("p", "a", came, 100*s)}
	lapsed := ttl - beat
	check(t, NeverWronglyEmpty, 100*s, []testcase{
		{"it came after the copy", with(alone, wentBack(came-hair, back), reads(50*s, NoHosts)), ""},
		{"the copy has it", with(alone, wentBack(came, back), reads(came+lapsed, NoHosts)), "told that nobody is there"},
		{"it may have lapsed in the copy", with(alone, wentBack(came, back), reads(came+lapsed+hair, NoHosts)), ""},
		{"the registry went back as it came", with(alone, wentBack(30*s, came), reads(50*s, NoHosts)), ""},
		{"the registry went back before it came", with(alone, wentBack(30*s, came-hair), reads(50*s, NoHosts)), "told that nobody is there"},
		{"the registry went back as the answer came", with(alone, wentBack(30*s, 50*s), reads(50*s, NoHosts)), ""},
		{"the registry went back after the answer", with(alone, wentBack(30*s, 50*s+hair), reads(50*s, NoHosts)), "told that nobody is there"},
		{"all was lost before the copy", with(alone, loses("", 41*s), wentBack(42*s, 43*s), reads(44*s, NoHosts)), ""},
		{"it was lost before the copy, and told anew after it", with(alone, loses("a", 41*s), wentBack(42*s, 44*s), again("p", "a", 43*s, 100*s), reads(45*s, NoHosts)), ""},
		{"another was lost before the copy", with(alone, loses("b", 41*s), wentBack(42*s, 43*s), reads(44*s, NoHosts)), "told that nobody is there"},
		{"it could not beat before the copy", with(alone, fails("", 41*s, 44*s), wentBack(44*s, 46*s), reads(41*s+lapsed+hair, NoHosts)), ""},
		{"it could, and beat once more", with(alone, fails("", 41*s, 44*s), wentBack(44*s, 46*s), reads(41*s+lapsed, NoHosts)), "told that nobody is there"},
		{"it could beat again before the copy", with(alone, fails("", 41*s, 42*s), wentBack(43*s+beat, 49*s), reads(41*s+lapsed+hair, NoHosts)), "told that nobody is there"},
		{"another could not beat before the copy", with(alone, fails("q", 41*s, 44*s), wentBack(44*s, 46*s), reads(41*s+lapsed+hair, NoHosts)), "told that nobody is there"},
		{"who cannot tell says nothing wrong", with(alone, wentBack(came, back), reads(46*s, Unavailable)), ""},
		{"a view that turns empty is not excused", with(alone, watches(0), sees(41*s, 1, up("p", "a")), wentBack(came-hair, back), sees(46*s, 0, gone("a"))), "shows nobody any more"},
	})
}

func TestConvergedWantsTheTruthSoonAfterAFault(t *testing.T) {
	mended, by := 40*s, 40*s+beat+s
	alone := []story{watches(0), lives("p", "a", 0, 100*s), sees(1*s, 1, up("p", "a")), fails("", 30*s, mended), sees(31*s, 1, held("p", "a"))}
	late := []story{watches(0), sees(0, 0), fails("", 30*s, mended), {{At: 35 * s, What: Registering, Process: "p", Topic: "t", Host: "a"}}}
	check(t, Converged, 60*s, []testcase{
		{"at the last moment", with(alone, sees(by, 1, up("p", "a"))), ""},
		{"a hair later", with(alone, sees(by+hair, 1, up("p", "a"))), "is registered, "},
		{"draining at the last moment", with(alone[:3], drains("p", "a", mended), sees(by, 1, Sight{"a", instance("p", "a"), core.Draining, false})), ""},
		{"draining a hair later", with(alone[:3], drains("p", "a", mended), sees(by+hair, 1, Sight{"a", instance("p", "a"), core.Draining, false})), "draining, since"},
		{"draining though nobody said so", with(alone, sees(by, 1, Sight{"a", instance("p", "a"), core.Draining, false})), "up, since"},
		{"as another instance", with(alone, sees(by, 1, up("o", "a"))), "is registered, "},
		{"held again later", with(alone, sees(by, 1, up("p", "a")), sees(55*s, 1, held("p", "a"))), "is registered, "},
		{"held again in the next fault", with(alone, sees(by, 1, up("p", "a")), fails("", 54*s, 100*s), sees(55*s, 1, held("p", "a"))), ""},
		{"held again in the fault of another watcher", with(alone, sees(by, 1, up("p", "a")), fails("v", 54*s, 100*s), sees(55*s, 1, held("p", "a"))), "is registered, "},
		{"one that began in the fault", with(late, again("p", "a", by, 60*s), sees(by, 1, up("p", "a"))), ""},
		{"one that began in the fault, and never came", late, "is registered, "},
	})
}

func TestConvergedWantsWhoLeftGone(t *testing.T) {
	left, by := 30*s, 30*s+beat+s
	alone := []story{watches(0), lives("p", "a", 0, 29*s), sees(1*s, 1, up("p", "a")), leaves("p", "a", left)}
	check(t, Converged, 90*s, []testcase{
		{"at the last moment", with(alone, sees(by, 0, gone("a"))), ""},
		{"a hair later", with(alone, sees(by+hair, 0, gone("a"))), "which left"},
		{"held by who missed it", with(alone, fails("w", 29*s, 50*s), sees(51*s, 1, held("p", "a")), sees(50*s+goneIn, 0, gone("a"))), ""},
	})
}

func TestConvergedWantsAllViewsAlikeInTheEnd(t *testing.T) {
	alone := []story{watches(0), lives("p", "a", 0, 100*s), sees(1*s, 1, up("p", "a"))}
	check(t, Converged, 100*s, []testcase{
		{"alike", alone, ""},
		{"one that nobody registered", with(alone, sees(2*s, 2, up("x", "b"))), "nothing happened for long"},
		{"one that is held for ever", with(alone, sees(2*s, 2, held("x", "b"))), "nothing happened for long"},
		{"a fault that lasts is no quiet time", with(alone, sees(2*s, 2, up("x", "b")), fails("v", 3*s, 200*s)), ""},
	})
}

func TestBoundedWantsTheBudgetKept(t *testing.T) {
	budget := Bounded(Budget{Rest: 10, Peak: 100})
	var rest, busy []story
	for i := range 120 {
		rest = append(rest, sent(time.Duration(i)*s, 10))
		busy = append(busy, sent(time.Duration(i)*s, 11))
	}
	check(t, budget, 120*s, []testcase{
		{"at rest", rest, ""},
		{"one more", busy, "at rest"},
		{"one more, while something happens", with(busy, fails("", 30*s, 30*s), fails("", 70*s, 70*s)), ""},
		{"a peak", with(rest[:10], sent(11*s, 100)), ""},
		{"a peak too high", with(rest[:10], sent(11*s, 101)), "101 commands"},
	})
}

func TestEverythingKeptIsSeenByAll(t *testing.T) {
	h := told(300*s, watches(0), sees(0, 0), lives("p", "a", 0, 99*s), sees(hair, 1, up("p", "a")), ends("p", 100*s), sees(115*s, 1, held("p", "a")),
		sees(135*s, 0, gone("a")), lives("q", "a", 200*s, 250*s), sees(200*s+hair, 1, up("q", "a")), leaves("q", "a", 251*s), sees(251*s+hair, 0, gone("a")))
	h.holdsNothingWrong(t, "")
	for _, p := range Promises {
		if f := p(h); len(f.Counts) == 0 {
			t.Errorf("%s checked nothing", f.Promise)
		}
	}
	for _, d := range Deaths(h) {
		want := map[string]time.Duration{"from death to held": 15 * s, "from the last beat to held": 16 * s, "from death to gone": 35 * s, "from the last beat to gone": 36 * s}[d.What]
		if len(d.Delays) != 1 || d.Delays[0] != want {
			t.Errorf("%s: %v, want %s", d.What, d.Delays, want)
		}
	}
}

func TestExcerptTellsThePlaceAndNothingElse(t *testing.T) {
	h := told(100*s, watches(0), lives("p", "a", 0, 100*s), lives("q", "b", 0, 100*s), sees(1*s, 2, up("p", "a"), up("q", "b")),
		fails("v", 40*s, 41*s), fails("w", 42*s, 43*s), sees(50*s, 1, gone("a")))
	f := NoFlap(h)
	if len(f.Broken) != 1 {
		t.Fatalf("%d violations, want 1", len(f.Broken))
	}
	var got []string
	for _, e := range f.Broken[0].Excerpt {
		got = append(got, fmt.Sprint(e.At, " ", e.What, " ", e.Process, " ", e.Changes))
	}
	want := []string{"0s valid p []", "42s fault w []", "43s mended w []", "50s seen w [a absent]"}
	if !slices.Equal(got, want) {
		t.Errorf("the excerpt is %q, want %q", got, want)
	}
}

func TestFindingSaysWhatWasHardlyChecked(t *testing.T) {
	f := NoFlap(told(10*s, watches(0), lives("p", "a", 0, 10*s), sees(1*s, 1, up("p", "a"))))
	if got := f.Short(map[string]int{"views": 1}); got != "" {
		t.Errorf("one view is enough, and Short says %q", got)
	}
	if got, want := f.Short(map[string]int{"views": 2, "absences": 1}), "0 absences, want at least 1; 1 views, want at least 2"; got != want {
		t.Errorf("Short says %q, want %q", got, want)
	}
}

func TestHistogramTellsQuantilesAndBound(t *testing.T) {
	d := &Histogram{What: "delay", Bound: 21 * s}
	for i := range 100 {
		d.Delays = append(d.Delays, time.Duration(i+1)*100*hair)
	}
	text := d.String()
	if want := "delay: 100, p50 5.1s, p99 10s, max 10s, bound 21s\n"; !strings.HasPrefix(text, want) {
		t.Errorf("it begins %q, want %q", strings.SplitAfter(text, "\n")[0], want)
	}
	if n := strings.Count(text, "\n  from"); n != columns {
		t.Errorf("it has %d bars, want %d:\n%s", n, columns, text)
	}
}
