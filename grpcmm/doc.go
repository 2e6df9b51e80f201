// Package grpcmm lets gRPC clients find hosts, and gRPC servers be found, through a matchmaker.
//
// A client names a topic in its target, and uses whichever balancer it likes:
//
//	cc, err := grpc.NewClient("matchmaker:///compute",
//		grpc.WithResolvers(grpcmm.NewBuilder(mm.Live())),
//		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`),
//		...)
//
// The hosts are those that a lookup of the topic would pick among: those that are up; draining and failing
// ones only while there is nobody else. A query narrows them:
//
//	matchmaker:///compute?zone=east         the hosts of a zone, and all of them while it has none
//	matchmaker:///compute?label=gpu=a100    the hosts with a label, and nobody else; may be given again
//
// What the channel can count on:
//
//   - It hears of a host as soon as this process does: milliseconds after it registered, drained or left. A host
//     that drains gets no new calls, and those it has are finished.
//   - Heartbeats do not reach it. It is told when the addresses, zones or weights have changed, and connections to
//     hosts that stay are kept.
//   - When the registry fails, or has lost everything, the hosts stay as they were. A channel that has none yet is
//     told why within a second, and connects when the registry is back; nobody need call it again.
//   - When nobody is there, calls fail at once with the topic's name; those that wait for ready wait.
//   - Any number of channels to a topic cost one watch, and a channel that was idle finds the hosts in memory: both are
//     the doing of [core.Live]. Over another watcher, each channel watches by itself.
//
// The weight of a host is given as grpc's own attribute, which ring_hash and the shuffling of pick_first read;
// weighted_round_robin does not, it measures. Rings are laid out by the names of hosts, so that one that comes back
// with another address keeps its keys. [Zone] reads the zone of an endpoint, for balancers of one's own.
//
// A server is a [Service] that a matchmaker keeps registered for as long as it serves:
//
//	err := mm.Serve(ctx, grpcmm.Service(server, lis), core.Registration{Topic: "compute", Host: "node1", Addr: addr})
//
// When ctx ends it drains, stops and leaves, in the order in which no call fails.
package grpcmm
