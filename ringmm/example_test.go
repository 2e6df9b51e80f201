package ringmm_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/ringmm"
)

func Example() {
	ring, err := ringmm.New(map[string][]string{
		"scheduler": {"controller1", "node1", "node2"},
		"network":   {},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	m := core.New(ring)
	for _, key := range []string{"scheduler", "scheduler", "fanout~scheduler", "scheduler.node2", "network"} {
		routes, err := m.Resolve(context.Background(), key)
		for _, r := range routes {
			fmt.Printf("%s: %s on %s\n", key, r.Key, r.Host)
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// scheduler: scheduler.controller1 on controller1
	// scheduler: scheduler.node1 on node1
	// fanout~scheduler: fanout~scheduler.controller1 on controller1
	// fanout~scheduler: fanout~scheduler.node1 on node1
	// fanout~scheduler: fanout~scheduler.node2 on node2
	// scheduler.node2: scheduler.node2 on node2
	// resolve "network": no live hosts for topic "network"
}

// A ring file is validated as a whole when it is loaded.
func ExampleOpen() {
	dir, _ := os.MkdirTemp("", "ring")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "ring.json")
	_ = os.WriteFile(path, []byte(`{
  "web": [
    {"host": "a", "addr": "10.0.0.1:80", "zone": "east"},
    {"host": "b", "addr": "10.0.0.2"}
  ]
}`), 0o600)
	_, err := ringmm.Open(path)
	fmt.Println(strings.ReplaceAll(err.Error(), path, "ring.json"))
	// Output:
	// invalid ring file ring.json, line 4: topic "web", host 2: invalid addr "10.0.0.2": want host:port with a port of 1 to 65535, an IPv6 address in brackets
}

// A Live over a ring picks by a policy instead of by turns, and follows the ring's file.
func ExampleRing_Watch() {
	ring, err := ringmm.New(map[string][]core.Registration{
		"web": {{Host: "b", Zone: "west"}, {Host: "a", Zone: "east"}, {Host: "b", Zone: "west"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, end := context.WithCancel(context.Background())
	defer end()
	for view := range ring.Watch(ctx, "web") {
		for _, m := range view.Members {
			fmt.Println(m.Host, "in", m.Zone)
		}
		end()
	}
	// Output:
	// a in east
	// b in west
}
