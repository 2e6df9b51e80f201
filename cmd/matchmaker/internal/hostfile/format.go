// Package hostfile keeps a file of a topic's hosts for programs that read one.
package hostfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/dns"
	"github.com/redismm/matchmaker/cmd/matchmaker/internal/reply"
	"github.com/redismm/matchmaker/core"
)

// Formats are the names of the formats.
var Formats = []string{"nginx", "haproxy", "file_sd"}

// Render is a view in a format, and how many hosts are in it.
//
// nginx and haproxy get those who can be picked, as an upstream or a backend called name; file_sd gets everybody
// who has an address. What an address could not say without breaking out of the format leaves its host out, and
// refuse is told; that of an address that is none is the file's own affair, and its check's.
func Render(format, name string, v *core.View, refuse func(m *core.Member)) (text []byte, hosts int) {
	if format == "file_sd" {
		ts := reply.TargetsOf(v)
		return encoded(ts), len(ts)
	}
	fit := slices.DeleteFunc(slices.Clone(v.Members), func(m *core.Member) bool {
		if m.Addr != "" && !writable(m.Addr) {
			refuse(m)
			return true
		}
		return false
	})
	seen := *v
	seen.Members = fit
	ms, _ := seen.Reach(nil)
	if format == "haproxy" {
		return haproxy(name, ms), len(ms)
	}
	return nginx(name, ms), len(ms)
}

func encoded(ts []reply.Target) []byte {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	lines.SetIndent("", "  ")
	lines.Encode(ts) // of strings
	return b.Bytes()
}

const notice = "# Written by matchmaker watch; what is written by hand is lost.\n"

func nginx(name string, ms []*core.Member) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%supstream %s {\n", notice, name)
	for _, m := range ms {
		fmt.Fprintf(&b, "    server %s weight=%d; # %s\n", m.Addr, max(m.Weight, 1), comment(m.Host))
	}
	if len(ms) == 0 { // an upstream without any is refused
		b.WriteString("    server 127.0.0.1:1 down; # nobody is there\n")
	}
	b.WriteString("}\n")
	return b.Bytes()
}

// mostWeight is HAProxy's largest weight.
const mostWeight = 256

func haproxy(name string, ms []*core.Member) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%sbackend %s\n", notice, name)
	heaviest := 1
	for _, m := range ms {
		heaviest = max(heaviest, m.Weight)
	}
	for _, m := range ms {
		weight := max(m.Weight, 1)
		if heaviest > mostWeight {
			weight = max(1, weight*mostWeight/heaviest)
		}
		fmt.Fprintf(&b, "    server %s %s weight %d", serverName(m.Host), m.Addr, weight)
		if _, err := netip.ParseAddrPort(m.Addr); err != nil { // a name: it may be resolved later
			b.WriteString(" init-addr last,libc,none")
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

var (
	plainName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	hostName  = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?$`)
)

// CheckName returns nil for a name that an upstream or a backend can have, else an [core.ErrInvalid].
func CheckName(name string) error {
	if !plainName.MatchString(name) {
		return core.Invalid("name", name, "want letters, digits, dots, hyphens and underscores; --name gives another than the topic's")
	}
	return nil
}

// writable says whether an address is an IP or the name of a host, and so holds nothing that means something to those who
// read the file.
func writable(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return hostName.MatchString(host) && host != "unix" && addr[0] != '[' // unix:80 would be a socket
	}
	return ip.Zone() == "" && ip.Is6() == (addr[0] == '[')
}

// comment is a name that ends no comment.
func comment(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return strconv.QuoteToASCII(name)
}

// serverName is a host's name as HAProxy has names; no two hosts have the same.
func serverName(host string) string {
	if plainName.MatchString(host) && !strings.Contains(host, "__") {
		return host
	}
	return dns.Label(host)
}
