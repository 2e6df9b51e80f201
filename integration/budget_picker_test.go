package integration_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/grpcmm"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// A join is measured from the call of Register in one process's matchmaker to the first answer of the host to a
// call in another's, its connection included.
func TestBudgetJoinReachesAPicker(t *testing.T) {
	parallel(t, false)
	joins := 10
	if fullSize() {
		joins = 300
	}
	r := integration.StartRedis(t)
	open := func() *core.HeartbeatMatchMaker {
		mm, err := redismm.Open(t.Context(), r.URL, redismm.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { mm.Close() })
		return mm
	}
	hosts, client := open(), open()
	join := func(host string) (addr string, began time.Time) {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		healthpb.RegisterHealthServer(server, health.NewServer())
		go func() { _ = server.Serve(lis) }()
		t.Cleanup(server.Stop)
		began = time.Now()
		if err := hosts.Register(t.Context(), core.Registration{Topic: "compute", Host: host, Addr: lis.Addr().String()}); err != nil {
			t.Fatal(err)
		}
		return lis.Addr().String(), began
	}
	cc, err := grpc.NewClient("matchmaker:///compute",
		grpc.WithResolvers(grpcmm.NewBuilder(client.Live())), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	calls := healthpb.NewHealthClient(cc)
	answered := func(by string) bool {
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		var who peer.Peer
		if _, err := calls.Check(ctx, new(healthpb.HealthCheckRequest), grpc.WaitForReady(true), grpc.Peer(&who)); err != nil {
			t.Fatal(err)
		}
		return who.Addr.String() == by
	}
	for first, _ := join("node0"); !answered(first); {
	}
	var took delays
	for i := range joins {
		host := fmt.Sprintf("node%d", i+1)
		addr, began := join(host)
		for !answered(addr) {
		}
		took = append(took, time.Since(began))
		if err := hosts.Unregister(t.Context(), "compute", host); err != nil {
			t.Fatal(err)
		}
		for range 3 { // the topic is at rest again
			answered("")
		}
	}
	note(t, "join to the first answer over gRPC, connection included", took.String())
	timely(t, "join to the first answer over gRPC, p99", took.at(99), 50*time.Millisecond)
}
