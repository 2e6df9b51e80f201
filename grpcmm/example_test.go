package grpcmm_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
	"github.com/redismm/matchmaker/grpcmm"
)

// hello is a greeter that says where it runs.
type hello struct{ host string }

func (h hello) greet(_ context.Context, name string) (string, error) {
	return "hello " + name + " from " + h.host, nil
}

// startGreeter runs a greeter until stop is called, which returns when it has ended. In a program of its own, ctx
// ends with a signal, as signal.NotifyContext has it, and Serve is the last line of main.
func startGreeter(mm *core.HeartbeatMatchMaker, host string) (stop func()) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	server.RegisterService(&greeterDesc, hello{host})
	s := grpcmm.Service(server, lis)
	s.Propagation = 100 * time.Millisecond // 2 s, if nothing is said

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := mm.Serve(ctx, s, core.Registration{Topic: "greeter", Host: host, Addr: lis.Addr().String()}); err != nil {
			log.Print(err)
		}
	}()
	return func() { cancel(); <-ended }
}

// Three greeters are restarted, one after the other, while a client goes on calling.
func Example() {
	mm, err := core.NewHeartbeat(coretest.NewMemory(), core.HeartbeatConfig{}) // redismm.Open, where there is a Redis
	if err != nil {
		log.Fatal(err)
	}
	defer mm.Close()
	hosts := []string{"node1", "node2", "node3"}
	stop := make(map[string]func())
	for _, host := range hosts {
		stop[host] = startGreeter(mm, host)
	}
	mm.Live().WaitFor(context.Background(), "greeter", 3)

	cc, err := grpc.NewClient("matchmaker:///greeter",
		grpc.WithResolvers(grpcmm.NewBuilder(mm.Live())),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer cc.Close()

	calling, enough := context.WithCancel(context.Background())
	failed := 0
	var caller sync.WaitGroup
	caller.Go(func() {
		for calling.Err() == nil {
			var answer wrapperspb.StringValue
			if err := cc.Invoke(context.Background(), "/greeter/Greet", wrapperspb.String("you"), &answer); err != nil {
				failed++
			}
			time.Sleep(time.Millisecond)
		}
	})
	for _, host := range hosts {
		stop[host]()
		stop[host] = startGreeter(mm, host)
		mm.Live().WaitFor(context.Background(), "greeter", 3)
		fmt.Println(host, "restarted")
	}
	enough()
	caller.Wait()
	fmt.Println(failed, "calls failed")
	for _, host := range hosts {
		stop[host]()
	}
	// Output:
	// node1 restarted
	// node2 restarted
	// node3 restarted
	// 0 calls failed
}

// A service config of the client's own picks the balancer; targets may want a zone and labels.
func ExampleNewBuilder() {
	mm, err := core.NewHeartbeat(coretest.NewMemory(), core.HeartbeatConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer mm.Close()
	cc, err := grpc.NewClient("matchmaker:///greeter?zone=east&label=version=2",
		grpc.WithResolvers(grpcmm.NewBuilder(mm.Live())),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer cc.Close()
	mm.Register(context.Background(), core.Registration{Topic: "greeter", Host: "node1", Addr: "10.0.0.1:80"})
	fmt.Println(cc.Invoke(context.Background(), "/greeter/Greet", wrapperspb.String("you"), new(wrapperspb.StringValue)))
	// Output:
	// rpc error: code = Unavailable desc = no live hosts of those wanted for topic "greeter" (labels wanted: map[version:2])
}
