package core

import "time"

// EventKind says what happened to a registration, or to the registry.
type EventKind uint8

const (
	// Registered: the registry accepted the registration for the first time.
	Registered EventKind = iota + 1
	// SupersededBy: a newer instance, Holder, took the place; this one stands by.
	SupersededBy
	// Returned: the registration that stood by holds its place again.
	Returned
	// Removed: somebody removed the registration by name; it is not kept any more.
	Removed
	// Lost: the registration may have lapsed, because no beat was acknowledged for a TTL or because the
	// registry did not know it any more. Beats go on.
	Lost
	// Recovered: the registration that was lost is there again.
	Recovered
	// Contested: two processes take the place from each other more than twice a minute.
	Contested
	// Departed: the registration left as was asked.
	Departed
	// Degraded: a round of beats failed after one that did not; Err says why. Beats go on.
	Degraded
	// Restored: a round succeeded after one that did not.
	Restored
	// Polling: the registry refuses to tell this process of changes, and Err says why. Views are read once
	// every interval instead; reported once.
	Polling
)

var eventKinds = [...]string{"", "registered", "superseded", "returned", "removed", "lost", "recovered",
	"contested", "departed", "degraded", "restored", "polling"}

func (k EventKind) String() string {
	if int(k) < len(eventKinds) {
		return eventKinds[k]
	}
	return "event"
}

// Event is what a [HeartbeatMatchMaker] reports.
type Event struct {
	Kind EventKind
	// Member is the registration concerned; nil for Degraded, Restored and Polling.
	Member *Member
	// Holder is who holds the place instead, for SupersededBy and Contested, where known.
	Holder *Member
	// ValidUntil is when the registration lapses if no further beat is acknowledged, by this process's clock;
	// zero where nothing can lapse.
	ValidUntil time.Time
	// Err is why, for Degraded and Polling, and for Lost where a call failed.
	Err error
}
