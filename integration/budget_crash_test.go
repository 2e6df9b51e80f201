package integration_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// crashing is how many processes die, who watches, and how many keys of others Redis has to forget meanwhile.
type crashing struct{ processes, watchers, survivors, others int }

var (
	smallCrashing = crashing{5, 4, 10, 1000}
	fullCrashing  = crashing{100, 10, 20, 100_000}
	crashBeat     = core.HeartbeatConfig{Freq: 250 * time.Millisecond, TTL: time.Second}
)

func TestBudgetDeadHostsAreHeldThenLeaveEveryView(t *testing.T) {
	parallel(t, false)
	size := smallCrashing
	if fullSize() {
		size = fullCrashing
	}
	r := integration.StartRedis(t)
	expiring(t, r, size.others)
	survivors := startCrews(t, 1)
	survivors.open(t, r.URL, size.survivors, crashBeat)
	survivors.keep(t, "compute", "node", size.survivors, 1)
	doomed := startCrews(t, size.processes)
	doomed.open(t, r.URL, 1, crashBeat)
	doomed.keep(t, "compute", "probe", 1, 1)
	registered(t, r, "compute", size.survivors+size.processes)
	watchers := startCrews(t, 2)
	watchers.open(t, r.URL, size.watchers/2, crashBeat)
	watchers.watch(t, "compute", "probe", size.survivors+size.processes)
	tell[Picking, int](t, watchers, "Pick", alike(Picking{"compute", 5 * time.Millisecond}))

	died := make(map[string]int64)
	for i, p := range doomed {
		died[fmt.Sprintf("probe%05d", i)] = time.Now().UnixNano()
		p.Kill()
		time.Sleep(rand.N(100 * time.Millisecond)) // deaths at every moment of a period
	}
	held, gone := size.ends(t, watchers, died)
	size.judge(t, watchers, died, held, gone)
}

// expiring fills Redis with the keys of others, some of which expire meanwhile.
func expiring(t *testing.T, r *integration.Redis, n int) {
	t.Helper()
	c := r.Client()
	for from := 0; from < n; from += 1000 {
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		pipe := c.Pipeline()
		for i := range 1000 {
			ttl := time.Minute + rand.N(10*time.Minute)
			if i%10 == 0 {
				ttl = rand.N(time.Minute)
			}
			pipe.Set(ctx, fmt.Sprint("other:", from+i), "value", ttl+time.Millisecond)
		}
		_, err := pipe.Exec(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// ends waits until every watcher has shown every death, and returns when each held a host, and when it let it
// go.
func (size crashing) ends(t *testing.T, watchers crews, died map[string]int64) (held, gone map[string][]time.Duration) {
	t.Helper()
	held, gone = make(map[string][]time.Duration), make(map[string][]time.Duration)
	integration.Eventually(t, 30*time.Second, "every dead host is gone from every view", func() bool {
		for _, s := range watchers.sightings(t) {
			after := time.Duration(s.At - died[s.Host])
			switch {
			case after < 0: // it lived
			case s.What == Held:
				held[s.Host] = append(held[s.Host], after)
			case s.What == Gone:
				gone[s.Host] = append(gone[s.Host], after)
			case after > crashBeat.TTL+crashBeat.Freq: // a last beat may be on its way for a while
				t.Errorf("%s is shown as living %s after it died", s.Host, after)
			}
		}
		n := 0
		for _, g := range gone {
			n += len(g)
		}
		return n >= len(died)*size.watchers
	})
	return held, gone
}

func (size crashing) judge(t *testing.T, watchers crews, died map[string]int64, held, gone map[string][]time.Duration) {
	t.Helper()
	unpicked := crashBeat.TTL + crashBeat.Freq + time.Second
	unlisted := unpicked + crashBeat.TTL + crashBeat.Freq
	picked := make(map[string]time.Duration)
	picks := 0
	for _, p := range tell[int, Picks](t, watchers, "Picks", alike(0)) {
		picks += p.N
		for host, at := range p.Last {
			if d, dead := died[host]; dead {
				picked[host] = max(picked[host], time.Duration(at-d))
			}
		}
		if p.Failed > 0 {
			t.Errorf("%d lookups failed, the last: %s", p.Failed, p.First)
		}
	}
	var allHeld, allGone, allPicked delays
	right := [4]int{}
	for host := range died {
		last := delays(held[host])
		allHeld, allGone, allPicked = append(allHeld, last...), append(allGone, gone[host]...), append(allPicked, picked[host])
		count(&right[0], len(last) == size.watchers && len(gone[host]) == size.watchers)
		count(&right[1], last.at(100) <= unpicked)
		count(&right[2], picked[host] <= unpicked)
		count(&right[3], delays(gone[host]).at(100) <= unlisted)
	}
	all := func(what string, n int, bar string) {
		t.Helper()
		judge(t, what, fmt.Sprintf("%d of %d", n, len(died)), bar, n == len(died))
	}
	all("dead hosts that every view held, then let go", right[0], "every one")
	if fullSize() {
		all(fmt.Sprintf("held in every view within %s", unpicked), right[1], "every one")
		all(fmt.Sprintf("picked by nobody after %s, in %d lookups", unpicked, picks), right[2], "every one")
		all(fmt.Sprintf("gone from every view within %s", unlisted), right[3], "every one")
	}
	allHeld.draw(t, "from death to held, in each view", unpicked)
	allPicked.draw(t, "from death to the last time it was picked", unpicked)
	allGone.draw(t, "from death to gone, in each view", unlisted)
}

func count(n *int, yes bool) {
	if yes {
		*n++
	}
}
