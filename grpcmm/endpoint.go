package grpcmm

import (
	"google.golang.org/grpc/experimental/balancer/weight"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/ringhash"

	"github.com/redismm/matchmaker/core"
)

// seat is all that a channel is told of a host.
type seat struct {
	host, addr, zone string
	weight           int
}

// seats are the hosts of members in their order, without those whose address an earlier one has.
func seats(members []*core.Member) []seat {
	all := make([]seat, 0, len(members))
	taken := make(map[string]bool, len(members))
	for _, m := range members {
		if !taken[m.Addr] {
			taken[m.Addr] = true
			all = append(all, seat{m.Host, m.Addr, m.Zone, max(m.Weight, 1)})
		}
	}
	return all
}

// state is what tells a channel of hosts.
func state(seats []seat) resolver.State {
	endpoints := make([]resolver.Endpoint, len(seats))
	for i, s := range seats {
		e := resolver.Endpoint{Addresses: []resolver.Address{{Addr: s.addr}}}
		e = weight.Set(e, weight.EndpointInfo{Weight: uint32(s.weight)})
		e = ringhash.SetHashKey(e, s.host)
		if s.zone != "" {
			e.Attributes = e.Attributes.WithValue(zoneKey{}, s.zone)
		}
		endpoints[i] = e
	}
	return resolver.State{Endpoints: endpoints}
}

// nobody tells a channel to give up the hosts it had. An empty list would too, but then most balancers say "no
// children to pick from" and keep quiet about the error that is reported next; beside an endpoint without
// addresses they pass it on to callers. The ring of ring_hash needs it to have a key.
func nobody() resolver.State {
	return resolver.State{Endpoints: []resolver.Endpoint{ringhash.SetHashKey(resolver.Endpoint{}, "nobody")}}
}

type zoneKey struct{}

// Zone returns the zone in which the host of an endpoint stands; "" if it has none, or the endpoint is not of
// this package.
func Zone(e resolver.Endpoint) string {
	zone, _ := e.Attributes.Value(zoneKey{}).(string)
	return zone
}
