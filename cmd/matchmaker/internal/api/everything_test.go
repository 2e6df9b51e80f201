package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
)

// lives says that every host has 9 s left, and that b drains.
func lives(_ context.Context, _ string, hosts []string) (*redismm.Lives, error) {
	l := &redismm.Lives{Left: make(map[string]time.Duration), Drains: map[string]redismm.Drain{"b": {Left: time.Minute, Reason: "kernel"}}}
	for _, h := range hosts {
		l.Left[h] = 9 * time.Second
	}
	return l, nil
}

// finds reads events until one of a kind has these words, and returns it.
func (r *reader) finds(kind string, words ...string) sent {
	r.t.Helper()
	return r.findsAll(append([]string{kind}, words...))
}

// findsAll reads events until there was one for each of these, in whatever order: its kind, then its words. It returns
// the last.
func (r *reader) findsAll(all ...[]string) (last sent) {
	r.t.Helper()
	late := time.AfterFunc(20*time.Second, r.end)
	defer late.Stop()
	for len(all) > 0 {
		e, more := r.next()
		if !more {
			r.t.Fatalf("the stream ends (%v), want %q", r.lines.Err(), all)
		}
		all = slices.DeleteFunc(all, func(want []string) bool {
			found := e.kind == want[0]
			for _, word := range want[1:] {
				found = found && strings.Contains(e.data, word)
			}
			if found {
				r.conforms(e)
				last = e
			}
			return found
		})
	}
	return last
}

func TestEverythingIsToldInOneStream(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Lives, c.Freq, c.TTL = lives, time.Second, 3*time.Second })
	s.put("x", "a")
	s.put("y", "b")
	url := s.online()
	r := readAt(t, url+"/v1/changes", "")
	r.finds("sidecar", `"status":"ready"`, `"answers":true`, `"interval_seconds":1,"ttl_seconds":3`, `"registrations":[]`)
	r.findsAll([]string{"snapshot", `"topic":"x"`, `"host":"a"`}, []string{"snapshot", `"topic":"y"`, `"host":"b"`})
	r.findsAll([]string{"lives", `"topic":"x"`, `"left":{"a":9}`}, []string{"lives", `"topic":"y"`, `"drains":{"b":{"left_seconds":60,"reason":"kernel"}}`})
	s.put("x", "c")
	r.finds("change", `"change":"joined"`, `"host":"c"`)
	s.put("z", "d")
	r.finds("snapshot", `"topic":"z"`, `"host":"d"`)
	if err := s.MatchMaker.Register(t.Context(), core.Registration{Topic: "x", Host: "own"}); err != nil {
		t.Fatal(err)
	}
	r.finds("sidecar", `"host":"own"`, `"standing":"valid"`, `"topics":["x","y","z"]`)
	s.registry.Lose()
	r.finds("change", `"change":"held"`, `"host":"d"`)
	for range 2 { // whom the registry has lost is told of as long as views hold him
		r.finds("sidecar", `"topics":["x","y","z"]`)
	}
	s.beat() // own is back
	s.registry.Break(errDown)
	r.findsAll([]string{"change", `"change":"stale"`}, []string{"sidecar", `"answers":false,"since":"2`, "connection refused"})
	s.registry.Unbreak()
	r.finds("sidecar", `"answers":true`)
	if e := readAt(t, url+"/v1/changes", "1").finds("snapshot", `"topic":"x"`); e.id == "" || !strings.Contains(e.data, `"hosts":3`) {
		t.Errorf("who comes back begins with %+v, want the whole", e)
	}
}

func TestATopicThatIsNotHeardOfAnyMoreIsGone(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := survey{api: s.API, of: &s.tellings, topics: make(map[string]*surveyed)}
	e.follow([]string{"x", "y"})
	if frames := e.follow([]string{"y"}); len(frames) != 1 || string(frames[0]) != "event: gone\ndata: {\"topic\":\"x\"}\n\n" {
		t.Errorf("%s", frames)
	}
	e.end()
	for topic, told := range s.tellings.byTopic {
		if told.readers != 0 {
			t.Errorf("%d still read %s", told.readers, topic)
		}
	}
}

func TestReadersOfEverythingTakeNoRoomFromThoseOfATopic(t *testing.T) {
	t.Parallel()
	s := serve(t)
	many := make([]string, mostSurveyed)
	for i := range many {
		many[i] = fmt.Sprint("topic", i)
	}
	for i := range mostSurveys {
		e := survey{api: s.API, of: &s.tellings, topics: make(map[string]*surveyed)}
		if e.follow(many); len(e.topics) != mostSurveyed {
			t.Fatalf("reader %d is told of %d topics, want %d", i+1, len(e.topics), mostSurveyed)
		}
		defer e.end()
	}
	if s.tellings.readers != 0 {
		t.Errorf("they count as %d readers of topics", s.tellings.readers)
	}
}

// Lives are asked for by turns, so that a large registry is asked no more than a small one.
func TestLivesAreAskedForByTurns(t *testing.T) {
	t.Parallel()
	asked := make(map[string]int)
	s := serve(t, func(c *Config) {
		c.Lives = func(ctx context.Context, topic string, hosts []string) (*redismm.Lives, error) {
			asked[topic]++
			return lives(ctx, topic, hosts)
		}
	})
	var hosts []string
	for i := range mostHosts * 3 / 4 {
		hosts = append(hosts, fmt.Sprint("host", i))
	}
	for _, topic := range []string{"x", "y", "z"} {
		s.put(topic, hosts...)
		s.becomes("/v1/topics/"+topic, http.StatusOK, `"hosts":`)
	}
	q := question{api: s.API}
	for range 3 {
		q.ask(t.Context())
	}
	if fmt.Sprint(asked) != "map[x:2 y:2 z:2]" {
		t.Errorf("in three beats were asked %v, want each topic twice", asked)
	}
	s.API.Lives = func(context.Context, string, []string) (*redismm.Lives, error) { return nil, errDown }
	if b := q.ask(t.Context()); !strings.Contains(string(b.process), `"answers":false`) {
		t.Errorf("lives cannot be told, and the sidecar says %s", b.process)
	}
}

func TestReadersOfEverythingAreBounded(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for range mostSurveys {
		if !s.tellings.pulse.join() {
			t.Fatal("one of those that may be was refused")
		}
	}
	if got := s.ask("GET", "/v1/changes", ""); got.code != http.StatusServiceUnavailable || !strings.Contains(got.body, ":too-many") {
		t.Errorf("%d %s", got.code, got.body)
	}
	for range mostSurveys {
		s.tellings.pulse.part()
	}
	if s.tellings.pulse.readers != 0 {
		t.Errorf("%d readers are left", s.tellings.pulse.readers)
	}
	many := make([]string, 3*mostSurveyed)
	for i := range many {
		many[i] = fmt.Sprintf("topic%04d", i)
		s.put(many[i], "a")
	}
	q := question{api: s.API}
	if b := q.ask(t.Context()); len(b.topics) != mostSurveyed || !strings.Contains(string(b.process), fmt.Sprintf(`"topics_left_out":%d`, 2*mostSurveyed)) {
		t.Errorf("%d topics are told of, and %s", len(b.topics), b.process)
	}
}

// Nobody is asked when nobody reads.
func TestThePulseStopsWithItsLastReader(t *testing.T) {
	t.Parallel()
	s := serve(t)
	r := readAt(t, s.online()+"/v1/changes", "")
	r.finds("sidecar")
	r.end()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		s.tellings.pulse.mu.Lock()
		readers := s.tellings.pulse.readers
		s.tellings.pulse.mu.Unlock()
		if readers == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d readers are left", readers)
		}
	}
	s.Close()
	if s.tellings.pulse.join() {
		t.Error("a reader is let in after the end")
	}
}
