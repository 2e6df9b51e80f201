// Package integration tests the matchmaker with real servers and real processes, and is the kit for such
// tests: [StartRedis] starts a redis-server that the test may kill, pause and restart, [Matchmaker] runs the
// binary, [Record] notes what a lookup answers over time, [Eventually] waits for a condition.
//
// Nothing uses a fixed port or leaves a process behind: each is ended by its pid when its test ends, and by
// the kernel (on Linux) when the test's process is killed.
package integration
