package integration_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// herd is how many come back to a Redis that lost everything.
type herd struct {
	processes, topics, opens, each int // in all; hosts of each matchmaker
	beat                           core.HeartbeatConfig
	gone                           time.Duration
}

func (h herd) members() int { return h.opens * h.each }

func (h herd) String() string {
	return fmt.Sprintf("%d matchmakers of %d hosts in %d topics", h.opens, h.each, h.topics)
}

func (h herd) topic(i int) string { return fmt.Sprint("compute", i%h.topics) }

// registered waits until all are there.
func (h herd) registered(t *testing.T, r *integration.Redis) {
	t.Helper()
	c := r.Client()
	integration.Eventually(t, time.Minute, h.String()+" are registered", func() bool {
		n := 0
		for i := range h.topics {
			n += int(c.SCard(t.Context(), "mm:{"+h.topic(i)+"}").Val())
		}
		return n == h.members()
	})
}

var usual = core.HeartbeatConfig{Freq: 5 * time.Second, TTL: 15 * time.Second}

func TestBudgetHerdIsBackWithinAnIntervalAndIsNoStampede(t *testing.T) {
	parallel(t, false)
	sizes := []herd{{2, 1, 100, 10, prompt, 2 * time.Second}}
	if fullSize() {
		sizes = []herd{{10, 1, 1000, 10, usual, 20 * time.Second}, {6, 3, 3000, 1, usual, 20 * time.Second}}
	}
	for _, h := range sizes {
		t.Run(h.String(), h.comeBack)
	}
}

// stampede is how many times the commands at rest a herd may send in its worst second: five commands to come
// back with instead of one, in a quarter of an interval instead of a whole.
const stampede = 20

func (h herd) comeBack(t *testing.T) {
	r := integration.StartRedis(t, fmt.Sprintf("maxclients %d", 1000+min(3*h.opens, 18_000)))
	all := startCrews(t, h.processes)
	all.open(t, r.URL, h.opens/h.processes, h.beat)
	tell[Keeping, int](t, all, "Keep", func(i int) Keeping { return Keeping{h.topic(i), "node", i * h.members() / h.processes, h.each} })
	h.registered(t, r)
	settle(t, r, h.opens, h.beat)
	heard := listenTo(t, r)
	time.Sleep(h.beat.Freq)
	rest := heard.stop()
	restRate := rate(len(rest.sent), rest.took)
	note(t, h.String()+", at rest", fmt.Sprintf("%.0f commands/s (%.0f executed)", restRate, rate(len(rest.sent)+len(rest.inside), rest.took)))

	r.Kill()
	time.Sleep(h.gone)
	answers := time.Now() // or soon after
	heard = listenFrom(t, r, r.RestartEmpty)
	h.registered(t, r)
	timely(t, h.String()+", all back after Redis answers", time.Since(answers), h.beat.Freq+time.Second)
	time.Sleep(time.Until(answers.Add(2*h.beat.Freq + time.Second))) // whatever follows on it
	back := heard.stop()
	most := worst(back.sent)
	judge(t, h.String()+", commands of the worst second", fmt.Sprintf("%d, x %.1f of those at rest", most, float64(most)/restRate),
		fmt.Sprintf("at most x %d", stampede), float64(most) <= stampede*restRate)
	note(t, h.String()+", executed in the worst second", fmt.Sprint(worst(append(back.inside, back.sent...))))
	note(t, h.String()+", sent while coming back", fmt.Sprintf("%d: %s", len(back.sent), back))
}
