package core

import (
	"context"
	"time"
)

// Claim is a registration as its owner hands it to a backend, over and over. The owner makes one for each
// Register and hands it to one call at a time; its Registration does not change.
type Claim struct {
	Registration
	// State may change between calls; a backend announces the change with the next beat.
	State State
	// Instance identifies the claim among all that were ever made for the place. It is empty until the
	// backend fills it in BackendRegister, once: every retry, beat and leave of the claim carries the same.
	// A claim without one stands for whoever holds the place.
	Instance string
	// Holder is who holds the place; the backend sets it with the outcome Superseded.
	Holder *Member
	// Memo belongs to the backend; nobody else reads or writes it.
	Memo any
}

// Outcome is what became of a claim.
type Outcome uint8

const (
	// Unknown: the call failed, or its answer was lost. It may have been carried out.
	Unknown Outcome = iota
	// Kept: the claim holds its place, as before.
	Kept
	// Joined: it took a free place.
	Joined
	// Changed: it holds its place, and what it says of itself is new.
	Changed
	// Replaced: it took the place from an older instance.
	Replaced
	// Superseded: a newer instance holds the place, or has left it less than a TTL ago.
	Superseded
	// Left: it has left the place, or somebody removed it by name.
	Left
	// Absent: nobody holds the place.
	Absent
)

var outcomes = [...]string{"unknown", "kept", "joined", "changed", "replaced", "superseded", "left", "absent"}

func (o Outcome) String() string {
	if int(o) < len(outcomes) {
		return outcomes[o]
	}
	return "outcome"
}

// Holds says whether the outcome means that the claim holds its place.
func (o Outcome) Holds() bool { return o == Kept || o == Joined || o == Changed || o == Replaced }

// Backend is a registry: what the original left to subclasses of HeartbeatMatchMakerBase. The methods with
// claims return one outcome for each, always; their error is not nil if and only if some outcome is Unknown.
// No two claims of one call name the same place. All methods may be called at once, but a claim is in one call
// at a time, and so is a topic for the first three, except that AckAlive may be given claims without Instance at
// any time. A new backend passes the suite in coretest.
type Backend interface {
	Watcher
	// BackendRegister takes the places over from any older instance: the hook backend_register. A claim
	// whose Instance is set is sent again and does not become newer by it.
	BackendRegister(ctx context.Context, ttl time.Duration, claims []*Claim) ([]Outcome, error)
	// AckAlive is the beat: the hook ack_alive. It writes whatever the registry lost, and never takes a
	// place over from a newer instance. For a claim without Instance it renews whoever holds the place, and
	// creates nothing.
	AckAlive(ctx context.Context, ttl time.Duration, claims []*Claim) ([]Outcome, error)
	// BackendUnregister leaves the places: the hook backend_unregister. A late beat does not bring the claim
	// back. For a claim without Instance it removes whoever holds the place, and tells the owner.
	BackendUnregister(ctx context.Context, ttl time.Duration, claims []*Claim) ([]Outcome, error)
	// Expire ends a registration as if its TTL had lapsed now; the next beat of a living owner brings it
	// back. It returns Left or Absent.
	Expire(ctx context.Context, topic, host string) (Outcome, error)
	// Remaining returns how long the host stays registered without another beat; 0 if it is not.
	Remaining(ctx context.Context, topic, host string) (time.Duration, error)
	// Topics returns the topics heard of, in order. Best effort: one may be missing for up to a minute.
	Topics(ctx context.Context) ([]string, error)
}

// Choosy is a [Backend] that has no room for some registrations.
type Choosy interface {
	// Keepable returns an [ErrUnsupported] that says why for a registration that it can never keep, else nil. It
	// asks nobody.
	Keepable(r Registration) error
}

// Alerter is a [Backend] that notices things between calls.
type Alerter interface {
	// Alert is called once, before any other method. A backend calls beat when a round of beats is worth
	// sending soon, because it can be reached again or has lost something, and tell to report an event that
	// is not of a registration. It may call both from anywhere, at any time.
	Alert(beat func(), tell func(Event))
}
