package ringmm

import "sync"

// EventKind says what happened to a ring.
type EventKind uint8

const (
	// Loaded: the ring file changed, and lookups answer from the new ring.
	Loaded EventKind = iota + 1
	// Refused: the ring file cannot be loaded, and lookups go on answering from the ring before; Err says why.
	Refused
	// Restored: the ring file can be loaded again, and says what it said before.
	Restored
	// UnknownTopic: somebody asked for Topic, which is not in the ring. It is told once for a topic and load,
	// for the first thousand topics.
	UnknownTopic
)

var eventKinds = [...]string{"", "loaded", "refused", "restored", "unknown topic"}

func (k EventKind) String() string {
	if int(k) < len(eventKinds) {
		return eventKinds[k]
	}
	return "event"
}

// Event is what a [Ring] tells its observers, in the goroutine that met it. They must not block, nor call Close,
// which waits for the goroutine that looks at the file.
type Event struct {
	Kind  EventKind
	Path  string // of the ring file; empty for a ring made by New
	Topic string // for UnknownTopic
	Err   error  // for Refused
}

const maxUnknown = 1000

// unknown remembers which unknown topics were told since the last load.
type unknown struct {
	mu     sync.Mutex
	loads  uint64
	topics map[string]struct{}
}

// first says whether a topic is to be told.
func (u *unknown) first(loads uint64, topic string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.loads < loads {
		u.loads, u.topics = loads, make(map[string]struct{})
	}
	if _, told := u.topics[topic]; told || len(u.topics) == maxUnknown {
		return false
	}
	u.topics[topic] = struct{}{}
	return true
}
