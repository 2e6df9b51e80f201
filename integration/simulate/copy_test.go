package simulate

import "time"

// saved is a copy of all keys, as a replica that lags has it.
type saved []func()

func (w *world) save() saved {
	m := w.net.mini
	var all saved
	for _, key := range m.Keys() {
		ttl := m.TTL(key)
		switch m.Type(key) {
		case "string":
			text, _ := m.Get(key)
			all = append(all, func() { m.Set(key, text) })
		case "set":
			members, _ := m.SMembers(key)
			all = append(all, func() { m.SAdd(key, members...) })
		case "hash":
			fields, _ := m.HKeys(key)
			for _, field := range fields {
				value := m.HGet(key, field)
				all = append(all, func() { m.HSet(key, field, value) })
			}
		}
		all = append(all, func() { m.SetTTL(key, ttl) })
	}
	return all
}

// goBack puts a copy in the place of everything after a while, and breaks every connection, as a failover to a
// replica does that lags so much.
func (w *world) goBack(a act, g *agenda) {
	since, copied := time.Now(), w.save()
	g.then(a, func() {
		w.recorder.WentBack(a.what, since)
		w.net.mini.FlushAll()
		for _, put := range copied {
			put()
		}
		w.cut(a, everyLink, "")
	})
}
