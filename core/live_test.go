package core_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

// source is a Watcher whose views a test makes, and which counts those who watch.
type source struct {
	core.Feed
	begun, under atomic.Int32
}

func (s *source) Members(context.Context, string) (*core.View, error) {
	return nil, errors.New("nobody asks a watched registry")
}

func (s *source) Watch(ctx context.Context, _ string) iter.Seq[*core.View] {
	return func(yield func(*core.View) bool) {
		s.begun.Add(1)
		s.under.Add(1)
		defer s.under.Add(-1)
		s.Views(ctx)(yield)
	}
}

// view is a view of topic compute with hosts that are up.
func view(hosts ...string) *core.View {
	v := &core.View{Topic: "compute", Version: core.Version{Epoch: "e", Seq: 1}}
	for _, h := range hosts {
		v.Members = append(v.Members, &core.Member{Registration: core.Registration{Topic: "compute", Host: h}})
	}
	return v
}

// follow returns a source and what follows it until the test ends.
func follow(t *testing.T, p core.Policy) (*source, *core.Live) {
	s := new(source)
	ctx, end := context.WithCancel(t.Context())
	l := core.NewLive(ctx, s, p)
	t.Cleanup(func() {
		end()
		l.Wait()
		if n := s.under.Load(); n != 0 {
			t.Errorf("%d watches after Wait", n)
		}
	})
	return s, l
}

// hosts returns whom routes lead to.
func hosts(routes []core.Route) string {
	var all []string
	for _, r := range routes {
		all = append(all, r.Host)
	}
	return fmt.Sprint(all)
}

func TestTheFirstLookupWaitsForTheFirstView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := follow(t, nil)
		time.AfterFunc(time.Second, func() { s.Set(view("node1")) })
		began := time.Now()
		routes, err := l.TopicExchange(t.Context(), "compute")
		if err != nil || hosts(routes) != "[node1]" || routes[0].Key != "compute.node1" || routes[0].Member == nil {
			t.Errorf("%+v, %v", routes, err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestALookupEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := follow(t, nil) // which never shows anything
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		for name, lookup := range map[string]func(context.Context, string) ([]core.Route, error){
			"compute": l.TopicExchange, "fanout~compute": l.FanoutExchange,
		} {
			_, err := lookup(ctx, name)
			if !errors.Is(err, core.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, core.ErrNoMatch) {
				t.Errorf("%s: %v, want ErrUnavailable", name, err)
			}
		}
		if _, err := l.Members(ctx, "compute"); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("members: %v, want ErrUnavailable", err)
		}
		routes, err := l.DirectExchange(ctx, "compute.node1") // which nobody has to know of
		if err != nil || len(routes) != 1 || routes[0] != (core.Route{Key: "compute.node1", Host: "node1"}) {
			t.Errorf("direct: %+v, %v", routes, err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestALookupWaitsNoLongerThanTheLiveLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		s := new(source)
		l := core.NewLive(ctx, s, nil)
		time.AfterFunc(time.Second, end)
		if _, err := l.TopicExchange(t.Context(), "compute"); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
		l.Wait()
		if _, err := l.TopicExchange(t.Context(), "volume"); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
		if n := s.begun.Load(); n != 1 {
			t.Errorf("%d watches begun, want none after the end", n)
		}
	})
}

func TestAStaleViewGoesOnAnswering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := follow(t, nil)
		s.Set(view("node1", "node2"))
		l.Members(t.Context(), "compute")
		stale := view("node1", "node2")
		stale.Stale = errDown
		s.Set(stale)
		synctest.Wait()
		if routes, err := l.FanoutExchange(t.Context(), "fanout.compute"); err != nil || hosts(routes) != "[node1 node2]" {
			t.Errorf("%v, %v", routes, err)
		}
		if v, err := l.Members(t.Context(), "compute"); err != nil || !errors.Is(v.Stale, errDown) {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

func TestALookupSaysWhyThereIsNobody(t *testing.T) {
	stale := &core.View{Topic: "compute", Stale: errDown}
	for _, c := range []struct {
		view *core.View
		want error
	}{
		{view(), core.ErrNoHosts}, {&core.View{Topic: "compute"}, core.ErrUnknownTopic}, {stale, core.ErrUnavailable},
	} {
		t.Run(c.want.Error(), func(t *testing.T) {
			s, l := follow(t, nil)
			s.Set(c.view)
			m := core.New(l)
			for _, key := range []string{"compute", "fanout~compute", "fanout.compute"} {
				routes, err := m.Resolve(t.Context(), key)
				if !errors.Is(err, c.want) || errors.Is(err, core.ErrNoMatch) != (c.want != core.ErrUnavailable) || routes != nil {
					t.Errorf("%s: %v, %v, want %v", key, routes, err, c.want)
				}
			}
			if routes, err := m.Resolve(t.Context(), "compute.node1"); err != nil || hosts(routes) != "[node1]" {
				t.Errorf("direct: %v, %v", routes, err)
			}
		})
	}
}

func TestARefusedTopicIsUnknownAndNotWatched(t *testing.T) {
	s, l := follow(t, nil)
	for _, topic := range []string{"", "fanout", "a{b}", "fanout~fanout~a", "a\n"} {
		if _, err := l.TopicExchange(t.Context(), topic); !errors.Is(err, core.ErrUnknownTopic) {
			t.Errorf("%q: %v, want ErrUnknownTopic", topic, err)
		}
	}
	if n := s.begun.Load(); n != 0 {
		t.Errorf("%d watches begun", n)
	}
}

func TestExchangesRefuseKeysThatTheyCannotSplit(t *testing.T) {
	_, l := follow(t, nil)
	if _, err := l.FanoutExchange(t.Context(), "compute"); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("fanout: %v", err)
	}
	if _, err := l.DirectExchange(t.Context(), "compute"); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("direct: %v", err)
	}
}

func TestManyReadersCostOneWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := follow(t, nil)
		ctx, end := context.WithCancel(t.Context())
		var seen atomic.Int32
		var readers sync.WaitGroup
		for range 50 {
			readers.Go(func() { l.TopicExchange(ctx, "compute") })
			readers.Go(func() {
				for range l.Watch(ctx, "compute") {
					seen.Add(1)
				}
			})
		}
		synctest.Wait()
		s.Set(view("node1"))
		synctest.Wait()
		s.Set(view("node1", "node2"))
		synctest.Wait()
		if n := seen.Load(); n != 100 {
			t.Errorf("%d views seen by 50 readers, want 100", n)
		}
		end()
		readers.Wait()
		if n := s.begun.Load(); n != 1 {
			t.Errorf("%d watches for a topic, want 1", n)
		}
	})
}

func TestASlowReaderGetsTheNewestAndHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := follow(t, nil)
		s.Set(view("node0"))
		next, stop := iter.Pull(l.Watch(t.Context(), "compute"))
		defer stop()
		next()
		for i := range 100 {
			s.Set(view(fmt.Sprint("node", i)))
			synctest.Wait()
		}
		if routes, err := l.TopicExchange(t.Context(), "compute"); err != nil || hosts(routes) != "[node99]" {
			t.Errorf("lookup behind a slow reader: %v, %v", routes, err)
		}
		if v, _ := next(); v.Members[0].Host != "node99" {
			t.Errorf("slow reader got %s", v.Members[0].Host)
		}
	})
}

func TestHeldAndDrainingMembersAreListedButNotPicked(t *testing.T) {
	s, l := follow(t, core.RoundRobin)
	v := view("a", "b", "c")
	v.Members[0].Held = true
	v.Members[1].State = core.Draining
	s.Set(v)
	for range 20 {
		if routes, err := l.TopicExchange(t.Context(), "compute"); err != nil || hosts(routes) != "[c]" {
			t.Fatalf("%v, %v", routes, err)
		}
	}
	if routes, err := l.FanoutExchange(t.Context(), "fanout~compute"); err != nil || hosts(routes) != "[a b c]" {
		t.Errorf("%v, %v", routes, err)
	}
	if routes, err := l.DirectExchange(t.Context(), "compute.b"); err != nil || routes[0].Member != v.Members[1] {
		t.Errorf("%v, %v", routes, err)
	}
}

func TestRoundRobinGoesOnThroughViewsThatShowTheSameMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := follow(t, core.RoundRobinFrom(0))
		pick := func() string {
			routes, err := l.TopicExchange(t.Context(), "compute")
			if err != nil {
				t.Fatal(err)
			}
			return routes[0].Host
		}
		s.Set(view("a", "b", "c"))
		for _, want := range []string{"a", "b", "c", "a", "b"} {
			if got := pick(); got != want {
				t.Errorf("picked %s, want %s", got, want)
			}
			again := view("a", "b", "c")
			again.Members[0].Instance = "newer"
			s.Set(again)
			synctest.Wait()
		}
		s.Set(view("a", "c"))
		synctest.Wait()
		if got := pick(); got != "a" {
			t.Errorf("picked %s from new members, want a", got)
		}
	})
}

// A Policy of a user's may read whatever a member says.
func TestAPolicyIsAskedAgainWhenAnythingItMayReadChanges(t *testing.T) {
	for what, change := range map[string]func(m *core.Member){
		"addr":   func(m *core.Member) { m.Addr = "10.0.0.1:80" },
		"zone":   func(m *core.Member) { m.Zone = "b" },
		"weight": func(m *core.Member) { m.Weight = 2 },
		"labels": func(m *core.Member) { m.Labels = map[string]string{"rack": "b2"} },
		"host":   func(m *core.Member) { m.Host = "other" },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var picked []*core.Member // from which the last pick was made
				s, l := follow(t, func(among []*core.Member) core.Pick {
					return func(context.Context) int {
						picked = among
						return 0
					}
				})
				s.Set(view("node1"))
				if _, err := l.TopicExchange(t.Context(), "compute"); err != nil {
					t.Fatal(err)
				}
				v := view("node1")
				change(v.Members[0])
				s.Set(v)
				synctest.Wait()
				routes, err := l.TopicExchange(t.Context(), "compute")
				if err != nil || routes[0].Member != v.Members[0] || picked[0] != v.Members[0] {
					t.Errorf("%+v was picked from %+v, %v", routes, picked, err)
				}
			})
		})
	}
}

func TestRoutesMayBeAppendedTo(t *testing.T) {
	s, l := follow(t, core.RoundRobinFrom(0))
	s.Set(view("a", "b"))
	for _, f := range []func() ([]core.Route, error){
		func() ([]core.Route, error) { return l.TopicExchange(t.Context(), "compute") },
		func() ([]core.Route, error) { return l.FanoutExchange(t.Context(), "fanout~compute") },
		func() ([]core.Route, error) { return l.DirectExchange(t.Context(), "compute.a") },
	} {
		routes, err := f()
		if err != nil || len(routes) != cap(routes) {
			t.Errorf("%d routes of capacity %d, %v", len(routes), cap(routes), err)
		}
	}
}

func TestFeedShowsEachReaderTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f core.Feed
		if v, _ := f.Last(); v != nil {
			t.Errorf("a feed without views shows %+v", v)
		}
		ctx, end := context.WithCancel(t.Context())
		var got []string
		var reader sync.WaitGroup
		reader.Go(func() {
			for v := range f.Views(ctx) {
				got = append(got, v.Members[0].Host)
			}
		})
		synctest.Wait() // and nothing was yielded
		for _, h := range []string{"a", "b"} {
			f.Set(view(h))
			synctest.Wait()
		}
		f.Set(view("c")) // too fast
		f.Set(view("d"))
		synctest.Wait()
		end()
		reader.Wait()
		if n := len(got); n < 3 || got[0] != "a" || got[1] != "b" || got[n-1] != "d" {
			t.Errorf("got %v", got)
		}
		v, newer := f.Last()
		if v.Members[0].Host != "d" {
			t.Errorf("last is %s", v.Members[0].Host)
		}
		select {
		case <-newer:
			t.Error("told of a newer view that is not there")
		default:
		}
		f.Set(view("e"))
		<-newer
		for v := range f.Views(t.Context()) { // a late reader begins with the newest
			if v.Members[0].Host != "e" {
				t.Errorf("begins with %s", v.Members[0].Host)
			}
			break
		}
		for range f.Views(ctx) {
			t.Error("a feed shows something to a reader whose context has ended")
		}
	})
}

// manyTopics is a Watcher that knows every topic but those that begin with "mis", and counts what it is asked.
type manyTopics struct{ under, asked atomic.Int32 }

func (m *manyTopics) view(topic string) *core.View {
	v := &core.View{Topic: topic}
	if !strings.HasPrefix(topic, "mis") {
		v.Version.Epoch = "e"
		v.Members = []*core.Member{{Registration: core.Registration{Topic: topic, Host: "node1"}}}
	}
	return v
}

func (m *manyTopics) Members(_ context.Context, topic string) (*core.View, error) {
	m.asked.Add(1)
	return m.view(topic), nil
}

func (m *manyTopics) Watch(ctx context.Context, topic string) iter.Seq[*core.View] {
	return func(yield func(*core.View) bool) {
		m.under.Add(1)
		defer m.under.Add(-1)
		if yield(m.view(topic)) {
			<-ctx.Done()
		}
	}
}

func TestTopicsThatNobodyAsksForAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(manyTopics)
		ctx, end := context.WithCancel(t.Context())
		l := core.NewLive(ctx, m, nil)
		defer l.Wait()
		defer end()
		look := func(topic string) { l.TopicExchange(t.Context(), topic) }
		watching, stop := context.WithCancel(t.Context())
		go func() {
			for range l.Watch(watching, "mistyped and watched") {
			}
		}()
		look("idle")
		look("mistyped")
		for range 5 {
			look("busy")
			time.Sleep(time.Minute)
		}
		if n := m.under.Load(); n != 3 {
			t.Errorf("%d watches after five minutes, want those of the idle, the busy and the watched topic", n)
		}
		for range 7 {
			look("busy")
			time.Sleep(time.Minute)
		}
		if n := m.under.Load(); n != 2 {
			t.Errorf("%d watches after twelve minutes, want those of the busy and the watched topic", n)
		}
		stop()
		time.Sleep(3 * time.Minute)
		if n := m.under.Load(); n != 1 {
			t.Errorf("%d watches after the reader went, want that of the busy topic", n)
		}
		if routes, err := l.TopicExchange(t.Context(), "idle"); err != nil || hosts(routes) != "[node1]" {
			t.Errorf("a topic that was let go answers %v, %v", routes, err)
		}
	})
}

func TestAHundredThousandMistypedTopicsAreBounded(t *testing.T) {
	const topics, most, early = 100_000, 10_000, 20_000
	const each, more = 16 << 10, 4 << 20 // bytes of a topic that is followed, and of all that are not
	const late = 1 << 10                 // of one that was followed: the runtime keeps what it needs for a goroutine
	synctest.Test(t, func(t *testing.T) {
		m := new(manyTopics)
		ctx, end := context.WithCancel(t.Context())
		l := core.NewLive(ctx, m, nil)
		defer l.Wait()
		defer end()
		before, then := coretest.InUse(), uint64(0)
		for i := range topics {
			if _, err := l.TopicExchange(t.Context(), fmt.Sprint("mistyped ", i)); !errors.Is(err, core.ErrUnknownTopic) {
				t.Fatal(err)
			}
			if i == early {
				then = coretest.InUse()
			}
		}
		if under, asked := m.under.Load(), m.asked.Load(); under != most || asked != topics-most {
			t.Errorf("%d topics are followed and %d were asked for, want %d and %d", under, asked, most, topics-most)
		}
		now := coretest.InUse()
		t.Logf("held: %d bytes before, %d after %d topics, %d after %d", before, then, early, now, topics)
		if now > before+most*each || now > then+more {
			t.Errorf("%d bytes are held, %d after %d topics, %d before all", now, then, early, before)
		}
		if v, err := l.WaitFor(t.Context(), "compute", 1); err != nil || len(v.Members) != 1 {
			t.Errorf("beyond the bound WaitFor returns %v, %v", v, err)
		}
		time.Sleep(2*time.Minute + time.Second)
		if n := m.under.Load(); n != 0 {
			t.Errorf("%d topics are followed two minutes later", n)
		}
		if now := coretest.InUse(); now > before+most*late {
			t.Errorf("%d bytes are held two minutes later, %d before", now, before)
		}
	})
}

func TestWaitForReturnsWhenEnoughAreUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := follow(t, nil)
		one := view("node1", "node2")
		one.Members[1].Held = true
		s.Set(one)
		time.AfterFunc(time.Minute, func() { s.Set(view("node1", "node2")) })
		began := time.Now()
		v, err := l.WaitFor(t.Context(), "compute", 2)
		if err != nil || len(v.Members) != 2 || time.Since(began) != time.Minute {
			t.Errorf("%+v, %v after %s", v, err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.WaitFor(ctx, "compute", 3); !errors.Is(err, core.ErrUnavailable) || !strings.Contains(err.Error(), "2 members that are up, not 3") {
			t.Error(err)
		}
	})
}
