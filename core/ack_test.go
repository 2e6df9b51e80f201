package core_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

func TestAcknowledgingAnOwnHostBeatsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		p := start(t, m)
		p.register("compute", "node1")
		time.Sleep(2 * freq)
		p.wantErr(p.AckAlive(t.Context(), "compute", "node1"), nil)
		time.Sleep(2 * freq)
		wantMembers(t, m, "compute", "node1") // renewed
		time.Sleep(ttl)
		wantMembers(t, m, "compute")
		p.wantErr(p.AckAlive(t.Context(), "compute", "node1"), nil)
		wantMembers(t, m, "compute", "node1") // brought back
		p.wantStanding("node1 valid")

		newer := start(t, m)
		newer.register("compute", "node1")
		p.wantErr(p.AckAlive(t.Context(), "compute", "node1"), core.ErrSuperseded)
		p.wantStanding("node1 standing by")
	})
}
