// Package reply is what the matchmaker answers as JSON, on the command line with --json and over HTTP: one form,
// which stays. Members are [core.Member] as it encodes itself.
package reply
