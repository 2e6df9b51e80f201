package core

import "context"

// Zone picks by inner among the hosts of a zone, and among all where the zone has none to pick.
func Zone(zone string, inner Policy) Policy {
	return func(among []*Member) Pick {
		var near []*Member
		var at []int
		for i, m := range among {
			if m.Zone == zone {
				near, at = append(near, m), append(at, i)
			}
		}
		if len(near) == 0 {
			return inner(among)
		}
		pick := inner(near)
		return func(ctx context.Context) int { return at[pick(ctx)] }
	}
}
