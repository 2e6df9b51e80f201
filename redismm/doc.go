// Package redismm is the registry on Redis: hosts as sets, liveness as keys with a TTL, refreshed by
// heartbeats.
//
// [Open] is all a library user needs: a [core.HeartbeatMatchMaker] that registers through heartbeats and
// resolves from memory. [NewStore] is the [core.Backend] by itself, for teams with a configured client and
// for lookups that ask Redis each time.
//
// Every change of the registry is one Lua script in lua/, atomic and idempotent; docs/design.md tells the
// rules they keep. A registration carries a stamp that orders it among all that were ever made for its
// place, so that newest wins whatever is repeated, late or lost, and every beat carries the whole
// registration, so that whatever Redis loses is back within one interval.
package redismm
