// Package mixed tests that processes of the release before and of this one share a Redis: `make mixed` builds the
// former and runs it.
package mixed
