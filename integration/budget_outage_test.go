package integration_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// outage is how long Redis is away from how many.
type outage struct {
	watchers, opens, each int
	beat                  core.HeartbeatConfig
	gone                  time.Duration
}

var (
	smallOutage = outage{4, 4, 5, prompt, 5 * time.Second}
	fullOutage  = outage{20, 20, 10, usual, time.Minute}
)

func TestBudgetOutageStopsNoLookupAndShrinksNoView(t *testing.T) {
	parallel(t, true)
	size := smallOutage
	if fullSize() {
		size = fullOutage
	}
	members := size.opens * size.each
	r := integration.StartRedis(t)
	keepers := startCrews(t, 2)
	keepers.open(t, r.URL, size.opens/2, size.beat)
	keepers.keep(t, "compute", "node", size.opens/2, size.each)
	registered(t, r, "compute", members)
	watchers := startCrews(t, 2)
	watchers.open(t, r.URL, size.watchers/2, size.beat)
	watchers.watch(t, "compute", "", members)
	const every = 10 * time.Millisecond
	tell[Picking, int](t, watchers, "Pick", alike(Picking{"compute", every}))
	integration.Eventually(t, soon, "every view is fresh", func() bool { return met(t, watchers).stale.IsZero() })

	killed := time.Now()
	r.Kill()
	size.waitUntilStale(t, watchers, killed)
	began := time.Now()
	time.Sleep(time.Until(killed.Add(size.gone)))
	away := met(t, watchers)
	took := time.Since(began)
	judge(t, fmt.Sprintf("lookups in %s without Redis that were answered", short(took)), fmt.Sprintf("%d of %d", away.n-away.failed, away.n),
		"every one", away.failed == 0 && away.n > 0)
	judge(t, "every view said that it is stale", fmt.Sprint(!away.fresh.After(began)), "true", !away.fresh.After(began))
	note(t, "the slowest of those lookups", short(away.slowest))

	answers := time.Now() // or soon after
	r.RestartEmpty()
	registered(t, r, "compute", members)
	timely(t, fmt.Sprintf("all %d hosts back after Redis answers", members), time.Since(answers), size.beat.Freq+time.Second)
	size.waitUntilFresh(t, watchers, answers)
	time.Sleep(time.Until(answers.Add(size.beat.TTL + 2*size.beat.Freq))) // what was held would be dropped by now
	back := met(t, watchers)
	judge(t, "lookups after Redis came back empty that were answered", fmt.Sprintf("%d of %d", back.n-back.failed, back.n),
		"every one", back.failed == 0 && back.n > 0)
	judge(t, "living hosts that a view ever missed", fmt.Sprint(back.missing), "0", back.missing == 0)
}

func (size outage) waitUntilStale(t *testing.T, watchers crews, killed time.Time) {
	t.Helper()
	var since time.Time
	integration.Eventually(t, time.Minute, "every view says that it is stale", func() bool {
		from := time.Now()
		time.Sleep(100 * time.Millisecond)
		since = time.Now()
		return met(t, watchers).fresh.Before(from)
	})
	timely(t, "every view says that it is stale after", since.Sub(killed), size.beat.Freq+time.Second)
}

func (size outage) waitUntilFresh(t *testing.T, watchers crews, answers time.Time) {
	t.Helper()
	var since time.Time
	integration.Eventually(t, time.Minute, "no view says that it is stale", func() bool {
		from := time.Now()
		time.Sleep(100 * time.Millisecond)
		since = time.Now()
		return met(t, watchers).stale.Before(from)
	})
	note(t, "no view says that it is stale after", short(since.Sub(answers)))
}

// meeting is what the lookups of all processes met since last asked; missing is since the beginning.
type meeting struct {
	n, failed, missing int
	slowest            time.Duration
	fresh, stale       time.Time // when a view last was; zero: none was
}

func met(t *testing.T, watchers crews) meeting {
	t.Helper()
	var m meeting
	for _, p := range tell[int, Picks](t, watchers, "Picks", alike(0)) {
		m.n, m.failed, m.missing = m.n+p.N, m.failed+p.Failed, max(m.missing, p.Missing)
		m.slowest = max(m.slowest, p.Slowest)
		m.fresh, m.stale = later(m.fresh, p.Fresh), later(m.stale, p.Stale)
		if p.Failed > 0 {
			t.Errorf("%d lookups failed, the last: %s", p.Failed, p.First)
		}
	}
	return m
}

func later(t time.Time, nanoseconds int64) time.Time {
	if at := time.Unix(0, nanoseconds); nanoseconds > 0 && at.After(t) {
		return at
	}
	return t
}
