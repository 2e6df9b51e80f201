package kratos_test

import (
	"context"
	"fmt"
	"log"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
	"github.com/redismm/matchmaker/docs/kratos"
)

func Example() {
	mm, err := core.NewHeartbeat(coretest.NewMemory(), core.HeartbeatConfig{}) // redismm.Open, where there is a Redis
	if err != nil {
		log.Fatal(err)
	}
	defer mm.Close()
	ctx := context.Background()
	mm.Register(ctx, core.Registration{Topic: "greeter", Host: "node1", Addr: "10.0.0.1:9000", Labels: map[string]string{"version": "2"}})

	d := kratos.New(mm.Live(), "grpc") // grpc.WithDiscovery(d), of kratos's transport/grpc
	w, err := d.Watch(ctx, "greeter")
	if err != nil {
		log.Fatal(err)
	}
	hosts, err := w.Next()
	fmt.Println(hosts[0].ID, hosts[0].Version, hosts[0].Endpoints, err)

	mm.Unregister(ctx, "greeter", "node1")
	hosts, err = w.Next()
	fmt.Println(hosts, err)
	_, err = d.GetService(ctx, "greeter")
	fmt.Println(err)
	fmt.Println(w.Stop())
	_, err = w.Next()
	fmt.Println(err)
	// Output:
	// node1 2 [grpc://10.0.0.1:9000] <nil>
	// [] <nil>
	// no live hosts for topic "greeter"
	// <nil>
	// context canceled
}
