package history

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/redismm/matchmaker/core"
)

// What says what an event is.
type What string

const (
	// Registering: Process wants Host under Topic from now on.
	Registering What = "registering"
	// Valid: Process was told that Instance holds the place, first at At and last at Last, and counts on it
	// until Until. Anew says that the registry did not know Instance when it was told so first.
	Valid What = "valid"
	// Superseded: Process was told that a newer instance holds the place.
	Superseded What = "superseded"
	// Draining: Process wants no more work at the place.
	Draining What = "draining"
	// Leaving: Process wants to leave the place. Left: it was told that it has.
	Leaving What = "leaving"
	Left    What = "left"
	// Ended: Process does nothing any more. What it had not left by then has died.
	Ended What = "ended"
	// Watching: Process follows Topic from now on.
	Watching What = "watching"
	// Seen: Process was shown a view of Topic. Changes are what differs from the view before.
	Seen What = "seen"
	// Picked: a lookup of Topic from memory, begun at Asked, answered Host, or Answer. Read: a lookup without
	// memory, begun at Asked, answered Changes, or Answer.
	Picked What = "picked"
	Read   What = "read"
	// Fault: from now until the Mended event of the same Number something is wrong with the way between the
	// registry and Process, or everybody if it is empty, as far as Topic is concerned, or all if it is empty.
	Fault  What = "fault"
	Mended What = "mended"
	// Lost: the registry lost the liveness of Host under Topic; all of Topic if Host is empty; everything if
	// both are; and of it only what it was told since Since, if that is not 0: it went back to a copy.
	Lost What = "lost"
	// Unswept: who swept Topic died, or cannot go on; until the Mended event of the same Number nobody does.
	Unswept What = "unswept"
	// Split: until the Mended event of the same Number more than one server may take itself for the primary,
	// and answer by what it alone was told.
	Split What = "split"
	// Sent: Number commands were sent to the registry in the second that ends now.
	Sent What = "sent"
)

// Answers of a lookup that found nobody.
const (
	NoHosts     = "no live hosts"
	Unknown     = "never heard of"
	Unavailable = "cannot tell"
)

// Event is one thing that happened. Times are since the history began.
type Event struct {
	At       time.Duration `json:"at"`
	What     What          `json:"what"`
	Process  string        `json:"process,omitempty"`
	Topic    string        `json:"topic,omitempty"`
	Host     string        `json:"host,omitempty"`
	Instance string        `json:"instance,omitempty"`
	Last     time.Duration `json:"last,omitempty"`
	Until    time.Duration `json:"until,omitempty"`
	Anew     bool          `json:"anew,omitempty"`
	Asked    time.Duration `json:"asked,omitempty"`
	Since    time.Duration `json:"since,omitempty"`
	Answer   string        `json:"answer,omitempty"`
	Name     string        `json:"name,omitempty"`
	Number   int           `json:"number,omitempty"`
	Stale    bool          `json:"stale,omitempty"`
	Changes  []Sight       `json:"changes,omitempty"`
}

// Sight is a host in a view. Without Instance it is not there any more.
type Sight struct {
	Host     string     `json:"host"`
	Instance string     `json:"instance,omitempty"`
	State    core.State `json:"state,omitempty"`
	Held     bool       `json:"held,omitempty"`
}

func (s Sight) String() string {
	text := s.Host + " " + short(s.Instance)
	if s.State != core.Up {
		text += " " + s.State.String()
	}
	if s.Held {
		text += " held"
	}
	return text
}

// short is enough of an instance to tell it from others of its place.
func short(instance string) string {
	if len(instance) > 24 {
		return instance[8:16] + ".." + instance[len(instance)-4:]
	}
	return cmp.Or(instance, "absent")
}

func (e *Event) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%-12s %s", clock(e.At), e.What)
	for _, part := range []string{e.Name, e.Process, strings.Trim(e.Topic+"."+e.Host, "."), e.Answer} {
		if part != "" {
			text.WriteString(" " + part)
		}
	}
	if e.Instance != "" {
		text.WriteString(" " + short(e.Instance))
	}
	if e.What == Valid {
		fmt.Fprintf(&text, " last told %s, until %s", clock(e.Last), clock(e.Until))
		if e.Anew {
			text.WriteString(", anew")
		}
	}
	if e.Stale {
		text.WriteString(" stale")
	}
	for _, c := range e.Changes {
		text.WriteString(" [" + c.String() + "]")
	}
	return text.String()
}

// clock spells a time since the history began.
func clock(d time.Duration) string {
	if d >= never {
		return "never"
	}
	d = d.Round(time.Millisecond)
	return fmt.Sprintf("%02d:%02d:%02d.%03d", d/time.Hour, d/time.Minute%60, d/time.Second%60, d/time.Millisecond%1000)
}
