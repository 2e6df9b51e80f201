// Package advertise chooses the address at which other machines are told to find this one, and rather refuses
// than names one that they cannot reach.
package advertise

import (
	"context"
	"net"
	"net/netip"
	"regexp"
)

// Machine is what there is to choose from.
type Machine struct {
	Interfaces []Interface
	// Env looks a variable up; "" if there is none.
	Env func(string) string
	// Registry is the address from which this machine reaches the registry; the zero one while that is not
	// known, as when its name cannot be resolved.
	Registry netip.Addr
	// Beside says that the registry is on this machine for all that its URL says, so that loopback is right.
	Beside bool
	// Several says that the URL begins with one of several servers that is on this machine, as a sentinel of each
	// may be: Registry is not known then.
	Several bool
}

// Interface is a network interface that is up.
type Interface struct {
	Name  string
	Addrs []netip.Addr
}

// Here returns this machine's interfaces that are up.
func Here() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var up []Interface
	for _, i := range all {
		addrs, err := i.Addrs()
		if i.Flags&net.FlagUp == 0 || err != nil { // it may be gone by now
			continue
		}
		found := Interface{Name: i.Name}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				found.Addrs = append(found.Addrs, p.Addr().Unmap())
			}
		}
		up = append(up, found)
	}
	return up, nil
}

// Towards returns the address from which this machine reaches a server, host:port. No packet is sent to it; the
// zero Addr if its name cannot be resolved, or there is no route.
func Towards(ctx context.Context, server string) netip.Addr {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", server)
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone("")
}

// inside are the names of interfaces that lead to containers and virtual machines of this machine alone.
var inside = regexp.MustCompile(`^(docker\d+|docker_gwbridge|br-[0-9a-f]{12}|virbr\d+|lxcbr\d+|lxdbr\d+|podman\d+|cni\d+|cni-podman\d+|veth.*|cali.*|flannel.*|cilium_.*)$`)

// of returns the name of the interface that has an address, or "".
func (m *Machine) of(a netip.Addr) string {
	for _, i := range m.Interfaces {
		for _, own := range i.Addrs {
			if own.WithZone("") == a {
				return i.Name
			}
		}
	}
	return ""
}
