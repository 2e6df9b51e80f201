package integration_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/integration/crew"
)

func init() { crew.Enlist(new(Crew)) }

// crews are told the same, all at once.
type crews []*integration.Crew

func startCrews(t *testing.T, n int) crews {
	t.Helper()
	all := make(crews, n)
	for i := range all {
		all[i] = integration.StartCrew(t)
	}
	return all
}

// tell has every process do something, and returns what each replies.
func tell[A, R any](t *testing.T, cs crews, what string, args func(i int) A) []R {
	t.Helper()
	replies, failed := make([]R, len(cs)), make([]error, len(cs))
	var all sync.WaitGroup
	for i, c := range cs {
		all.Go(func() { failed[i] = c.Tell(what, args(i), &replies[i]) })
	}
	all.Wait()
	for i, err := range failed {
		if err != nil {
			t.Fatalf("process %d of %d: %v", i+1, len(cs), err)
		}
	}
	return replies
}

func alike[A any](a A) func(int) A { return func(int) A { return a } }

// open has every process open n matchmakers.
func (cs crews) open(t *testing.T, url string, n int, c core.HeartbeatConfig) {
	t.Helper()
	tell[Opening, int](t, cs, "Open", alike(Opening{url, n, c.Freq, c.TTL}))
}

// keep has every matchmaker register hosts of a topic, each some, and beat them.
func (cs crews) keep(t *testing.T, topic, prefix string, opens, each int) {
	t.Helper()
	tell[Keeping, int](t, cs, "Keep", func(i int) Keeping { return Keeping{topic, prefix, i * opens * each, each} })
}

// watch has every matchmaker watch a topic, and waits until each shows n members. What becomes of members
// with a prefix is noted.
func (cs crews) watch(t *testing.T, topic, prefix string, n int) {
	t.Helper()
	tell[Watching, int](t, cs, "Watch", alike(Watching{topic, prefix, n}))
}

// await waits until n changes in all have been noted by each process.
func (cs crews) await(t *testing.T, each int) {
	t.Helper()
	tell[int, int](t, cs, "Await", alike(each))
}

// sightings returns what was noted since it was last asked for.
func (cs crews) sightings(t *testing.T) []Sighting {
	t.Helper()
	var all []Sighting
	for _, some := range tell[int, []Sighting](t, cs, "Sightings", alike(0)) {
		all = append(all, some...)
	}
	return all
}

// registered waits until a topic has n members.
func registered(t *testing.T, r *integration.Redis, topic string, n int) {
	t.Helper()
	c := r.Client()
	integration.Eventually(t, time.Minute, fmt.Sprintf("%s has %d members", topic, n), func() bool {
		return c.SCard(t.Context(), "mm:{"+topic+"}").Val() == int64(n)
	})
}
