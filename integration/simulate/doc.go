// Package simulate runs hundreds of hosts for hours of simulated time: processes that register, beat, leave,
// crash and come back, watchers that follow them, and a registry that loses data, stalls, refuses and vanishes,
// as drawn from a seed. The promises are then checked over the history.
//
//	make simulate HOURS=3 SEED=1
//
// The simulation is a test, because simulated time is: everything runs in one testing/synctest bubble, with
// miniredis as the registry. The script of events follows from the seed; the order of goroutines that wake at
// one instant does not.
package simulate
