package ringmm

import (
	"fmt"
	"maps"
	"slices"

	"github.com/redismm/matchmaker/core"
)

// lists are the hosts of each topic, in the order they were given.
type lists map[string][]core.Registration

func (ls lists) check() error {
	for _, topic := range slices.Sorted(maps.Keys(ls)) {
		seen := make(map[string]core.Registration)
		for i, r := range ls[topic] {
			if err := checkHost(topic, r, seen); err != nil {
				return fmt.Errorf("%w ring: topic %q, host %d: %w", core.ErrInvalid, topic, i+1, err)
			}
		}
	}
	return nil
}

// checkHost returns nil for a registration that a topic can list after those seen, and adds it to them.
func checkHost(topic string, r core.Registration, seen map[string]core.Registration) error {
	if r.Topic != "" && r.Topic != topic {
		return core.Invalid("topic", r.Topic, fmt.Sprintf("want none, or %q as the list says", topic))
	}
	if r.Host == "" {
		return core.Invalid("host", "", "want a name of 1 to 255 bytes; an object names it as \"host\"")
	}
	r.Topic = "any" // a ring's topics may have names that nobody can register
	if err := r.Check(); err != nil {
		return err
	}
	if first, twice := seen[r.Host]; twice && !alike(first, r) {
		return core.Invalid("host", r.Host, "want the same addr, zone, weight and labels each time it is listed")
	}
	seen[r.Host] = r
	return nil
}

func alike(a, b core.Registration) bool {
	return a.Addr == b.Addr && a.Zone == b.Zone && a.Weight == b.Weight && maps.Equal(a.Labels, b.Labels)
}
