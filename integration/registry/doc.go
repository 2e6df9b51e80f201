// Package registry brings up a registry with simulated hosts, for tests of programs that look hosts up:
// [Start] on a redis-server, [InMemory] without one, in a testing/synctest bubble too. Hosts may be killed,
// stopped and started; the registry may vanish, come back and lose its data.
package registry
