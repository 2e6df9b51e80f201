package dns

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/netutil"

	"github.com/redismm/matchmaker/core"
)

const (
	// longestWait bounds the answer to one question: no resolver waits for less than a second.
	longestWait = 900 * time.Millisecond
	// mostAtOnce bounds the questions that wait for their answers, and the connections.
	mostAtOnce = 1000
	// mostUDP is the largest answer by UDP, whatever the client can take, in bytes.
	mostUDP = 4096
	// slowestWrite is how long a client may take to read an answer.
	slowestWrite = 2 * time.Second
)

// Config is what a server answers.
type Config struct {
	// Domain is the one of [Domain] below which the topics are.
	Domain string
	// Members returns what is known of a topic, as [core.Live] does.
	Members func(ctx context.Context, topic string) (*core.View, error)
	// Near is the zone whose hosts have the SRV priority 0, and those of others 1; if it is empty, all have 0.
	Near string
	// Answered is told the code of each answer, called from many goroutines; nil is silence.
	Answered func(rcode int)
}

// Server answers at one address, by UDP and TCP.
type Server struct {
	Config
	addr    net.Addr
	waiting chan struct{}
	servers []*dns.Server
	going   sync.WaitGroup
}

// Serve begins to answer at host:port until Close; port 0 is any that is free in both. The error is a
// [core.ErrInvalid] if the address is none.
func Serve(at string, c Config) (*Server, error) {
	if _, _, err := net.SplitHostPort(at); err != nil {
		return nil, core.Invalid("address", at, "want host:port, or :port for all interfaces")
	}
	tcp, udp, err := listen(at)
	if err != nil {
		return nil, err
	}
	s := &Server{Config: c, addr: tcp.Addr(), waiting: make(chan struct{}, mostAtOnce)}
	s.begin(&dns.Server{PacketConn: udp, UDPSize: dns.DefaultMsgSize})
	s.begin(&dns.Server{Listener: hurried{netutil.LimitListener(tcp, mostAtOnce)}})
	return s, nil
}

// listen takes the same port twice.
func listen(at string) (tcp net.Listener, udp net.PacketConn, err error) {
	_, port, _ := net.SplitHostPort(at)
	for range 20 { // a port that is free for the one may be taken for the other
		if tcp, err = net.Listen("tcp", at); err != nil {
			return nil, nil, err
		}
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			return tcp, udp, nil
		}
		tcp.Close()
		if port != "0" || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return nil, nil, err
}

// Addr is where the server answers.
func (s *Server) Addr() net.Addr { return s.addr }

// Close lets answers under way end, and ends the server. A nil Server has none.
func (s *Server) Close() {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), longestWait+slowestWrite)
	defer cancel()
	for _, d := range s.servers {
		s.going.Go(func() { _ = d.ShutdownContext(ctx) })
	}
	s.going.Wait()
}

func (s *Server) begin(d *dns.Server) {
	d.Handler, d.MsgAcceptFunc = dns.HandlerFunc(s.serve), accept
	d.DecorateWriter = func(w dns.Writer) dns.Writer { return counted{w, s} }
	begun := make(chan struct{})
	d.NotifyStartedFunc = func() { close(begun) }
	s.servers = append(s.servers, d)
	s.going.Go(func() { _ = d.ActivateAndServe() }) // which fails when it is shut down alone
	<-begun
}

// accept says which messages are read at all.
func accept(h dns.Header) dns.MsgAcceptAction {
	const response = 1 << 15
	switch {
	case h.Bits&response != 0:
		return dns.MsgIgnore // or two servers would answer each other for ever
	case h.Bits>>11&0xf != dns.OpcodeQuery:
		return dns.MsgRejectNotImplemented
	case h.Qdcount != 1 || h.Ancount > 0 || h.Nscount > 0 || h.Arcount > 2:
		return dns.MsgReject
	}
	return dns.MsgAccept
}

// serve answers one message.
func (s *Server) serve(w dns.ResponseWriter, r *dns.Msg) {
	size := dns.MaxMsgSize
	_, udp := w.RemoteAddr().(*net.UDPAddr)
	m := s.reply(r)
	opt := r.IsEdns0()
	if udp {
		size = dns.MinMsgSize
		if opt != nil {
			size = min(max(size, int(opt.UDPSize())), mostUDP)
		}
	}
	if opt != nil {
		m.SetEdns0(mostUDP, opt.Do())
	}
	m.Truncate(size)
	m.Truncated = m.Truncated && udp     // there is nothing larger than TCP; it is a part that was drawn
	if m.Rcode != dns.RcodeFormatError { // which is counted with the library's own
		s.answered(m.Rcode)
	}
	_ = w.WriteMsg(m) // who asked may have gone
}

// reply is the answer to a message.
func (s *Server) reply(r *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	if len(r.Question) != 1 {
		return m.SetRcode(r, dns.RcodeFormatError)
	}
	m.SetReply(r)
	q := r.Question[0]
	labels, ours := below(s.Domain, q.Name)
	switch {
	case r.IsEdns0() != nil && r.IsEdns0().Version() != 0:
		m.Rcode = dns.RcodeBadVers
		return m
	case !ours, q.Qclass != dns.ClassINET && q.Qclass != dns.ClassANY, q.Qtype == dns.TypeAXFR, q.Qtype == dns.TypeIXFR:
		m.Rcode = dns.RcodeRefused
		return m
	}
	m.Authoritative = true
	m.Rcode = s.bounded(m, q, labels)
	if len(m.Answer) == 0 && m.Rcode != dns.RcodeServerFailure {
		m.Ns = append(m.Ns, s.soa())
	}
	return m
}

// bounded is answer, in a bounded time, and for a bounded number at once; to more, what needs no waiting for.
func (s *Server) bounded(m *dns.Msg, q dns.Question, labels []string) int {
	select {
	case s.waiting <- struct{}{}:
		defer func() { <-s.waiting }()
	default:
		ended, end := context.WithCancel(context.Background())
		end()
		return s.answer(ended, m, q, labels)
	}
	ctx, cancel := context.WithTimeout(context.Background(), longestWait)
	defer cancel()
	return s.answer(ctx, m, q, labels)
}

// counted tells of what is written. What the library answers by itself to garbage repeats bits of it, which are taken out.
type counted struct {
	dns.Writer
	s *Server
}

func (c counted) Write(b []byte) (int, error) {
	const truncated, recursion = 1 << 1, 1 << 7
	b = slices.Clone(b)
	code := int(b[3] & 0xf)
	if b[3] &^= recursion; code == dns.RcodeFormatError || code == dns.RcodeNotImplemented {
		b[2] &^= truncated
		c.s.answered(code)
	}
	return c.Writer.Write(b)
}

func (s *Server) answered(code int) {
	if s.Answered != nil {
		s.Answered(code)
	}
}

// hurried are connections on which nobody may take long to read.
type hurried struct{ net.Listener }

func (l hurried) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return hurriedConn{c}, nil
}

type hurriedConn struct{ net.Conn }

func (c hurriedConn) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(slowestWrite))
	return c.Conn.Write(b)
}
