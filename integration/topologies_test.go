package integration_test

import (
	"os"
	"testing"

	"github.com/redismm/matchmaker/integration"
)

// everywhere says that tests run on each topology, as `make topologies` wants; else on a single server alone.
var everywhere = os.Getenv("TOPOLOGIES") == "all"

// onTopologies runs a test on each topology but those of which never says why it does not, by their names. They do not
// fail over because a test kills all of their servers for a while.
func onTopologies(t *testing.T, f func(t *testing.T, on integration.Topology), never map[string]string) {
	t.Helper()
	for _, to := range []struct {
		name  string
		start func(t *testing.T) integration.Topology
	}{
		{"single", func(t *testing.T) integration.Topology { return integration.StartRedis(t) }},
		{"sentinel", func(t *testing.T) integration.Topology {
			return integration.StartSentinel(t, "sentinel down-after-milliseconds 600000")
		}},
		{"cluster", func(t *testing.T) integration.Topology {
			return integration.StartCluster(t, "cluster-node-timeout 600000")
		}},
	} {
		if to.name != "single" && !everywhere {
			return
		}
		t.Run(to.name, func(t *testing.T) {
			t.Parallel()
			if why := never[to.name]; why != "" {
				t.Skip(why)
			}
			f(t, to.start(t))
		})
	}
}
