package core_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

func TestOneWhoIsBackAfterEachLossIsNoContest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		older, newer := start(t, m), start(t, m)
		older.register("compute", "node1")
		newer.register("compute", "node1")
		const losses = 6
		for range losses {
			m.Lose()
			for _, p := range []*process{older, newer, older} { // the older first, and then it hears of the newer
				if err := p.SendHeartbeats(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(freq)
		}
		if n := strings.Count(older.reported(), core.SupersededBy.String()); n != losses {
			t.Errorf("superseded %d times, want %d; reported %s", n, losses, older.reported())
		}
		if strings.Contains(older.reported()+newer.reported(), core.Contested.String()) {
			t.Errorf("contested, though nobody took the place anew: %s", older.reported())
		}
	})
}
