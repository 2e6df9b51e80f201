package dns

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/redismm/matchmaker/core"
)

// remembered is how long others may remember an answer, in seconds.
const remembered = 1

// place is where a member is reached: at an IP, or by a name with a dot at its end.
type place struct {
	*core.Member
	ip   netip.Addr
	name string
	port uint16
}

// placeOf is where a member is reached; ok is false if that cannot be said in DNS.
func placeOf(m *core.Member) (p place, ok bool) {
	host, port, err := net.SplitHostPort(m.Addr)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil {
		return p, false
	}
	p = place{Member: m, port: uint16(n)}
	if ip, err := netip.ParseAddr(host); err == nil {
		p.ip = ip.Unmap()
		return p, ip.Zone() == ""
	}
	p.name = dns.CanonicalName(host)
	return p, isHostName(strings.TrimSuffix(p.name, "."))
}

func placesOf(ms []*core.Member) []place {
	ps := make([]place, 0, len(ms))
	for _, m := range ms {
		if p, ok := placeOf(m); ok {
			ps = append(ps, p)
		}
	}
	return ps
}

func hasPlace(m *core.Member) bool {
	_, ok := placeOf(m)
	return ok
}

func hasIP(m *core.Member) bool {
	p, ok := placeOf(m)
	return ok && p.ip.IsValid()
}

// answer fills a reply to a question for a name in the domain, and returns its code.
func (s *Server) answer(ctx context.Context, m *dns.Msg, q dns.Question, labels []string) int {
	switch {
	case len(labels) == 0:
		if q.Qtype == dns.TypeSOA || q.Qtype == dns.TypeANY {
			m.Answer = append(m.Answer, s.soa())
		}
		return dns.RcodeSuccess
	case len(labels) == 1:
		return s.answerTopic(ctx, m, q, labels[0])
	case len(labels) == 2 && labels[1] == "_tcp" && labels[0][0] == '_':
		return s.answerService(ctx, m, q, labels[0][1:])
	case len(labels) == 2:
		return s.answerHost(ctx, m, q, labels[0], labels[1])
	}
	return dns.RcodeNameError // nothing is below a host
}

// view returns what is known of a topic, or the code that says why nothing is.
func (s *Server) view(ctx context.Context, label string) (*core.View, int) {
	topic, ok := named(label)
	if !ok || core.CheckTopic(topic) != nil {
		return nil, dns.RcodeNameError
	}
	v, err := s.Members(ctx, topic)
	if err == nil {
		err = v.Err()
	}
	switch {
	case err == nil, errors.Is(err, core.ErrNoHosts):
		return v, dns.RcodeSuccess
	case errors.Is(err, core.ErrUnknownTopic):
		return nil, dns.RcodeNameError
	}
	return nil, dns.RcodeServerFailure
}

func (s *Server) answerTopic(ctx context.Context, m *dns.Msg, q dns.Question, label string) int {
	v, code := s.view(ctx, label)
	switch {
	case code == dns.RcodeNameError && label == "_tcp": // names are below it
		return dns.RcodeSuccess
	case code != dns.RcodeSuccess:
		return code
	case q.Qtype == dns.TypeSRV:
		s.services(m, q.Name, v)
		return code
	}
	ms, _ := v.Reach(hasIP) // one rule for both kinds of address
	for _, p := range shuffled(placesOf(ms)) {
		m.Answer = appendAddress(m.Answer, q.Name, q.Qtype, p.ip)
	}
	return code
}

func (s *Server) answerService(ctx context.Context, m *dns.Msg, q dns.Question, label string) int {
	v, code := s.view(ctx, label)
	if code == dns.RcodeSuccess && (q.Qtype == dns.TypeSRV || q.Qtype == dns.TypeANY) {
		s.services(m, q.Name, v)
	}
	return code
}

func (s *Server) answerHost(ctx context.Context, m *dns.Msg, q dns.Question, host, topic string) int {
	v, code := s.view(ctx, topic)
	if code != dns.RcodeSuccess {
		return code
	}
	at := slices.IndexFunc(v.Members, func(m *core.Member) bool { return Label(m.Host) == host })
	if at < 0 { // who has capital letters is asked for without
		at = slices.IndexFunc(v.Members, func(m *core.Member) bool { return Label(lower(m.Host)) == host })
	}
	switch {
	case at < 0 && v.Stale != nil: // it may have come since
		return dns.RcodeServerFailure
	case at < 0:
		return dns.RcodeNameError
	}
	p, ok := placeOf(v.Members[at])
	switch {
	case !ok:
	case p.name != "":
		m.Answer = append(m.Answer, &dns.CNAME{Hdr: header(q.Name, dns.TypeCNAME), Target: p.name})
	case q.Qtype == dns.TypeSRV:
		target := s.target(p, v.Topic)
		m.Answer = append(m.Answer, s.srv(q.Name, p, target))
		m.Extra = appendAddress(m.Extra, target, dns.TypeANY, p.ip)
	default:
		m.Answer = appendAddress(m.Answer, q.Name, q.Qtype, p.ip)
	}
	return code
}

// services adds the SRV records of who can be picked, and the addresses of those that have names here.
func (s *Server) services(m *dns.Msg, name string, v *core.View) {
	ms, _ := v.Reach(hasPlace)
	for _, p := range shuffled(placesOf(ms)) {
		target := s.target(p, v.Topic)
		m.Answer = append(m.Answer, s.srv(name, p, target))
		if p.ip.IsValid() {
			m.Extra = appendAddress(m.Extra, target, dns.TypeANY, p.ip)
		}
	}
}

// target is the name that leads to a host's address.
func (s *Server) target(p place, topic string) string {
	if p.name != "" {
		return p.name
	}
	return Label(p.Host) + "." + Label(topic) + "." + s.Domain
}

func (s *Server) srv(name string, p place, target string) *dns.SRV {
	r := &dns.SRV{Hdr: header(name, dns.TypeSRV), Port: p.port, Weight: uint16(max(p.Weight, 1)), Target: target}
	if s.Near != "" && p.Zone != s.Near {
		r.Priority = 1
	}
	return r
}

func (s *Server) soa() *dns.SOA {
	return &dns.SOA{Hdr: header(s.Domain, dns.TypeSOA), Ns: s.Domain, Mbox: "hostmaster." + s.Domain,
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: remembered}
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: remembered}
}

// appendAddress adds the record of an address, if it is of the wanted kind.
func appendAddress(to []dns.RR, name string, want uint16, ip netip.Addr) []dns.RR {
	switch {
	case ip.Is4() && (want == dns.TypeA || want == dns.TypeANY):
		return append(to, &dns.A{Hdr: header(name, dns.TypeA), A: ip.AsSlice()})
	case ip.Is6() && (want == dns.TypeAAAA || want == dns.TypeANY):
		return append(to, &dns.AAAA{Hdr: header(name, dns.TypeAAAA), AAAA: ip.AsSlice()})
	}
	return to
}

func shuffled(ps []place) []place {
	rand.Shuffle(len(ps), func(i, j int) { ps[i], ps[j] = ps[j], ps[i] })
	return ps
}
