// Package api is the matchmaker over HTTP, for programs that are not written in Go: lookups, topics and their
// changes, and the verbs, under /v1 as openapi.yaml describes it; and how the process itself is, under /healthz and
// /readyz. It answers from the directory in memory of a [core.HeartbeatMatchMaker], so that reads go on when the
// registry does not.
//
// There are two handlers, by what they may do: [API.All] for a listener that only this machine reaches, and
// [API.Reads] for any. Errors are problem details of RFC 9457, except those of /readyz, whose status is its answer.
package api
