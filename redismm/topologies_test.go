package redismm

import (
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/redismm/matchmaker/integration"
)

// everywhere says that all tests of topologies run, as `make topologies` wants; else a few do.
var everywhere = os.Getenv("TOPOLOGIES") == "all"

// topologies are those that tests by the name of TestOnEachTopology/NAME and below run on.
var topologies sync.Map

// topologyOf is the topology that a test is to run on, nil if it does not run as one of TestOnEachTopology.
func topologyOf(t *testing.T) integration.Topology {
	parts := strings.SplitN(t.Name(), "/", 3)
	if len(parts) < 3 {
		return nil
	}
	on, _ := topologies.Load(strings.Join(parts[:2], "/"))
	topology, _ := on.(integration.Topology)
	return topology
}

// spreadOver is a registry in a topology that other tests had before.
func spreadOver(t *testing.T, on integration.Topology) *registry {
	t.Helper()
	on.All().FlushAll()
	r := &registry{T: t, on: on, server: on.Serving(keysOf.set(compute)), wire: &wire{silent: silence(t)}, config: quick}
	return newRegistry(r)
}

// again is a test that runs on topologies too.
type again struct {
	test func(t *testing.T)
	// soon says that it runs in every run of the tests: it is quick, and each kind of call is in one of them.
	soon bool
	// never says why it does not run on a topology, by its name.
	never map[string]string
}

const (
	noDatabases = "a cluster has one database"
	noReplica   = "its replicas are as one of a single server, which is tried there; clients are not sent to them"
	noOslo      = "the keys of this layout are in different slots of a cluster, and it is refused there"
)

var agains = []again{
	// Who holds a place.
	{test: TestNewestWinsAfterFlush, soon: true},
	{test: TestTwoToldSupersededNeverBoth},
	{test: TestFlushThenRegisterBeatsOldGeneration},
	{test: TestRetriedRegisterDoesNotTakeBack, soon: true},
	{test: TestTakeoverLostByFailoverIsTakenBack, soon: true},
	{test: TestBeatAfterTombstoneExpiredIsRefused},
	{test: TestSupersededStandsByAndReturns},
	{test: TestRemovedByNameStandbysToo},
	{test: TestLateBeatDoesNotUndoDrain},
	// What a version is worth.
	{test: TestFastPathRefusesEqualSeqOtherChange},
	{test: TestHealedIndexIsAVersionStep},
	{test: TestQuietTopicOutlivesADay},
	{test: TestLostVersionIsRebuilt},
	{test: TestLostIndexOpensAnEpoch, soon: true},
	{test: TestDivergentHistoryIsNoticed, soon: true},
	{test: TestVersionAbsentTwiceIsNotUnchanged},
	{test: TestSnapshotDuringChangeIsConsistent},
	{test: TestNoscriptInPipelineRepeatsOnlyThatBatch, soon: true},
	// How members come into a view and leave it.
	{test: TestDeadHostWithLostIndexLeavesViews},
	{test: TestRollbackWithinEpochIsHeld},
	{test: TestOlderInstanceNeverShownAfterRollback},
	{test: TestEvictedSetDoesNotEmptyAView},
	{test: TestEvictedLivenessKeyDoesNotFlap},
	{test: TestThreeLeavesAreSeenAtOnce, soon: true},
	{test: TestLeftOfOlderKeepsNewer},
	{test: TestOlderBeatsFirstAfterFlushNoViewFlaps},
	{test: TestHeldIsNotPickedWhileOthersAreUp},
	{test: TestOutsideDrainSurvivesBeatsAndRestart},
	{test: TestALabelNamedStateDoesNotKeepAHostFromBeingPicked},
	// Who takes the dead off the list.
	{test: TestADeadHostIsHeldForATTLAndThenUnlisted},
	{test: TestSweeperStoppedBetweenLooksPrunesNothing},
	{test: TestDelayedPruneChangesNothing},
	{test: TestStalledRedisThenSweepKeepsOneHostTopic},
	{test: TestStalledRedisPartlyBackKeepsTheRest},
	// What a redis-server does to its clients.
	{test: TestBeatsGoOnWhenRedisIsFull},
	{test: TestPublishDeniedStillWrites},
	{test: TestASubscriptionThatIsKilledIsReplacedAndNothingIsMissed},
	{test: TestStalledRedisEndsCallsWithTheirContext},
	{test: TestReplicaDoesNotTurnAViewBack, never: map[string]string{"sentinel": noReplica, "cluster": noReplica}},
	{test: TestAStrangerThatIsHeardOfIsFollowed},
	{test: TestWatchesComeAndGoAtOnce},
	{test: TestDatabasesWithOnePrefixDoNotHearEachOther, never: map[string]string{"cluster": noDatabases}},
	// Names, types and sizes.
	{test: TestBracesInNamesNeverShareAKey, soon: true},
	{test: TestWrongTypeLeavesNothingBehind},
	{test: TestClaimsWithAndWithoutInstanceMayBeMixed},
	{test: TestAFanoutOfAThousandHostsTakesTwoRoundTripsAndThenOne},
	// The layout of the original.
	{test: TestOsloTombstoneIsNeverWritten, never: map[string]string{"cluster": noOslo}},
	{test: TestOsloHealsEachHalfOfARegistration, never: map[string]string{"cluster": noOslo}},
	{test: TestOsloWrongTypeLeavesNothingBehindAndNamesTheKey, never: map[string]string{"cluster": noOslo}},
	{test: TestOsloDrawsEveryLiveHostAndPassesOverTheRest, never: map[string]string{"cluster": noOslo}},
	{test: TestOsloListsTopicsCalledLikeAHostToo, never: map[string]string{"cluster": noOslo}},
}

// TestOnEachTopology runs tests of this package again, one after the other on servers that all of them share. Those fail
// over to no other because a test has one stand still.
func TestOnEachTopology(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) integration.Topology{
		"single": func(t *testing.T) integration.Topology { return integration.StartRedis(t) },
		"sentinel": func(t *testing.T) integration.Topology {
			return integration.StartSentinel(t, "sentinel down-after-milliseconds 600000")
		},
		"cluster": func(t *testing.T) integration.Topology {
			return integration.StartCluster(t, "cluster-node-timeout 600000")
		},
	} {
		if name == "single" && !everywhere {
			continue // each test has run on a redis-server
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topologies.Store(t.Name(), start(t))
			for i := range agains {
				agains[i].on(t, name)
			}
		})
	}
}

func (a *again) on(t *testing.T, topology string) {
	if !everywhere && !a.soon {
		return
	}
	full := runtime.FuncForPC(reflect.ValueOf(a.test).Pointer()).Name()
	t.Run(full[strings.LastIndexByte(full, '.')+1:], func(t *testing.T) {
		if why := a.never[topology]; why != "" {
			t.Skip(why)
		}
		a.test(t)
	})
}
