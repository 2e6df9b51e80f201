package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

func TestFiveHundredHostsAreWholeByTCP(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("big", many(500)...)
	for _, kind := range []uint16{dns.TypeA, dns.TypeSRV} {
		m := s.ask("big.matchmaker.", kind)
		m.Compress = true // as it came
		if raw, _ := m.Pack(); !m.Truncated || len(raw) > dns.MinMsgSize || len(m.Answer) == 0 {
			t.Errorf("by UDP: TC is %t, %d bytes, %d answers", m.Truncated, len(raw), len(m.Answer))
		}
		m = s.by("tcp", question("big.matchmaker.", kind))
		if m.Truncated || len(m.Answer) != 500 || kind == dns.TypeSRV && len(m.Extra) != 500 {
			t.Errorf("by TCP: TC is %t, %d answers with %d addresses", m.Truncated, len(m.Answer), len(m.Extra))
		}
		seen := make(map[string]bool)
		for _, r := range m.Answer {
			seen[r.String()] = true
		}
		if len(seen) != 500 {
			t.Errorf("%d of 500 are different", len(seen))
		}
	}
}

// There is nothing larger than TCP: what does not fit is left out, by chance.
func TestMoreThanTCPCarriesIsAPart(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("huge", many(5000)...)
	m := s.by("tcp", question("huge.matchmaker.", dns.TypeA))
	if m.Truncated || len(m.Answer) < 3000 || len(m.Answer) >= 5000 {
		t.Errorf("TC is %t, %d answers", m.Truncated, len(m.Answer))
	}
}

func TestTheClientsSizeIsKept(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("some", many(60)...)
	for _, c := range []struct {
		size      uint16 // 0: without EDNS
		most      int
		truncated bool
	}{{0, 512, true}, {100, 512, true}, {512, 512, true}, {900, 900, true}, {1232, 1232, false}, {65535, 4096, false}} {
		q := question("some.matchmaker.", dns.TypeA)
		if c.size > 0 {
			q.SetEdns0(c.size, false)
		}
		m := s.by("udp", q)
		m.Compress = true // as it came
		raw, err := m.Pack()
		if err != nil || len(raw) > c.most || m.Truncated != c.truncated || !c.truncated && len(m.Answer) != 60 {
			t.Errorf("size %d: %d bytes, TC is %t, %d answers, %v", c.size, len(raw), m.Truncated, len(m.Answer), err)
		}
		if (m.IsEdns0() != nil) != (c.size > 0) {
			t.Errorf("size %d: EDNS is %v", c.size, m.IsEdns0())
		}
	}
	s.put("more", many(400)...)
	q := question("more.matchmaker.", dns.TypeA).SetEdns0(65535, false)
	if m := s.by("udp", q); !m.Truncated {
		t.Error("more than 4096 bytes come by UDP")
	}
	q = question("some.matchmaker.", dns.TypeA).SetEdns0(1232, false)
	q.IsEdns0().SetVersion(1)
	if m := s.by("udp", q); m.Rcode != dns.RcodeBadVers || m.IsEdns0() == nil {
		t.Errorf("EDNS of another version: %s", m)
	}
}

func TestAnswersAreShuffled(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("a", many(4)...)
	for _, kind := range []uint16{dns.TypeA, dns.TypeSRV} {
		first := make(map[string]int)
		for range 400 {
			first[s.ask("a.matchmaker.", kind).Answer[0].String()]++
		}
		for r, n := range first {
			if len(first) != 4 || n < 50 {
				t.Errorf("%s is first %d times of 400, beside %d others", r, n, len(first)-1)
			}
		}
	}
}

// raw sends bytes by UDP and returns the answer, nil if there is none until the server has answered what came after.
func (s *asked) raw(b []byte) []byte {
	s.t.Helper()
	c, err := net.Dial("udp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(300 * time.Millisecond))
	c.Write(b)
	got := make([]byte, 65536)
	n, err := c.Read(got)
	if err != nil {
		return nil
	}
	return got[:n]
}

func TestGarbageIsAFormatError(t *testing.T) {
	t.Parallel()
	codes := make(chan int, 100)
	s := serve(t, func(c *Config) { c.Answered = func(code int) { codes <- code } })
	head := func(bits, questions uint16, rest string) []byte {
		b := binary.BigEndian.AppendUint16([]byte{0xab, 0xcd}, bits)
		b = binary.BigEndian.AppendUint16(b, questions)
		return append(append(b, 0, 0, 0, 0, 0, 0), rest...)
	}
	const ask = "\x01a\x0amatchmaker\x00\x00\x01\x00\x01"
	for name, c := range map[string]struct {
		sent []byte
		code int
	}{
		"no question":           {head(0x0100, 0, ""), dns.RcodeFormatError},
		"a question that lacks": {head(0x0100, 1, ""), dns.RcodeFormatError},
		"two questions":         {head(0, 2, ask+ask), dns.RcodeFormatError},
		"a cut name":            {head(0, 1, "\x3fabc"), dns.RcodeFormatError},
		"a name in a loop":      {head(0, 1, "\xc0\x0c\x00\x01\x00\x01"), dns.RcodeFormatError},
		"noise":                 {head(0x07f0, 1, strings.Repeat("\xff", 100)), dns.RcodeFormatError},
		"another opcode":        {head(0x2000, 1, ask), dns.RcodeNotImplemented},
		"all bits":              {head(0x7fff, 1, ask), dns.RcodeNotImplemented},
	} {
		got := s.raw(c.sent)
		if len(got) < 12 || string(got[:2]) != "\xab\xcd" || int(got[3]&0xf) != c.code || got[2]&0x86 != 0x80 || got[3]&0x80 != 0 {
			t.Errorf("%s is answered with %x, want the code %d", name, got, c.code)
		}
		if code := <-codes; code != c.code {
			t.Errorf("%s is counted as %d", name, code)
		}
	}
	for name, sent := range map[string][]byte{"an answer": head(0x8000, 1, ask), "a short one": {1, 2, 3}} {
		if got := s.raw(sent); got != nil {
			t.Errorf("%s is answered with %x", name, got)
		}
	}
	s.says("a.matchmaker.", dns.TypeA, "NXDOMAIN, SOA")
}

// silent is a registry that does not answer at all.
type silent struct{ *coretest.Memory }

func (silent) Watch(ctx context.Context, _ string) iter.Seq[*core.View] {
	return func(func(*core.View) bool) { <-ctx.Done() }
}

func TestAQuestionIsAnsweredWithinASecondWhateverTheRegistryDoes(t *testing.T) {
	t.Parallel()
	s := serveOver(t, nil, silent{coretest.NewMemory()})
	began := time.Now()
	m := s.ask("a.matchmaker.", dns.TypeA)
	if took := time.Since(began); m.Rcode != dns.RcodeServerFailure || took < longestWait || took > longestWait+5*time.Second {
		t.Errorf("%s after %s", short(m), took)
	}
	if longestWait >= time.Second {
		t.Errorf("it may take %s", longestWait)
	}
}

// More questions wait than may: the others are told at once that nobody can tell.
func TestQuestionsThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	var at, most atomic.Int64
	free := make(chan struct{})
	s := serve(t, func(c *Config) {
		c.Members = func(ctx context.Context, topic string) (*core.View, error) {
			if topic == "known" {
				return &core.View{Topic: topic, Members: []*core.Member{{Registration: core.Registration{Topic: topic, Host: "x", Addr: "10.0.0.1:80"}}}}, nil
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			n := at.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-free
			at.Add(-1)
			return nil, core.ErrUnavailable
		}
	})
	for range mostAtOnce { // each in the place of one that waits
		s.waiting <- struct{}{}
	}
	if m := s.ask("a.matchmaker.", dns.TypeA); m.Rcode != dns.RcodeServerFailure || most.Load() > 0 {
		t.Errorf("%s, and %d waited", short(m), most.Load())
	}
	if m := s.ask("known.matchmaker.", dns.TypeA); m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 {
		t.Errorf("what need not be waited for is answered by %s", short(m))
	}
	<-s.waiting
	close(free)
	if m := s.ask("a.matchmaker.", dns.TypeA); m.Rcode != dns.RcodeServerFailure || most.Load() != 1 {
		t.Errorf("%s, and %d waited", short(m), most.Load())
	}
}

func TestAConnectionThatIsNotReadIsClosed(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("big", many(500)...)
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	q, _ := question("big.matchmaker.", dns.TypeSRV).Pack()
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...)
	c.SetDeadline(time.Now().Add(time.Minute))
	for range 128 { // answers of 6 MB
		if _, err := c.Write(framed); err != nil {
			break
		}
	}
	began := time.Now()
	s.Close()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("closing took %s", took)
	}
	if n, _ := io.Copy(io.Discard, c); n > 128*60_000 {
		t.Errorf("%d bytes", n)
	}
}

func TestAnAddressIsTakenTwiceOrNotAtAll(t *testing.T) {
	t.Parallel()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if s, err := Serve(udp.LocalAddr().String(), Config{}); err == nil {
		s.Close()
		t.Error("it begins without UDP")
	}
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		t.Fatal("the port is kept: ", err)
	}
	tcp.Close()
	if _, err := Serve("127.0.0.1", Config{}); !errors.Is(err, core.ErrInvalid) {
		t.Error(err)
	}
}

// Regression 27, of DNS.
func TestAHundredThousandTopicsAskedForByDNSAreBounded(t *testing.T) {
	const topics, early = 100_000, 30_000
	const most = 300 << 20 // bytes, mostly of the 10,000 topics that are followed
	const more = 8 << 20   // of those that are not
	s := serveOver(t, nil, coretest.Nowhere{Memory: coretest.NewMemory()})
	before, then := coretest.InUse(), uint64(0)
	for i := range topics {
		name := fmt.Sprintf("mistyped%d.matchmaker.", i)
		if i%2 == 0 {
			name = fmt.Sprintf("_mistyped%d._tcp.matchmaker.", i)
		}
		if m := s.reply(question(name, dns.TypeSRV)); m.Rcode != dns.RcodeNameError {
			t.Fatalf("%s: %s", name, short(m))
		}
		if i == early {
			then = coretest.InUse()
		}
	}
	now := coretest.InUse()
	t.Logf("held: %d bytes before, %d after %d topics, %d after %d", before, then, early, now, topics)
	if now > before+most || now > then+more {
		t.Errorf("%d bytes are held, %d after %d topics, %d before all", now, then, early, before)
	}
	if n := len(s.live.Views()); n > 10_000 {
		t.Errorf("%d topics are followed", n)
	}
}
