// Package core is the vocabulary and the rules of the matchmaker: keys, bindings, exchanges, what a
// backend must do, and the loop that keeps registrations alive. It imports the standard library only.
//
// Hosts register under topics and stay listed while heartbeats keep them alive. Callers resolve a key:
//
//	compute          any one live host of the topic            (TopicBinding)
//	compute.node7    that host                                 (DirectBinding)
//	fanout~compute   every live host; fanout.compute likewise  (FanoutBinding)
//
// A lookup flows one way: a key meets the [Binding]s of a [MatchMaker] in order; the [Exchange] behind
// the binding that accepts it answers [Route]s. A registration flows the other way: a [Registration]
// becomes a [Claim], which a [HeartbeatMatchMaker] hands to its [Backend] again and again. A [Live]
// follows a backend's topics through its [Watcher] and answers lookups from memory.
//
// "Nobody" ([ErrNoHosts]), "never heard of" ([ErrUnknownTopic]) and "cannot tell" ([ErrUnavailable]) are
// different answers, and a list is never empty because the registry could not be asked.
package core
