package coretest

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Harness is an empty registry under test, and what only its store can do.
type Harness interface {
	// Backend opens the registry as one more process would; it may return the same each time. What has to be
	// closed is closed by a Cleanup of the test.
	Backend() core.Backend
	// Flush makes the store lose everything.
	Flush()
	// TTL is how long registrations live where a test waits for them to lapse, and what the backend was opened
	// with if it has to know. On a real clock take one that a busy machine does not outlast between two calls,
	// such as a second or two: calls with 1,500 claims have to succeed.
	TTL() time.Duration
}

// Exercise tests that a backend does what [core.Backend] says, by the clock of the process: where something
// takes time it waits for a condition, up to a deadline. Each sub-test opens a harness of its own.
func Exercise(t *testing.T, open func(t *testing.T) Harness) {
	for _, s := range sentences {
		t.Run(s.says, func(t *testing.T) { s.holds(newProcess(t, open(t))) })
	}
}

// ExerciseInBubble is [Exercise] in synctest bubbles: a TTL passes at once. Whatever the harness starts has to
// be started by open and to end by a Cleanup.
func ExerciseInBubble(t *testing.T, open func(t *testing.T) Harness) {
	for _, s := range sentences {
		t.Run(s.says, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { s.holds(newProcess(t, open(t))) })
		})
	}
}

// ExerciseSome is [Exercise] for a store that cannot keep all that [core.Backend] says, and for the sentences that it
// can: their names, as Exercise gives them to its sub-tests. Which it cannot is for its documentation to say.
func ExerciseSome(t *testing.T, open func(t *testing.T) Harness, says ...string) {
	for _, name := range says {
		i := slices.IndexFunc(sentences, func(s sentence) bool { return s.says == name })
		if i < 0 {
			t.Errorf("the suite does not say %q", name)
			continue
		}
		t.Run(name, func(t *testing.T) { sentences[i].holds(newProcess(t, open(t))) })
	}
}

type sentence struct {
	says  string
	holds func(p *process)
}

var sentences = []sentence{
	{"a registration is listed until its TTL", listedUntilItsTTL},
	{"a newer instance takes the place over", newerTakesOver},
	{"a retried register does not take the place back", retriedRegister},
	{"a beat keeps the place", beatKeeps},
	{"a beat brings back what lapsed", beatRevivesTheLapsed},
	{"a beat brings back what the store lost", beatRevivesTheLost},
	{"a beat announces a change of state", beatAnnounces},
	{"the newest wins, whoever beats first after a loss", newestWinsAfterLoss},
	{"a beat of a superseded instance writes nothing", supersededWritesNothing},
	{"an instance that stands by returns when the newer one is gone", standbyReturns},
	{"who leaves is gone, and another may join", leaves},
	{"a superseded instance that leaves removes nothing", supersededLeaves},
	{"a late beat does not bring back who left", lateBeat},
	{"a departure of what the store lost stops a late beat too", departureAfterLoss},
	{"who is removed by name is told, and so is who stands by", removedByName},
	{"expire ends a registration, and a beat brings it back", expired},
	{"an acknowledgement from outside renews a live registration", acknowledged},
	{"an acknowledgement from outside creates nothing", acknowledgedNobody},
	{"who never registered has no time left", neverRegistered},

	{"members are whole, and in the order of their hosts", wholeAndInOrder},
	{"a topic never heard of differs from one without hosts", unknownOrEmpty},
	{"every state of a topic has a version of its own", versionOfEachState},
	{"a host under two topics leaves one of them", twoTopics},
	{"topic foo does not see foobar", fooAndFoobar},
	{"odd names are exact", oddNames},
	{"refused names are refused everywhere and leave nothing", refusedNames},
	{"topics are listed in order", topicsInOrder},
	{"1500 claims of one topic have an outcome each", manyClaims(1)},
	{"1500 claims of three topics have an outcome each", manyClaims(3)},
	{"calls for different topics may run at once", topicsAtOnce},
	{"a call without claims has no outcomes", noClaims},
	{"a call whose context has ended says unknown, not nobody", endedContext},

	{"a watch shows who is there within a second", firstView},
	{"a watch on a topic never heard of says so, and sees the first join", firstJoin},
	{"a watch sees a leave at once and the last one too", leaveIsSeen},
	{"a watch holds who lapsed for a TTL", lapsedIsHeld},
	{"a watch holds who was lost until the next beat", lostIsHeld},
	{"a watch sees a takeover and never turns back", takeoverIsSeen},
	{"a watch sees drains", drainIsSeen},
	{"a slow reader of a watch gets the newest view", slowReader},
	{"a watch ends with its context", watchEnds},
}
