package advertise

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/redismm/matchmaker/core"
)

// Choice is an address and, for people, why it is this one.
type Choice struct {
	Addr netip.Addr
	Why  string
}

// Form is how to say which address: what Choose takes.
const Form = "auto, an IP address, iface:NAME, cidr:PREFIX or env:VARIABLE"

// Choose returns the address that how names: one of Form. Auto is loopback beside a registry on this machine,
// else the address from which the registry is reached, else the only one that others could reach. What others
// cannot reach is refused, and so is a choice among several, which the error names; it is a [core.ErrInvalid].
func (m *Machine) Choose(how string) (Choice, error) {
	c, err := m.choose(how)
	if err == nil {
		err = m.refuse(c.Addr)
	}
	if err != nil {
		return Choice{}, core.Invalid("advertised address", how, err.Error())
	}
	return c, nil
}

func (m *Machine) choose(how string) (Choice, error) {
	kind, of, _ := strings.Cut(how, ":")
	if a, err := netip.ParseAddr(how); err == nil {
		return m.given(a, "it was given")
	}
	switch {
	case how == "auto":
		return m.auto()
	case kind == "iface" && of != "":
		return m.ofInterface(of)
	case kind == "cidr":
		return m.within(of)
	case kind == "env" && of != "":
		value := m.Env(of)
		a, err := netip.ParseAddr(value)
		if err != nil {
			return Choice{}, fmt.Errorf("the variable %s is %q, want an IP address in it", of, value)
		}
		return m.given(a, "the variable "+of+" holds it")
	}
	return Choice{}, errors.New("want " + Form)
}

func (m *Machine) given(a netip.Addr, why string) (Choice, error) {
	a = a.Unmap()
	if name := m.of(a); name != "" {
		why += ", and " + name + " has it"
	} else {
		why += "; no interface of this machine has it"
	}
	return Choice{a, why}, nil
}

func (m *Machine) auto() (Choice, error) {
	if m.Beside {
		return Choice{netip.AddrFrom4([4]byte{127, 0, 0, 1}), "Redis is on this machine, and so are its callers"}, nil
	}
	if a := m.Registry; a.IsValid() {
		name := m.of(a)
		if inside.MatchString(name) {
			return Choice{}, fmt.Errorf("the way to Redis begins at %s of %s, which leads to this machine's own containers; want %s",
				a, name, m.candidates())
		}
		if err := m.refuse(a); err != nil {
			return Choice{}, fmt.Errorf("the way to Redis begins there: %w", err)
		}
		return Choice{a, "Redis is reached from it, by " + name}, nil
	}
	why := "Redis cannot be reached now, and no other address of this machine leads anywhere"
	if m.Several {
		why = "one of several servers being on this machine tells nothing, and no other address of it leads anywhere"
	}
	return m.only(func(i Interface, _ netip.Addr) bool { return !inside.MatchString(i.Name) }, why)
}

func (m *Machine) ofInterface(name string) (Choice, error) {
	var names []string
	for _, i := range m.Interfaces {
		names = append(names, i.Name)
		if i.Name == name {
			return m.only(func(i Interface, _ netip.Addr) bool { return i.Name == name }, name+" has it")
		}
	}
	return Choice{}, fmt.Errorf("no interface of that name is up; want one of %s", strings.Join(names, ", "))
}

func (m *Machine) within(text string) (Choice, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return Choice{}, fmt.Errorf("want a prefix such as cidr:10.0.0.0/8")
	}
	return m.only(func(_ Interface, a netip.Addr) bool { return p.Contains(a) }, "it is the only one in "+p.String())
}

// only returns the one address that fits: of IPv4, or of IPv6 if none of IPv4 does.
func (m *Machine) only(fits func(Interface, netip.Addr) bool, why string) (Choice, error) {
	var four, six []netip.Addr
	for _, i := range m.Interfaces {
		for _, a := range i.Addrs {
			switch a = a.WithZone(""); {
			case m.refuse(a) != nil || !fits(i, a):
			case a.Is4():
				four = append(four, a)
			default:
				six = append(six, a)
			}
		}
	}
	found := four
	if len(four) == 0 {
		found = six
	}
	switch len(found) {
	case 0:
		return Choice{}, fmt.Errorf("no such address is here; want %s", m.candidates())
	case 1:
		return Choice{found[0], why + m.by(found[0])}, nil
	}
	return Choice{}, fmt.Errorf("%d addresses fit, %s; want one of them", len(found), m.list(found))
}

func (m *Machine) by(a netip.Addr) string { return " (" + m.of(a) + ")" }

// refuse returns why nobody else could reach an address, or nil.
func (m *Machine) refuse(a netip.Addr) error {
	want := "; want " + m.candidates()
	switch {
	case a.IsUnspecified():
		return errors.New("it is not one address but any" + want)
	case a.IsLoopback() && !m.Beside:
		return errors.New("Redis is not on this machine, so callers elsewhere would find themselves at loopback" + want)
	case a.IsLinkLocalUnicast():
		return errors.New("an address of one link alone leads nowhere from other networks" + want)
	case a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return errors.New("it is the address of many" + want)
	}
	return nil
}

// candidates are the addresses that others could reach, for people.
func (m *Machine) candidates() string {
	var found []netip.Addr
	for _, i := range m.Interfaces {
		for _, a := range i.Addrs {
			if a = a.WithZone(""); a.IsGlobalUnicast() && !inside.MatchString(i.Name) {
				found = append(found, a)
			}
		}
	}
	if len(found) == 0 {
		return "an address of a network, of which this machine has none"
	}
	return "one of " + m.list(found)
}

func (m *Machine) list(addrs []netip.Addr) string {
	var words []string
	for _, a := range addrs {
		words = append(words, a.String()+m.by(a))
	}
	return strings.Join(words, ", ")
}
