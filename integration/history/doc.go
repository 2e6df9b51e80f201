// Package history records what registrants and watchers of a registry did and saw, and checks afterwards that
// the promises were kept.
//
// A [Recorder] is shared by all that run in one process; the events of several processes are merged by
// [Merge]. An [Event] is a plain value, so a history can be written and read as JSON lines. Each promise is a
// function over a [History] that counts what it checked and shows the events that broke it.
package history
