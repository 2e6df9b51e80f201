package redismm_test

import (
	"context"
	"fmt"
	"log"

	"github.com/alicebob/miniredis/v2"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
)

func ExampleOpen() {
	redis, err := miniredis.Run() // or the Redis that is there
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()

	ctx := context.Background()
	mm, err := redismm.Open(ctx, "redis://"+redis.Addr(), redismm.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer mm.Close()
	mm.Register(ctx, core.Registration{Topic: "compute", Host: "node7", Addr: "10.0.0.7:8080"})
	mm.StartHeartbeat()

	routes, err := mm.Resolve(ctx, "compute")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(routes[0].Key, routes[0].Host, routes[0].Member.Addr)
	// Output: compute.node7 node7 10.0.0.7:8080
}
