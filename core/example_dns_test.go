package core_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

// srv is what a DNS exchange needs of a [net.Resolver].
type srv interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// dnsExchange answers one of the hosts that the SRV records of a topic name.
func dnsExchange(dns srv, domain string) core.Exchange {
	return func(ctx context.Context, topic string) ([]core.Route, error) {
		_, records, err := dns.LookupSRV(ctx, topic, "tcp", domain) // shuffled by weight
		var failed *net.DNSError
		switch {
		case errors.As(err, &failed) && failed.IsNotFound:
			return nil, fmt.Errorf("%w in DNS: %q", core.ErrUnknownTopic, topic)
		case err != nil:
			return nil, fmt.Errorf("%w: %w", core.ErrUnavailable, err)
		case len(records) == 0:
			return nil, fmt.Errorf("%w in DNS for topic %q", core.ErrNoHosts, topic)
		}
		host := strings.TrimSuffix(records[0].Target, ".")
		member := &core.Member{Registration: core.Registration{
			Topic: topic,
			Host:  host,
			Addr:  net.JoinHostPort(host, strconv.Itoa(int(records[0].Port))),
		}}
		return []core.Route{{Key: core.DirectKey(topic, host), Host: host, Member: member}}, nil
	}
}

// zone is a DNS zone that needs no network; a [net.Resolver] takes its place.
type zone map[string]*net.SRV

func (z zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	cname := "_" + service + "._" + proto + "." + name
	if record := z[cname]; record != nil {
		return cname, []*net.SRV{record}, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", Name: cname, IsNotFound: true}
}

// An exchange for DNS, which is asked for the topics that the registry has never heard of or where nobody is.
// It is not asked when the registry cannot tell.
func Example_dns() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	registry := coretest.NewMemory()
	registry.BackendRegister(ctx, core.DefaultFreq*core.DefaultTTLFactor, []*core.Claim{
		{Registration: core.Registration{Topic: "compute", Host: "node1", Addr: "10.0.0.1:8774"}},
	})
	dns := zone{"_billing._tcp.example.org": {Target: "legacy.example.org.", Port: 9090}}

	live := core.NewLive(ctx, registry, core.Random)
	m := new(core.MatchMaker).
		Bind(core.FanoutBinding, live.FanoutExchange).
		Bind(core.DirectBinding, live.DirectExchange).
		Bind(core.TopicBinding, core.Fallback(live.TopicExchange, dnsExchange(dns, "example.org")))

	resolve := func(key string) {
		routes, err := m.Resolve(ctx, key)
		switch {
		case errors.Is(err, core.ErrNoMatch):
			fmt.Println(key, "is nowhere")
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println(routes[0].Key, "at", routes[0].Member.Addr)
		}
	}
	resolve("compute")
	resolve("billing")
	resolve("volume")
	registry.Break(errors.New("connection refused"))
	resolve("compute")
	resolve("ledger")
	// Output:
	// compute.node1 at 10.0.0.1:8774
	// billing.legacy.example.org at legacy.example.org:9090
	// volume is nowhere
	// compute.node1 at 10.0.0.1:8774
	// resolve "ledger": cannot tell: topic "ledger": connection refused
}
