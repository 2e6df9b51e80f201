package registry_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/redismm/matchmaker/integration/registry"
)

// In a test, t is the *testing.T. With Start in the place of InMemory the same runs on a redis-server, and
// r.URL is what the program under test is given.
func Example() {
	test := func(t testing.TB) {
		r := registry.InMemory(t, registry.Hosts{Topic: "compute", N: 3})
		r.Kill("node1")
		r.Stop("node2")
		r.Settle()
		routes, err := r.MatchMaker.Resolve(t.Context(), "compute")
		fmt.Println(routes[0].Host, err)
	}
	run(test)
	// Output: node3 <nil>
}

// run runs a test outside go test.
func run(test func(t testing.TB)) {
	ctx, cancel := context.WithCancel(context.Background())
	t := &outside{ctx: ctx}
	defer func() {
		cancel()
		for _, f := range slices.Backward(t.cleanups) {
			f()
		}
	}()
	test(t)
}

// outside is a testing.TB whose failures are panics.
type outside struct {
	testing.TB
	ctx      context.Context
	cleanups []func()
}

func (o *outside) Helper()                           {}
func (o *outside) Context() context.Context          { return o.ctx }
func (o *outside) Cleanup(f func())                  { o.cleanups = append(o.cleanups, f) }
func (o *outside) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (o *outside) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
