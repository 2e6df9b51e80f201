package grpcmm_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/grpcmm"
	"github.com/redismm/matchmaker/integration"
)

// run serves a host as a program does, until end is called. What Serve returned comes from done.
func run(t *testing.T, mm *core.HeartbeatMatchMaker, name string, f core.Farewell) (h *host, end func(), done chan error) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h = &host{name: name, addr: lis.Addr().String(), server: grpc.NewServer(), slow: make(chan struct{})}
	h.server.RegisterService(&greeterDesc, h)
	s := grpcmm.Service(h.server, counting{lis, &h.accepted})
	s.Farewell = f
	ctx, end := context.WithCancel(context.Background())
	done = make(chan error, 1)
	go func() { done <- mm.Serve(ctx, s, h.at("compute")) }()
	t.Cleanup(func() { end(); h.server.Stop() })
	return h, end, done
}

func TestServiceStopsWithoutAFailedCall(t *testing.T) {
	mm, _ := inMemory(t)
	c := dial(t, mm.Live(), "matchmaker:///compute", roundRobin)
	farewell := core.Farewell{Propagation: 200 * time.Millisecond}
	first, stopFirst, firstDone := run(t, mm, "node1", farewell)
	c.answers()
	slow := make(chan error, 1)
	go func() {
		_, err := c.call(context.Background(), "slow")
		slow <- err
	}()
	integration.Eventually(t, patience, "a call is in flight", func() bool { return first.held.Load() > 0 })
	_, stopSecond, secondDone := run(t, mm, "node2", farewell)
	await(t, mm, "compute", 2)
	calls := keepCalling(c)
	stopFirst()
	integration.Eventually(t, patience, "node1 drains", func() bool {
		v, err := mm.Live().Members(t.Context(), "compute")
		return err == nil && v.Members[0].State == core.Draining
	})
	select {
	case err := <-firstDone:
		t.Errorf("it has stopped while a call was in flight: %v", err)
	case <-time.After(2 * farewell.Propagation):
	}
	close(first.slow)
	if err := <-firstDone; err != nil {
		t.Error(err)
	}
	if err := <-slow; err != nil {
		t.Errorf("the call in flight: %v", err)
	}
	if made, failed := calls.stop(); failed != nil || made == 0 {
		t.Errorf("%d calls, %v", made, failed)
	}
	c.Close()
	stopSecond()
	if err := <-secondDone; err != nil {
		t.Error(err)
	}
	if n := len(mm.Registrations()); n != 0 {
		t.Errorf("%d registrations are left", n)
	}
}

func TestServiceCutsOffWhatOutlivesTheDrain(t *testing.T) {
	mm, _ := inMemory(t)
	h, end, done := run(t, mm, "node1", core.Farewell{Propagation: -1, Drain: 50 * time.Millisecond})
	c := dial(t, mm.Live(), "matchmaker:///compute", roundRobin)
	c.answers()
	slow := make(chan error, 1)
	go func() {
		_, err := c.call(context.Background(), "slow")
		slow <- err
	}()
	integration.Eventually(t, patience, "a call is in flight", func() bool { return h.held.Load() > 0 })
	end()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "calls in flight were cut off") {
		t.Errorf("ended with %v", err)
	}
	if err := <-slow; err == nil {
		t.Error("the call in flight succeeded")
	}
	if n := len(mm.Registrations()); n != 0 {
		t.Errorf("%d registrations are left", n)
	}
}

func TestServiceThatCannotServeSaysWhyAndLeaves(t *testing.T) {
	mm, _ := inMemory(t)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis.Close()
	r := core.Registration{Topic: "compute", Host: "node1", Addr: lis.Addr().String()}
	err = mm.Serve(t.Context(), grpcmm.Service(grpc.NewServer(), lis), r)
	if err == nil || !strings.Contains(err.Error(), "use of closed network connection") {
		t.Errorf("ended with %v", err)
	}
	if n := len(mm.Registrations()); n != 0 {
		t.Errorf("%d registrations are left", n)
	}
}
