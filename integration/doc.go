// Package integration tests the matchmaker with real servers and real processes, and is the kit for such
// tests: [StartRedis] starts a redis-server, [StartStill] one whose clock the test sets, [StartSentinel] a
// primary with its replicas and sentinels, [StartCluster] a cluster, [OnEach] runs a test on the three kinds.
// [NewTLS] makes certificates, [Proxied] puts a [Proxy] in front of each server. Their verbs are faults: servers
// are killed, paused, emptied and failed over, connections are cut and lag; each sees to it that the fault is
// there before it returns.
//
// [Matchmaker] runs the binary, [Record] notes what a lookup answers over time, [Eventually] waits for a
// condition. The package registry below this one brings up a registry with hosts in it, for the tests of
// programs that look hosts up.
//
// Nothing uses a fixed port or leaves a process behind: each is ended by its pid when its test ends, and by
// the kernel (on Linux) when the test's process is killed.
package integration
