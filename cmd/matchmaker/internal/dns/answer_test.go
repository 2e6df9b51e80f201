package dns

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/redismm/matchmaker/core"
)

func TestEachNameLeadsToWhoIsThere(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("compute", at("node1", "10.0.0.1:8774"), at("node2", "[2001:db8::2]:8775"), at("node3", "db.example.org:5432"), core.Registration{Host: "silent"})
	s.put("volume", at("node1", "[::ffff:10.0.0.9]:80"))
	s.put("named", at("db", "db.example.org:5432"))
	s.put("bare", core.Registration{Host: "x"})
	s.put("odd", at("x", "[fe80::1%eth0]:80"), at("y", "no name:80"))
	const srv = "NOERROR, 0 1 5432 db.example.org., 0 1 8774 node1.compute.matchmaker., 0 1 8775 node2.compute.matchmaker."
	for _, c := range []struct {
		name string
		kind uint16
		want string
	}{
		{"compute.matchmaker.", dns.TypeA, "NOERROR, 10.0.0.1"},
		{"CoMpUtE.MATCHmaker.", dns.TypeA, "NOERROR, 10.0.0.1"},
		{"compute.matchmaker.", dns.TypeAAAA, "NOERROR, 2001:db8::2"},
		{"compute.matchmaker.", dns.TypeANY, "NOERROR, 10.0.0.1, 2001:db8::2"},
		{"compute.matchmaker.", dns.TypeSRV, srv},
		{"_compute._tcp.matchmaker.", dns.TypeSRV, srv},
		{"_COMPUTE._TCP.matchmaker.", dns.TypeSRV, srv},
		{"compute.matchmaker.", dns.TypeTXT, "NOERROR, SOA"},
		{"_compute._tcp.matchmaker.", dns.TypeA, "NOERROR, SOA"},
		{"node1.compute.matchmaker.", dns.TypeA, "NOERROR, 10.0.0.1"},
		{"NODE1.compute.matchmaker.", dns.TypeA, "NOERROR, 10.0.0.1"},
		{"node1.compute.matchmaker.", dns.TypeAAAA, "NOERROR, SOA"},
		{"node1.compute.matchmaker.", dns.TypeSRV, "NOERROR, 0 1 8774 node1.compute.matchmaker."},
		{"node2.compute.matchmaker.", dns.TypeAAAA, "NOERROR, 2001:db8::2"},
		{"node3.compute.matchmaker.", dns.TypeA, "NOERROR, db.example.org."},
		{"silent.compute.matchmaker.", dns.TypeA, "NOERROR, SOA"},
		{"volume.matchmaker.", dns.TypeA, "NOERROR, 10.0.0.9"},
		{"volume.matchmaker.", dns.TypeAAAA, "NOERROR, SOA"},
		{"named.matchmaker.", dns.TypeA, "NOERROR, SOA"},
		{"named.matchmaker.", dns.TypeSRV, "NOERROR, 0 1 5432 db.example.org."},
		{"bare.matchmaker.", dns.TypeSRV, "NOERROR, SOA"},
		{"odd.matchmaker.", dns.TypeSRV, "NOERROR, SOA"},
		{"x.odd.matchmaker.", dns.TypeAAAA, "NOERROR, SOA"},
		{"node9.compute.matchmaker.", dns.TypeA, "NXDOMAIN, SOA"},
		{"node1.nosuch.matchmaker.", dns.TypeA, "NXDOMAIN, SOA"},
		{"x.node1.compute.matchmaker.", dns.TypeA, "NXDOMAIN, SOA"},
		{"nosuch.matchmaker.", dns.TypeA, "NXDOMAIN, SOA"},
		{"_nosuch._tcp.matchmaker.", dns.TypeSRV, "NXDOMAIN, SOA"},
		{"_tcp.matchmaker.", dns.TypeA, "NOERROR, SOA"}, // else who asks label by label ends here
		{"matchmaker.", dns.TypeSOA, "NOERROR, matchmaker. hostmaster.matchmaker. 1 3600 600 86400 1"},
		{"matchmaker.", dns.TypeNS, "NOERROR, SOA"},
		{"example.org.", dns.TypeA, "REFUSED"},
		{".", dns.TypeNS, "REFUSED"},
		{"compute.matchmaker.example.org.", dns.TypeA, "REFUSED"},
		{"matchmaker.", dns.TypeAXFR, "REFUSED"},
	} {
		for _, network := range []string{"udp", "tcp"} {
			m := s.by(network, question(c.name, c.kind))
			if short(m) != c.want {
				t.Errorf("%s %s by %s: %s, want %s", c.name, dns.TypeToString[c.kind], network, short(m), c.want)
			}
			if ours := m.Rcode != dns.RcodeRefused; m.Authoritative != ours || m.RecursionAvailable || !m.RecursionDesired || m.Truncated {
				t.Errorf("%s: the header is %s", c.name, &m.MsgHdr)
			}
			for _, rs := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
				for _, r := range rs {
					if r.Header().Ttl > 1 {
						t.Errorf("%s: %s may be remembered for long", c.name, r)
					}
				}
			}
			if len(m.Question) != 1 || m.Question[0].Name != c.name {
				t.Errorf("asked for %s, it repeats %v", c.name, m.Question)
			}
		}
	}
}

// Targets are names that Go's resolver and others take, with their addresses beside them.
func TestTargetsOfSRVAreHostNamesWithTheirAddresses(t *testing.T) {
	t.Parallel()
	s := serve(t)
	names := []string{"node1", "10.0.0.1:80", "Node_1", "a__b", "-x-", "höst", "x y", strings.Repeat("n", 255), "_"}
	var rs []core.Registration
	for i, n := range names {
		rs = append(rs, at(n, net.JoinHostPort(net.IPv4(10, 0, 0, byte(i+1)).String(), "80")))
	}
	s.put("compute", rs...)
	m := s.by("tcp", question("compute.matchmaker.", dns.TypeSRV))
	if len(m.Answer) != len(names) || len(m.Extra) != len(names) {
		t.Fatalf("%d answers and %d addresses, want %d", len(m.Answer), len(m.Extra), len(names))
	}
	for i, r := range m.Answer {
		target := r.(*dns.SRV).Target
		a := m.Extra[i].(*dns.A)
		if a.Hdr.Name != target || !isHostName(strings.TrimSuffix(target, ".")) {
			t.Errorf("%q is not a host name, or not that of %s", target, a)
		}
		s.says(target, dns.TypeA, "NOERROR, "+a.A.String())
	}
}

func TestATargetIsFoundHoweverItsTopicWasSpelt(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("a.b", core.Registration{Topic: "a.b", Host: "x", Addr: "10.0.0.1:80"})
	s.says(`a\.b.matchmaker.`, dns.TypeSRV, "NOERROR, 0 1 80 x.a__2eb.matchmaker.")
	s.says("x.a__2eb.matchmaker.", dns.TypeA, "NOERROR, 10.0.0.1")
}

func TestWeightAndZoneAreTheWeightAndPriorityOfSRV(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Near = "east" })
	s.put("a", core.Registration{Host: "x", Addr: "10.0.0.1:80", Zone: "east", Weight: 7},
		core.Registration{Host: "y", Addr: "10.0.0.2:80", Zone: "west", Weight: 65535}, at("z", "10.0.0.3:80"))
	s.says("a.matchmaker.", dns.TypeSRV, "NOERROR, 0 7 80 x.a.matchmaker., 1 1 80 z.a.matchmaker., 1 65535 80 y.a.matchmaker.")
}

func TestWhoCanBePickedIsAnswered(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("a", at("x", "10.0.0.1:80"), at("y", "10.0.0.2:80"), at("v6", "[::2]:80"))
	s.says("a.matchmaker.", dns.TypeA, "NOERROR, 10.0.0.1, 10.0.0.2")
	announce := func(host, addr string, state core.State) {
		t.Helper()
		v, err := s.registry.Members(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range v.Members {
			if m.Host == host {
				if _, err := s.registry.AckAlive(t.Context(), time.Hour, []*core.Claim{{Registration: m.Registration, Instance: m.Instance, State: state}}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	announce("x", "", core.Draining)
	s.says("a.matchmaker.", dns.TypeA, "NOERROR, 10.0.0.2")
	s.says("a.matchmaker.", dns.TypeSRV, "NOERROR, 0 1 80 v6.a.matchmaker., 0 1 80 y.a.matchmaker.")
	s.says("x.a.matchmaker.", dns.TypeA, "NOERROR, 10.0.0.1")
	announce("y", "", core.Failing)
	s.says("a.matchmaker.", dns.TypeA, "NOERROR, SOA") // x drains, and does not stand in for a host of the other family
	announce("v6", "", core.Failing)
	s.says("a.matchmaker.", dns.TypeA, "NOERROR, 10.0.0.1")
	announce("x", "", core.Failing)
	s.says("a.matchmaker.", dns.TypeA, "NOERROR, 10.0.0.1, 10.0.0.2")
}

func TestNobodyNeverHeardOfAndCannotTellAreThreeCodes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("empty", at("x", "10.0.0.1:80"))
	s.put("known", at("x", "10.0.0.2:80"))
	if _, err := s.registry.Expire(t.Context(), "empty", "x"); err != nil {
		t.Fatal(err)
	}
	s.says("empty.matchmaker.", dns.TypeA, "NOERROR, SOA")
	s.says("x.empty.matchmaker.", dns.TypeA, "NXDOMAIN, SOA")
	s.says("nosuch.matchmaker.", dns.TypeA, "NXDOMAIN, SOA")
	s.says("known.matchmaker.", dns.TypeA, "NOERROR, 10.0.0.2")
	s.registry.Break(errDown)
	s.says("y.known.matchmaker.", dns.TypeA, "SERVFAIL") // it may have come since
	s.says("known.matchmaker.", dns.TypeA, "NOERROR, 10.0.0.2")
	s.says("x.known.matchmaker.", dns.TypeA, "NOERROR, 10.0.0.2")
	for _, name := range []string{"empty.matchmaker.", "nosuch.matchmaker.", "other.matchmaker.", "_other._tcp.matchmaker.", "x.other.matchmaker."} {
		s.says(name, dns.TypeSRV, "SERVFAIL")
	}
	s.registry.Break(nil)
	s.says("nosuch.matchmaker.", dns.TypeA, "NXDOMAIN, SOA")
}
