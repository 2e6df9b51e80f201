package advertise

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func nic(name string, addrs ...string) Interface {
	i := Interface{Name: name}
	for _, a := range addrs {
		i.Addrs = append(i.Addrs, netip.MustParseAddr(a))
	}
	return i
}

var (
	lo     = nic("lo", "127.0.0.1", "::1")
	eth0   = nic("eth0", "10.0.0.5", "fd00::5", "fe80::1%eth0")
	eth1   = nic("eth1", "192.168.7.5")
	docker = nic("docker0", "172.17.0.1")
	bridge = nic("br-0123456789ab", "172.18.0.1")
	six    = nic("eth0", "fd00::5", "fe80::1%eth0")
)

// machine reaches the registry from an address; "" is not known, and "beside" is that it is here.
func machine(registry string, interfaces ...Interface) *Machine {
	m := &Machine{Interfaces: interfaces, Env: func(name string) string {
		return map[string]string{"POD_IP": "10.0.0.5", "PUBLIC": "203.0.113.9", "EMPTY": "", "NAME": "node1", "ANY": "0.0.0.0"}[name]
	}}
	switch registry {
	case "":
	case "beside":
		m.Beside = true
	default:
		m.Registry = netip.MustParseAddr(registry)
	}
	return m
}

func TestTheAddressThatOthersReachIsChosen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		how  string
		of   *Machine
		addr string
		why  string
	}{
		{"auto", machine("beside", lo, eth0), "127.0.0.1", "Redis is on this machine"},
		{"auto", machine("10.0.0.5", lo, eth0, eth1, docker), "10.0.0.5", "Redis is reached from it, by eth0"},
		{"auto", machine("192.168.7.5", lo, eth0, eth1), "192.168.7.5", "by eth1"},
		{"auto", machine("fd00::5", lo, eth0), "fd00::5", "by eth0"},
		{"auto", machine("", lo, eth0, docker, bridge), "10.0.0.5", "Redis cannot be reached now"},
		{"auto", machine("", lo, six), "fd00::5", "(eth0)"},
		{"10.0.0.5", machine("", lo, eth0, eth1), "10.0.0.5", "it was given, and eth0 has it"},
		{"::ffff:10.0.0.5", machine("", lo, eth0), "10.0.0.5", "eth0 has it"},
		{"203.0.113.9", machine("10.0.0.5", lo, eth0), "203.0.113.9", "no interface of this machine has it"},
		{"127.0.0.1", machine("beside", lo), "127.0.0.1", "lo has it"},
		{"iface:eth1", machine("10.0.0.5", lo, eth0, eth1), "192.168.7.5", "eth1 has it"},
		{"iface:docker0", machine("10.0.0.5", lo, eth0, docker), "172.17.0.1", "docker0 has it"},
		{"cidr:192.168.0.0/16", machine("10.0.0.5", lo, eth0, eth1), "192.168.7.5", "it is the only one in 192.168.0.0/16 (eth1)"},
		{"cidr:fd00::/8", machine("10.0.0.5", lo, eth0), "fd00::5", "(eth0)"},
		{"env:POD_IP", machine("10.0.0.5", lo, eth0), "10.0.0.5", "the variable POD_IP holds it, and eth0 has it"},
		{"env:PUBLIC", machine("10.0.0.5", lo, eth0), "203.0.113.9", "no interface of this machine has it"},
	} {
		got, err := c.of.Choose(c.how)
		if err != nil || got.Addr.String() != c.addr || !strings.Contains(got.Why, c.why) {
			t.Errorf("%s: %v, %v, want %s because %q", c.how, got, err, c.addr, c.why)
		}
	}
}

func TestAnAddressThatOthersCannotReachIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		how  string
		of   *Machine
		says string
	}{
		{"127.0.0.1", machine("10.0.0.5", lo, eth0), "Redis is not on this machine, so callers elsewhere would find themselves at loopback; want one of 10.0.0.5 (eth0), fd00::5 (eth0)"},
		{"::1", machine("", lo, eth0), "loopback; want one of 10.0.0.5 (eth0)"},
		{"0.0.0.0", machine("beside", lo, eth0), "it is not one address but any; want one of 10.0.0.5"},
		{"::", machine("10.0.0.5", lo, eth0), "not one address but any"},
		{"169.254.1.1", machine("10.0.0.5", lo, eth0), "of one link alone"},
		{"fe80::1", machine("10.0.0.5", lo, eth0), "of one link alone"},
		{"224.0.0.1", machine("10.0.0.5", lo, eth0), "the address of many"},
		{"env:ANY", machine("10.0.0.5", lo, eth0), "not one address but any"},
		{"env:EMPTY", machine("10.0.0.5", lo, eth0), `the variable EMPTY is "", want an IP address in it`},
		{"env:NAME", machine("10.0.0.5", lo, eth0), `the variable NAME is "node1", want an IP address in it`},
		{"auto", machine("172.17.0.1", lo, eth0, docker), "the way to Redis begins at 172.17.0.1 of docker0, which leads to this machine's own containers; want one of 10.0.0.5 (eth0)"},
		{"auto", machine("172.18.0.1", lo, eth0, bridge), "own containers"},
		{"auto", machine("127.0.0.1", lo, eth0), "the way to Redis begins there: Redis is not on this machine"},
		{"auto", machine("169.254.7.7", lo, nic("eth0", "169.254.7.7")), "of which this machine has none"},
		{"auto", machine("", lo, eth0, eth1), "2 addresses fit, 10.0.0.5 (eth0), 192.168.7.5 (eth1); want one of them"},
		{"auto", machine("", lo, docker), "no such address is here; want an address of a network, of which this machine has none"},
		{"iface:eth2", machine("", lo, eth0), "no interface of that name is up; want one of lo, eth0"},
		{"iface:eth0", machine("", lo, nic("eth0", "10.0.0.5", "10.0.0.6")), "2 addresses fit, 10.0.0.5 (eth0), 10.0.0.6 (eth0)"},
		{"iface:lo", machine("10.0.0.5", lo, eth0), "no such address is here; want one of 10.0.0.5 (eth0)"},
		{"cidr:10.0.0.0/8", machine("", lo, eth0, nic("eth1", "10.9.0.5")), "2 addresses fit"},
		{"cidr:172.16.0.0/12", machine("", lo, eth0), "no such address is here"},
		{"cidr:ten", machine("", lo, eth0), "want a prefix such as cidr:10.0.0.0/8"},
		{"node1", machine("10.0.0.5", lo, eth0), "want auto, an IP address, iface:NAME, cidr:PREFIX or env:VARIABLE"},
		{"iface:", machine("10.0.0.5", lo, eth0), "want auto"},
		{"", machine("10.0.0.5", lo, eth0), "want auto"},
	} {
		got, err := c.of.Choose(c.how)
		if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %v, want it refused: %s", c.how, got, err, c.says)
		}
	}
}

func TestThisMachineHasInterfaces(t *testing.T) {
	t.Parallel()
	all, err := Here()
	if err != nil {
		t.Fatal(err)
	}
	m := &Machine{Interfaces: all}
	if m.of(netip.MustParseAddr("127.0.0.1")) == "" {
		t.Errorf("%v has no loopback", all)
	}
	if got := Towards(t.Context(), "127.0.0.1:6379"); !got.IsLoopback() {
		t.Errorf("loopback is reached from %v", got)
	}
	if got := Towards(t.Context(), "no-such-host.invalid:6379"); got.IsValid() {
		t.Errorf("nowhere is reached from %v", got)
	}
}
