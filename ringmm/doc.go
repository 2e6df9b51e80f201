// Package ringmm resolves keys from a static ring: a map, or a JSON file, of topics and their hosts. It is
// the original's ring matchmaker, and the static twin of the registries that heartbeats keep.
//
//	ring, err := ringmm.Open("/etc/matchmaker/ring.json")
//	...
//	defer ring.Close()
//	m := core.New(ring)
//	routes, err := m.Resolve(ctx, "scheduler")
//
// A ring file maps each topic to a list of hosts, a host being its name or an object:
//
//	{
//	  "scheduler": ["controller1", "node1", "node2"],
//	  "web": [
//	    {"host": "a", "addr": "10.0.0.1:80", "zone": "east", "weight": 2, "labels": {"rack": "7"}},
//	    {"host": "b", "addr": "10.0.0.2:80", "zone": "west"}
//	  ]
//	}
//
// A topic key answers the next host of the list, beginning with the first, and each topic keeps its own
// place. A fanout key answers all of them in the list's order, and moves no place; its direct keys keep the
// prefix fanout~. A direct key answers the host it names, listed or not. A host listed twice is answered
// twice. Any text is a topic of a ring, also what nobody could register.
//
// An empty list is [core.ErrNoHosts], a topic that is not in the ring [core.ErrUnknownTopic]. What cannot be
// a ring is refused when it is loaded, with a [core.ErrInvalid] that names line, topic and field.
//
// The file is looked at once a second and loaded when it changed, however it was replaced: in place, by a
// rename, or by a symlink that now leads elsewhere. Lookups see the old ring or the new one, never parts of
// both. A file that cannot be loaded changes nothing: the old ring goes on answering, its views say why they
// are stale, and the observers are told. Of a topic that the old ring does not have, or whose list is empty,
// nobody can tell then what the file meant: until it is mended, lookups answer [core.ErrUnavailable].
//
// A [Ring] is a [core.Watcher], so a [core.Live] over one picks by policy, zone and weight instead.
package ringmm
