// Package faults holds the tests that keep the promises while everything fails: real servers, real processes,
// each fault by itself against each way in which Redis runs. What every process was told and every watcher saw
// is recorded and judged by the package history. `make faults` writes docs/reliability.md from it.
package faults
