package redismm

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

func TestDoctorKnowsTheLayoutThatTheScriptsWrite(t *testing.T) {
	t.Parallel()
	if line := "local LAYOUT = '" + layout + "'\n"; !strings.Contains(topicLua, line) {
		t.Errorf("topic.lua has no line %q", line)
	}
}

func TestDoctorReadsDenialsOfEveryRelease(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]denial{
		"NOPERM this user has no permissions to run the 'get' command":                            commandDenied, // 7.0
		"NOPERM this user has no permissions to run the 'get' command or its subcommand":          commandDenied, // 6.2
		"NOPERM User alice has no permissions to run the 'get' command":                           commandDenied, // 7.2
		"NOPERM User alice has no permissions to run the 'publish' command":                       commandDenied,
		"NOPERM this user has no permissions to access one of the keys used as arguments":         keyDenied,
		"NOPERM No permissions to access a key":                                                   keyDenied,
		"NOPERM this user has no permissions to access one of the channels used as arguments":     channelDenied,
		"NOPERM No permissions to access a channel":                                               channelDenied,
		"WRONGTYPE Operation against a key holding the wrong kind of value":                       nothingDenied,
		"ERR The user executing the script can't access at least one of the keys mentioned there": nothingDenied,
	} {
		if got := denied(redisError(text)); got != want {
			t.Errorf("%q is read as %d, want %d", text, got, want)
		}
	}
	if denied(nil) != nothingDenied || denied(errors.New("NOPERM without Redis")) != nothingDenied {
		t.Error("what is not of Redis is read as a denial")
	}
}

// redisError is an error as Redis answers it.
type redisError string

func (e redisError) Error() string { return string(e) }
func (redisError) RedisError()     {}

func TestDoctorJudgesByTheRoundOfHeartbeats(t *testing.T) {
	t.Parallel()
	beat := core.HeartbeatConfig{Freq: 4 * time.Second, TTL: 12 * time.Second} // a round has 2 s
	for _, c := range []struct {
		median, worst time.Duration
		want          Severity
	}{
		{time.Millisecond, 500 * time.Millisecond, Fine},
		{time.Millisecond, 501 * time.Millisecond, Warning},
		{501 * time.Millisecond, 501 * time.Millisecond, Bad},
	} {
		if got, fix := judgeLatency(c.median, c.worst, beat); got != c.want || (fix == "") != (got == Fine) {
			t.Errorf("median %s, worst %s: %s, fix %q, want %s", c.median, c.worst, got, fix, c.want)
		}
	}
	for percent, want := range map[int64]Severity{0: Fine, 79: Fine, 80: Warning, 94: Warning, 95: Bad, 200: Bad} {
		if got, fix := judgeMemory(percent); got != want || (fix == "") != (got == Fine) {
			t.Errorf("%d%% of the memory: %s, fix %q, want %s", percent, got, fix, want)
		}
	}
	for version, want := range map[string]bool{"7.0.15": false, "6.2.0": false, "6.0.9": true, "5.0.14": true, "10.1": false, "": false} {
		if older(version) != want {
			t.Errorf("%q is too old: %t, want %t", version, !want, want)
		}
	}
}

func TestDoctorTellsAContestFromATakeover(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"A": 0, "AAAA": 0, "AB": 0, "ABBB": 0, "ABA": 1, "ABC": 1} {
		w := &contest{from: make(map[string]string), taken: make(map[string]int)}
		for _, stamp := range text {
			w.hear("mm/0:{compute}:ev", &message{Changes: [][]string{{"up", "node1", string(stamp), "1", "{}"}, {"left", "node2", string(stamp)}}})
		}
		if found := w.judge(1, time.Second); (found[0].Severity == Bad) != (want == 1) {
			t.Errorf("instances %s: %+v", text, found)
		}
	}
}

// A part of a cluster that answers says more than that nobody can tell.
func TestDoctorNamesTheServerOfAClusterThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	silent := func() *patient { return &patient{name: "b:1", err: errors.New("i/o timeout")} }
	fine := &patient{name: "a:1", found: []Finding{{"clock", Fine, "a:1", "it is right", ""}}}
	found, err := reports([]*patient{fine, silent()})
	if err != nil || len(found) != 2 || found[0] != fine.found[0] || found[1].Check != "access" || found[1].Severity != Bad ||
		found[1].Server != "b:1" || !strings.HasSuffix(found[1].Says, "i/o timeout") || found[1].Fix == "" {
		t.Errorf("%+v, %v, want what a:1 answered, and that b:1 did not", found, err)
	}
	if found, err := reports([]*patient{silent(), silent()}); err == nil || len(found) > 0 {
		t.Errorf("%+v, %v of servers that are all silent, want an error", found, err)
	}
}
