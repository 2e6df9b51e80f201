package dns

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/redismm/matchmaker/core"
)

// Whatever is sent, the server answers it, if it is a question at all, and answers what comes after.
func FuzzServer(f *testing.F) {
	for _, name := range []string{"a.matchmaker.", "_a._tcp.matchmaker.", `x.a\.b.matchmaker.`, "matchmaker.", "example.org."} {
		for _, kind := range []uint16{dns.TypeA, dns.TypeSRV, dns.TypeANY, dns.TypeAXFR} {
			q, err := question(name, kind).SetEdns0(1232, true).Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(q)
			f.Add(q[:len(q)/2])
		}
	}
	f.Add([]byte("\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"))
	view := &core.View{Topic: "a", Members: []*core.Member{
		{Registration: at("x", "10.0.0.1:80")}, {Registration: at("Y.1", "[::1]:80")}, {Registration: at("z", "db.example.org:80")}}}
	s, err := Serve("127.0.0.1:0", Config{Domain: "matchmaker.", Members: func(context.Context, string) (*core.View, error) { return view, nil }})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	after, err := question("a.matchmaker.", dns.TypeA).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		if len(sent) > 4096 {
			return
		}
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.(*net.TCPConn).SetLinger(0)
		c.SetDeadline(time.Now().Add(10 * time.Second))
		for _, m := range [][]byte{sent, after} {
			c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
		}
		read := func() []byte {
			var n uint16
			if err := binary.Read(c, binary.BigEndian, &n); err != nil {
				t.Fatalf("after %x: %v", sent, err)
			}
			b := make([]byte, n)
			if _, err := io.ReadFull(c, b); err != nil {
				t.Fatal(err)
			}
			return b
		}
		if len(sent) >= 12 && sent[2]&0x80 == 0 {
			got := read()
			if got[0] != sent[0] || got[1] != sent[1] || got[2]&0x80 == 0 || got[3]&0x80 != 0 {
				t.Errorf("%x is answered with %x", sent, got)
			}
			if err := new(dns.Msg).Unpack(got); err != nil {
				t.Errorf("%x is answered with %x: %v", sent, got, err)
			}
		}
		if got := read(); got[0] != after[0] || got[1] != after[1] || got[3]&0xf != 0 {
			t.Errorf("after %x, a question is answered with %x", sent, got)
		}
	})
}
