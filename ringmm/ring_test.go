package ringmm_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/ringmm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bg = context.Background()

func ring(t testing.TB, topics map[string][]string, observers ...func(ringmm.Event)) *ringmm.Ring {
	t.Helper()
	r, err := ringmm.New(topics, observers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answers resolves keys and returns the direct keys, or the errors' text.
func answers(x core.Exchanges, keys ...string) []string {
	m := core.New(x)
	var got []string
	for _, key := range keys {
		routes, err := m.Resolve(bg, key)
		for _, r := range routes {
			got = append(got, r.Key)
		}
		if err != nil {
			got = append(got, errors.Unwrap(err).Error())
		}
	}
	return got
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestEachTopicKeepsItsOwnPlaceAndBeginsWithTheFirst(t *testing.T) {
	r := ring(t, map[string][]string{"sched": {"c1", "n1", "n2"}, "net": {"a", "b"}})
	want(t, answers(r, "sched", "net", "sched", "sched", "net", "sched", "net"),
		"sched.c1", "net.a", "sched.n1", "sched.n2", "net.b", "sched.c1", "net.a")
}

func TestFanoutAnswersAllInOrderAndMovesNoPlace(t *testing.T) {
	r := ring(t, map[string][]string{"t": {"b", "a", "b"}})
	want(t, answers(r, "t", "fanout~t", "fanout.t", "t", "t.a", "t", "t"),
		"t.b", "fanout~t.b", "fanout~t.a", "fanout~t.b", "fanout~t.b", "fanout~t.a", "fanout~t.b", "t.a", "t.a", "t.b", "t.b")
}

func TestTheFanoutPrefixIsStrippedOnce(t *testing.T) {
	r := ring(t, map[string][]string{"": {"e"}, "t": {"h"}, "fanout~t": {"shadowed"}, "x.y": {"dotted"}})
	want(t, answers(r, "fanout~fanout~t", "fanout~t", "fanout~tfanout~t", "", "fanout~", "fanout~x.y", "x.y"),
		"fanout~fanout~t.shadowed", "fanout~t.h", `topic was never heard of: "tfanout~t"`, ".e", "fanout~.e",
		"fanout~x.y.dotted", "x.y")
}

func TestNobodyAndNeverHeardOfAreDifferentAnswers(t *testing.T) {
	r := ring(t, map[string][]string{"empty": {}})
	for key, want := range map[string]error{
		"empty": core.ErrNoHosts, "fanout~empty": core.ErrNoHosts,
		"other": core.ErrUnknownTopic, "fanout~other": core.ErrUnknownTopic,
	} {
		for name, m := range map[string]*core.MatchMaker{"ring": core.New(r), "live": live(t, r)} {
			if _, err := m.Resolve(bg, key); !errors.Is(err, want) || !errors.Is(err, core.ErrNoMatch) {
				t.Errorf("%s: resolve %s: %v, want %v", name, key, err, want)
			}
		}
	}
	if r := ring(t, nil); !slices.Equal(answers(r, "t"), []string{`topic was never heard of: "t"`}) {
		t.Error("an empty ring is a ring without topics, got", answers(r, "t"))
	}
}

func live(t *testing.T, r *ringmm.Ring) *core.MatchMaker {
	ctx, end := context.WithCancel(bg)
	l := core.NewLive(ctx, r, nil)
	t.Cleanup(func() { end(); l.Wait() })
	return core.New(l)
}

func TestDirectKeysAreAnsweredListedOrNot(t *testing.T) {
	r, err := ringmm.New(map[string][]core.Registration{"t": {{Host: "a", Addr: "127.0.0.1:80"}, {Host: "b.c"}}})
	if err != nil {
		t.Fatal(err)
	}
	m := core.New(r)
	for key, addr := range map[string]string{"t.a": "127.0.0.1:80", "t.b.c": "", "t.x": "-", "other.a": "-", "t.": "-", ".": "-"} {
		routes, err := m.Resolve(bg, key)
		if err != nil || len(routes) != 1 || routes[0].Key != key || routes[0].Host != key[strings.Index(key, ".")+1:] {
			t.Errorf("resolve %q: %+v, %v", key, routes, err)
			continue
		}
		if got := routes[0].Member; (got == nil) != (addr == "-") || got != nil && got.Addr != addr {
			t.Errorf("resolve %q: member %+v, want addr %q", key, got, addr)
		}
	}
	if _, err := r.DirectExchange(bg, "bare"); !errors.Is(err, core.ErrInvalid) {
		t.Error("a direct exchange handed a bare key:", err)
	}
	if _, err := r.FanoutExchange(bg, "bare"); !errors.Is(err, core.ErrInvalid) {
		t.Error("a fanout exchange handed a bare key:", err)
	}
}

func TestWhatCannotBeAHostIsRefused(t *testing.T) {
	for _, c := range []struct {
		list []core.Registration
		want string
	}{
		{[]core.Registration{{Host: "a"}, {}}, `invalid ring: topic "t", host 2: invalid host "": want a name of 1 to 255 bytes`},
		{[]core.Registration{{Host: "a\n"}}, `invalid ring: topic "t", host 1: invalid host "a\n"`},
		{[]core.Registration{{Host: "a", Weight: -1}}, `invalid weight "-1"`},
		{[]core.Registration{{Host: "a", Topic: "u"}}, `invalid topic "u": want none, or "t"`},
		{[]core.Registration{{Host: "a", Zone: "x"}, {Host: "b"}, {Host: "a"}}, `host 3: invalid host "a": want the same addr`},
	} {
		_, err := ringmm.New(map[string][]core.Registration{"t": c.list})
		if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v\nwant %s", c.list, err, c.want)
		}
	}
}

func TestTheRingIsACopyOfWhatItWasMadeOf(t *testing.T) {
	list := []core.Registration{{Host: "a", Labels: map[string]string{"rack": "7"}}}
	r, err := ringmm.New(map[string][]core.Registration{"t": list})
	if err != nil {
		t.Fatal(err)
	}
	list[0].Labels["rack"], list[0].Host = "8", "b"
	routes, _ := r.TopicExchange(bg, "t")
	if m := routes[0].Member; m.Host != "a" || m.Labels["rack"] != "7" || m.Topic != "t" {
		t.Errorf("the ring changed with its source: %+v", m)
	}
}

func TestAppendingToAnAnswerCopies(t *testing.T) {
	m := core.New(ring(t, map[string][]string{"t": {"a", "b"}}))
	for _, key := range []string{"t", "t.a", "fanout~t"} {
		routes, err := m.Resolve(bg, key)
		if err != nil || cap(routes) != len(routes) {
			t.Errorf("resolve %s: capacity %d for %d routes, %v", key, cap(routes), len(routes), err)
		}
	}
}

func TestAViewShowsEachHostOnceInOrder(t *testing.T) {
	r := ring(t, map[string][]string{"t": {"b", "a", "b"}, "u": {}})
	v, err := r.Members(bg, "t")
	var hosts []string
	for _, m := range v.Members {
		hosts = append(hosts, m.Topic+"."+m.Host)
	}
	if want := []string{"t.a", "t.b"}; err != nil || !slices.Equal(hosts, want) || v.AsOf.IsZero() || v.Topic != "t" {
		t.Errorf("members %q, view %+v, %v; want %q", hosts, v, err, want)
	}
	if topics, err := r.Topics(bg); err != nil || !slices.Equal(topics, []string{"t", "u"}) {
		t.Error("topics", topics, err)
	}
	same, _ := ring(t, map[string][]string{"t": {"b", "a", "b"}}).Members(bg, "t")
	other, _ := ring(t, map[string][]string{"t": {"b", "a"}}).Members(bg, "t")
	if v.Version != same.Version || v.Version == other.Version {
		t.Error("a version is to identify the list:", v.Version, same.Version, other.Version)
	}
}

func TestAnUnknownTopicIsToldOnce(t *testing.T) {
	var told []ringmm.Event
	r := ring(t, map[string][]string{"t": {}}, func(e ringmm.Event) { told = append(told, e) })
	answers(r, "t", "nope", "nope", "fanout~nope", "no.pe", "t.h")
	if want := []ringmm.Event{{Kind: ringmm.UnknownTopic, Topic: "nope"}}; !reflect.DeepEqual(told, want) {
		t.Errorf("told %+v, want %+v", told, want)
	}
	for i := range 5000 {
		answers(r, strconv.Itoa(i))
	}
	if len(told) != 1000 {
		t.Errorf("told %d unknown topics, want 1000 at most", len(told))
	}
}

func TestConcurrentLookupsShareTheTurns(t *testing.T) {
	r := ring(t, map[string][]string{"t": {"a", "b", "c"}})
	var mu sync.Mutex
	got := make(map[string]int)
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			for range 10 {
				routes, err := r.TopicExchange(bg, "t")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				got[routes[0].Host]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if want := map[string]int{"a": 100, "b": 100, "c": 100}; !reflect.DeepEqual(got, want) {
		t.Errorf("turns %v, want %v", got, want)
	}
}

func TestALookupDoesNotAllocate(t *testing.T) {
	m := core.New(ring(t, map[string][]string{"t": {"a", "b"}}))
	for _, key := range []string{"t", "t.a", "fanout~t"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = m.Resolve(bg, key) }); n > 0 {
			t.Errorf("resolve %s: %v allocations", key, n)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	hosts := make([]string, 1000)
	for i := range hosts {
		hosts[i] = "node" + strconv.Itoa(i)
	}
	m := core.New(ring(b, map[string][]string{"t": hosts}))
	for _, key := range []string{"t", "t.node7", "fanout~t"} {
		b.Run(key, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := m.Resolve(bg, key); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
