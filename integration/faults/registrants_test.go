package faults

import (
	"fmt"
	"time"

	"github.com/redismm/matchmaker/integration"
)

// ofRegistrants are what becomes of those who keep hosts.
var ofRegistrants = []fault{
	{name: "SIGSTOP of a registrant for longer than the TTL, SIGCONT", do: func(w *world) string {
		p := w.any()
		w.look.stops(p.name)
		mended := w.recorder.Fault("SIGSTOP", p.name, "")
		p.Pause()
		w.lasts(w.long() + w.beat.Freq)
		p.Resume()
		mended()
		w.lasts(w.grace())
		n := w.notes(p).Events
		if n["lost"] == 0 || n["recovered"] == 0 {
			w.Errorf("%s was stopped for longer than the TTL, and reported %v; want lost and recovered", p.name, n)
		}
		return "the process reported its registrations lost and recovered"
	}},
	{name: "kill -9 of a registrant", do: func(w *world) string {
		p := w.any()
		w.kill(p)
		w.lasts(w.goneBy())
		w.replace(p.places)
		return "the process ended by SIGKILL"
	}},
	{name: "clock of a registrant one hour off", builds: wrongClock, do: func(w *world) string {
		binary, err := wrongClock()
		if err != nil {
			w.Fatal(err)
		}
		for i, by := range []time.Duration{time.Hour, -time.Hour} {
			host := fmt.Sprintf("hour%d", i)
			p := w.enlist(integration.StartCrewOf(w.T, binary, fmt.Sprintf("%s=%d", ahead, int(by.Seconds()))), "p", w.dsn)
			places := []Place{w.any().places[i]}
			for n := range small.hosts {
				places = append(places, Place{Topic: w.topics[n%2], Host: fmt.Sprintf("%s-%d", host, n)})
			}
			w.keeps(p, places)
			var off time.Duration
			if err := p.Tell("Ahead", time.Now(), &off); err != nil || (off-by).Abs() > time.Minute {
				w.Fatalf("the clock of %s is %s off, %v; want %s", p.name, off, err, by)
			}
		}
		w.amid()
		return "one process read its clock an hour ahead, another an hour behind"
	}},
	{name: "two processes claim one host", do: func(w *world) string {
		p := w.any()
		rival := w.replace(p.places[:3])
		w.lasts(w.grace())
		if n := w.notes(p).Events["superseded"]; n != 3 {
			w.Errorf("%s reported %d superseded, want 3", p.name, n)
		}
		if w.IntN(2) == 0 {
			w.finish(rival)
		} else {
			w.kill(rival)
		}
		w.lasts(w.goneBy())
		return "the older reported itself superseded at 3 places"
	}},
	{name: "mass death: half the hosts at once", do: func(w *world) string {
		dead := len(w.registrants) / 2
		for range dead {
			w.kill(w.any())
		}
		w.replace([]Place{{Topic: w.topics[0], Host: "late0"}, {Topic: w.topics[1], Host: "late1"}})
		w.lasts(w.goneBy())
		return fmt.Sprintf("%d of %d processes ended by SIGKILL", dead, dead+len(w.registrants)-1)
	}},
	{name: "a herd of 1,000 sweepers", out: map[string]string{single: inBudgets, sentinel: inBudgets, cluster: inBudgets}},
}

const inBudgets = "takes the machine for itself: `TestBudgetDeadSweepersHeirsDoNotGrowWithTheProcesses` of `make budgets`, with 1,000 processes that sweep"
