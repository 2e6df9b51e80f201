package integration_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/redismm/matchmaker/integration"
)

func TestAWatchEndsAtOnceThoughRedisIsStalled(t *testing.T) {
	for name, args := range map[string][]string{
		"of a topic": {"watch", "compute"},
		"of all":     {"watch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := integration.StartRedis(t)
			sidecar(t, r, "compute=node1")
			watch := integration.Matchmaker(append(args, "--heartbeat-freq=1s")...).With("MATCHMAKER_REDIS_URL=" + r.URL)
			ends := func(p *integration.Process) {
				t.Helper()
				asked := time.Now()
				p.Signal(syscall.SIGINT)
				if code, took := p.Wait(soon), time.Since(asked); code != 0 || took > slack {
					t.Errorf("exit code %d, %s after a SIGINT; want 0 within %s", code, took, slack)
				}
			}
			for _, told := range []string{"joined   compute  node1", "stale    compute"} { // the first while a question is unanswered
				p := watch.Start(t)
				p.Says(soon, "joined   compute  node1")
				r.Pause()
				p.Says(soon, told)
				ends(p)
				r.Resume()
			}
			r.Pause()
			p := watch.Start(t)
			time.Sleep(slack) // it waits for its first answer
			ends(p)
		})
	}
}
