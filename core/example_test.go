package core_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

// Every topic is on this machine, as in a test or an installation of one host.
func ExampleNewLocalhost() {
	m := core.NewLocalhost("localhost")
	for _, key := range []string{"compute", "fanout~compute", "compute.node7"} {
		routes, err := m.Resolve(context.Background(), key)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(key, "is", routes[0].Key, "on", routes[0].Host)
	}
	// Output:
	// compute is compute.localhost on localhost
	// fanout~compute is fanout~compute.localhost on localhost
	// compute.node7 is compute.node7 on node7
}

// lightest is a policy that always picks the member of the smallest weight.
func lightest(among []*core.Member) core.Pick {
	best := 0
	for i, m := range among {
		if m.Weight < among[best].Weight {
			best = i
		}
	}
	return func(context.Context) int { return best }
}

// A policy prepares its choice once for each view of a topic, so that a lookup costs next to nothing.
func ExamplePolicy() {
	h, err := core.NewHeartbeat(coretest.NewMemory(), core.HeartbeatConfig{Policy: lightest})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	ctx := context.Background()
	h.Register(ctx,
		core.Registration{Topic: "compute", Host: "node1", Weight: 30},
		core.Registration{Topic: "compute", Host: "node2", Weight: 10},
		core.Registration{Topic: "compute", Host: "node3", Weight: 20})
	routes, err := h.Resolve(ctx, "compute")
	fmt.Println(routes[0].Host, err)
	// Output:
	// node2 <nil>
}

// A host registers, is found and leaves.
func ExampleHeartbeatMatchMaker() {
	h, err := core.NewHeartbeat(coretest.NewMemory(), core.HeartbeatConfig{Freq: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	ctx := context.Background()
	h.StartHeartbeat()
	if err := h.Register(ctx, core.Registration{Topic: "compute", Host: "node1"}); err != nil {
		fmt.Println(err) // it is kept, and tried again by every heartbeat
	}
	routes, err := h.Resolve(ctx, "fanout~compute")
	fmt.Println(routes[0].Key, err)

	h.Unregister(ctx, "compute", "node1")
	alive, err := h.IsAlive(ctx, "compute", "node1")
	fmt.Println(alive, err)
	fmt.Println(errors.Is(h.Unregister(ctx, "compute", "node1"), core.ErrNotRegistered))
	// Output:
	// compute.node1 <nil>
	// false <nil>
	// true
}

// Later bindings add to what one that was bound through has found.
func ExampleMatchMaker_BindThrough() {
	m := new(core.MatchMaker).
		BindThrough(core.TopicBinding, core.LocalhostExchange("here")).
		Bind(core.TopicBinding, core.LocalhostExchange("there"))
	routes, err := m.Resolve(context.Background(), "compute")
	for _, r := range routes {
		fmt.Println(r.Key)
	}
	fmt.Println(err)
	_, err = m.Resolve(context.Background(), "compute.node7")
	fmt.Println(err)
	// Output:
	// compute.here
	// compute.there
	// <nil>
	// resolve "compute.node7": no binding accepts the key
}
