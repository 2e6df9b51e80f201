package core_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

// picked is who a lookup of compute picks among, by what Live has in memory.
func picked(t *testing.T, live *core.Live) string {
	t.Helper()
	synctest.Wait()
	v, err := live.Members(t.Context(), "compute")
	if err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for _, m := range v.Pickable() {
		hosts = append(hosts, m.Host)
	}
	var resolved []string
	for range 100 {
		routes, err := live.TopicExchange(t.Context(), "compute")
		if err != nil {
			t.Fatal(err)
		}
		if host := routes[0].Host; !slices.Contains(resolved, host) {
			resolved = append(resolved, host)
		}
	}
	slices.Sort(resolved)
	if !slices.Equal(hosts, resolved) {
		t.Errorf("pickable are %v, and picked were %v", hosts, resolved)
	}
	return strings.Join(hosts, " ")
}

func TestFirstToBeBackAfterALossDoesNotGetTheWorkOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		live := start(t, m).Live()
		hosts := make(map[string]*process)
		for _, host := range []string{"node1", "node2", "node3", "node4"} {
			hosts[host] = start(t, m)
			hosts[host].register("compute", host)
		}
		beat := func(names ...string) {
			t.Helper()
			for _, host := range names {
				if err := hosts[host].SendHeartbeats(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := func(when, hosts string) {
			t.Helper()
			if got := picked(t, live); got != hosts {
				t.Errorf("%s: picked among %q, want %q", when, got, hosts)
			}
		}
		want("at first", "node1 node2 node3 node4")
		for range 4 { // node4 has died
			time.Sleep(freq)
			beat("node1", "node2", "node3")
		}
		want("one has died", "node1 node2 node3")
		m.Lose()
		want("all is lost", "node1 node2 node3")
		beat("node2")
		want("one is back", "node1 node2 node3")
		beat("node1")
		want("two are back", "node1 node2 node3")
		time.Sleep(freq + time.Second - time.Millisecond)
		want("for an interval and a second", "node1 node2 node3")
		time.Sleep(2 * time.Millisecond)
		want("and then who is back goes before who is not", "node1 node2")
		for range 4 {
			beat("node1", "node2")
			time.Sleep(freq)
		}
		want("the hold of the third is over", "node1 node2")
	})
}

// told is a watcher that tells some views.
type told []*core.View

func (s told) Members(context.Context, string) (*core.View, error) { return s[0], nil }
func (s told) Watch(ctx context.Context, _ string) iter.Seq[*core.View] {
	return func(yield func(*core.View) bool) {
		for _, v := range s {
			if !yield(v) {
				return
			}
			time.Sleep(freq / 2)
		}
		<-ctx.Done()
	}
}

func TestAnOutageThatIsOverDoesNotGiveTheFirstToBeBackTheWorkOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := func(seq uint64, stale error, held ...bool) *core.View {
			v := &core.View{Topic: "compute", Version: core.Version{Epoch: "e", Seq: seq, Change: "c"}, Stale: stale}
			for i, h := range held {
				r := core.Registration{Topic: "compute", Host: fmt.Sprint("node", i+1)}
				v.Members = append(v.Members, &core.Member{Registration: r, Held: h})
			}
			return v
		}
		views := told{of(1, nil, false, false, false), of(1, errors.New("down"), false, false, false), of(2, nil, false, true, true)}
		ctx, cancel := context.WithCancel(t.Context())
		live := core.NewLive(ctx, views, nil)
		if _, err := live.Members(ctx, "compute"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * freq)
		if got := picked(t, live); got != "node1 node2 node3" {
			t.Errorf("picked among %q after the registry was away", got)
		}
		time.Sleep(core.DefaultFreq + time.Second)
		if got := picked(t, live); got != "node1" {
			t.Errorf("picked among %q when all had time to be back", got)
		}
		cancel()
		live.Wait()
	})
}

func TestASecondOutageDoesNotGiveTheFirstToBeBackTheWorkOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := func(epoch string, stale error, held ...bool) *core.View {
			v := &core.View{Topic: "compute", Version: core.Version{Epoch: epoch, Seq: 1, Change: "c"}, Stale: stale}
			for i, h := range held {
				r := core.Registration{Topic: "compute", Host: fmt.Sprint("node", i+1)}
				v.Members = append(v.Members, &core.Member{Registration: r, Held: h})
			}
			return v
		}
		down := errors.New("down")
		views := told{of("1", nil, false, false, false), of("1", down, false, false, false), of("2", nil, false, true, true), of("2", down, false, true, true)}
		ctx, cancel := context.WithCancel(t.Context())
		live := core.NewLive(ctx, views, nil)
		if _, err := live.Members(ctx, "compute"); err != nil {
			t.Fatal(err)
		}
		for range 4 { // the registry is away for longer than any grace
			time.Sleep(2*freq + core.DefaultFreq + time.Second)
			if got := picked(t, live); got != "node1 node2 node3" {
				t.Errorf("picked among %q while nobody could beat", got)
			}
		}
		cancel()
		live.Wait()
	})
}
