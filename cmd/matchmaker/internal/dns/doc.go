// Package dns answers who is there to whatever speaks DNS: the addresses and the ports of a topic's hosts, from memory.
//
//	compute.matchmaker            A, AAAA: who can be picked; SRV: the same with ports, weights and zones
//	_compute._tcp.matchmaker      SRV
//	node1.compute.matchmaker      A, AAAA, SRV: one host, whatever its state
//
// See [Label] for names that are no labels. A host whose address is a name, such as db.example.org:5432, has a CNAME;
// the SRV of its topic leads to the name itself, and the A of its topic leaves it out. A host without an address is left out.
package dns
