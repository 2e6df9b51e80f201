package integration

// Servers are all that hold the data of a [Topology]. Their verbs are done to each that they concern.
type Servers []*Redis

// FlushAll removes all data.
func (all Servers) FlushAll() {
	for _, r := range all {
		r.t.Helper()
		if r.role().name == "master" { // replicas follow
			r.FlushAll()
		}
	}
}

// ScriptFlush makes them forget all scripts.
func (all Servers) ScriptFlush() {
	for _, r := range all {
		r.t.Helper()
		r.ScriptFlush()
	}
}

// KillSubscriptions ends the connections that subscribe, at least one, wherever they lead.
func (all Servers) KillSubscriptions() {
	killed := 0
	for _, r := range all {
		r.t.Helper()
		killed += r.killSubscriptions()
	}
	if killed == 0 {
		all[0].t.Fatalf("none of %d servers has a subscription to kill", len(all))
	}
}

// SetUser applies ACL rules to a user.
func (all Servers) SetUser(user string, rules ...string) {
	for _, r := range all {
		r.t.Helper()
		r.SetUser(user, rules...)
	}
}

// RevokeChannels takes the permission to publish and to subscribe from a user.
func (all Servers) RevokeChannels(user string) {
	for _, r := range all {
		r.t.Helper()
		r.RevokeChannels(user)
	}
}

// Cut closes the connections to them that are open: they were started with [Proxied].
func (all Servers) Cut() {
	for _, r := range all {
		r.t.Helper()
		r.Proxy().Cut()
	}
}

func (all Servers) without(one *Redis) Servers {
	var others Servers
	for _, r := range all {
		if r != one {
			others = append(others, r)
		}
	}
	return others
}
