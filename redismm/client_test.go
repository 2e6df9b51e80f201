package redismm

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// How many connections a client may have bounds those of lookups. Beats have their own: who sweeps keeps one, pipelines
// go two at once, and one that gets none is a beat that is lost.
func TestAClientOfFewConnectionsLosesNoRegistration(t *testing.T) {
	for _, c := range []struct{ size, most int }{{1, 1}, {0, 1}, {2, 2}} {
		t.Run(fmt.Sprintf("PoolSize %d, MaxActiveConns %d", c.size, c.most), func(t *testing.T) {
			onMiniredis(t, func(r *registry) {
				options := &redis.Options{Addr: "registry.test:6379", Dialer: r.wire.Dial, ContextTimeoutEnabled: true, PoolSize: c.size, MaxActiveConns: c.most}
				quiet(options)
				client := redis.NewClient(options)
				r.Cleanup(func() { client.Close() })
				s, err := NewStore(client, Config{HeartbeatConfig: r.config})
				if err != nil {
					r.Fatal(err)
				}
				r.Cleanup(func() { s.Close() })
				h, err := core.NewHeartbeat(s, r.config)
				if err != nil {
					r.Fatal(err)
				}
				r.Cleanup(func() { h.Close() })
				all := []core.Registration{{Topic: compute, Host: "node1"}}
				for i := range 200 { // more than one pipeline
					all = append(all, core.Registration{Topic: fmt.Sprint("topic", i), Host: "node1"})
				}
				if err := h.Register(r.Context(), all...); err != nil {
					r.Error(err)
				}
				h.StartHeartbeat()
				r.pass(r.config.Freq)
				r.process(r.wire, "node2") // so that the topic is swept
				for range 20 {
					r.pass(r.config.Freq)
					for _, x := range all {
						if r.raw.Exists(r.Context(), keysOf.liveness(x.Topic, x.Host)).Val() == 0 {
							r.Fatalf("%s of %s is not registered any more; a round of heartbeats says %v", x.Host, x.Topic, h.SendHeartbeats(r.Context()))
						}
					}
				}
			})
		})
	}
}
