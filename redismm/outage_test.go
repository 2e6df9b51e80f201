package redismm

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Redis is gone for ten minutes and comes back empty.
func TestTenMinutesWithoutRedisAreSurvived(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		var hosts []string
		var keepers []*process
		for range 5 {
			var mine []string
			for range 4 {
				mine = append(mine, fmt.Sprintf("node%02d", len(hosts)+len(mine)))
			}
			hosts = append(hosts, mine...)
			keepers = append(keepers, r.process(r.wire, mine...))
		}
		dying := r.process(r.wire, "node20")
		var watchers []*watcher
		for range 3 {
			p := r.process(r.wire)
			watchers = append(watchers, &watcher{p, r.watch(p.Live())})
		}
		everybody := append(slices.Clone(hosts), "node20")
		for _, w := range watchers {
			r.until("all are shown", func() bool { return len(w.last().Members) == len(everybody) })
		}
		r.pass(time.Minute)

		r.wire.down.Store(true)
		r.wire.lose.Store(true)
		gone := time.Now()
		r.pass(2 * r.config.Freq)
		for time.Since(gone) < 10*time.Minute {
			for _, w := range watchers {
				w.goesOnFromMemory(len(everybody), gone)
			}
			r.pass(29 * time.Second)
		}
		dying.Close()
		r.mini.FlushAll()
		r.wire.lose.Store(false)
		r.wire.down.Store(false)

		r.pass(r.config.Freq + time.Second)
		r.listed(hosts...)
		for _, w := range watchers {
			if v := w.last(); v.Stale != nil || len(v.Members) != len(everybody) ||
				slices.ContainsFunc(v.Members, func(m *core.Member) bool { return m.Held != (m.Host == "node20") }) {
				r.Errorf("an interval after Redis is back %q is shown, stale %v, want all, and held only who died meanwhile", shown(v), v.Stale)
			}
		}
		for _, k := range keepers {
			if lost, back := k.reported(core.Lost), k.reported(core.Recovered); lost != 4 || back != 4 {
				r.Errorf("a process of four hosts reported %d lost and %d recovered", lost, back)
			}
		}
		r.pass(2*r.config.TTL + 2*r.config.Freq + time.Second)
		for _, w := range watchers {
			w.alwaysShowed(hosts...)
			if got := shown(w.last()); len(w.last().Members) != len(hosts) {
				r.Errorf("two TTLs later %q is shown, want all but who died", got)
			}
		}
	})
}

// watcher is a process that resolves, and the views that it resolves from.
type watcher struct {
	*process
	*sights
}

// goesOnFromMemory checks that lookups answer as before Redis was gone, and say that they cannot ask.
func (w *watcher) goesOnFromMemory(hosts int, gone time.Time) {
	w.sights.Helper()
	ctx := w.Context()
	all, err := w.Resolve(ctx, core.FanoutPrefix+compute)
	if err != nil || len(all) != hosts {
		w.Errorf("%s after Redis went a fanout answers %d of %d, %v", time.Since(gone), len(all), hosts, err)
	}
	if one, err := w.Resolve(ctx, compute); err != nil || len(one) != 1 || one[0].Member == nil {
		w.Errorf("%s after Redis went a topic answers %v, %v", time.Since(gone), one, err)
	}
	v, err := w.Live().Members(ctx, compute)
	if err != nil || !errors.Is(v.Stale, core.ErrUnavailable) || v.AsOf.After(gone) || v.Err() != nil {
		w.Errorf("%s after Redis went the view is of %s before, %v, stale %v", time.Since(gone), gone.Sub(v.AsOf), err, v.Stale)
	}
}
