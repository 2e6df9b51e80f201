package core

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net"
	"strconv"
	"strings"
	"time"
)

// Registration is what a host says of itself under a topic.
type Registration struct {
	// Topic and Host name the place: see [CheckTopic] and [CheckHost].
	Topic string `json:"topic"`
	Host  string `json:"host"`
	// Addr is where the host serves, as host:port; empty where the name is enough. Two ports are two topics.
	Addr string `json:"addr,omitempty"`
	// Zone is where the host stands, for callers that prefer near ones.
	Zone string `json:"zone,omitempty"`
	// Weight is the host's share against its neighbours', 1 to 65535; 0 means 1.
	Weight int `json:"weight,omitempty"`
	// Labels are for callers; the matchmaker does not read them.
	Labels map[string]string `json:"labels,omitempty"`
}

// MaxRecord is the most that addr, zone and labels may take together, in bytes.
const MaxRecord = 4096

// MaxWeight is the largest weight.
const MaxWeight = 65535

// Check returns nil for a registration that can be kept, else an [ErrInvalid].
func (r *Registration) Check() error {
	if err := CheckTopic(r.Topic); err != nil {
		return err
	}
	if err := CheckHost(r.Host); err != nil {
		return err
	}
	if err := checkAddr(r.Addr); err != nil {
		return err
	}
	if r.Weight < 0 || r.Weight > MaxWeight {
		return Invalid("weight", strconv.Itoa(r.Weight), "want 1 to 65535, or 0 for 1")
	}
	if err := checkText("zone", r.Zone); err != nil {
		return err
	}
	size := len(r.Addr) + len(r.Zone)
	for k, v := range r.Labels {
		if k == "" {
			return Invalid("label", "="+v, "want a name before the =")
		}
		if err := checkText("label", k+"="+v); err != nil {
			return err
		}
		size += len(k) + len(v)
	}
	if size > MaxRecord {
		return Invalid("record", fmt.Sprintf("%d bytes", size), "addr, zone and labels may take 4096 bytes together")
	}
	return nil
}

func checkAddr(addr string) error {
	if addr == "" {
		return nil
	}
	if err := checkText("addr", addr); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(addr)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || perr != nil || n == 0 {
		return Invalid("addr", addr, "want host:port with a port of 1 to 65535, an IPv6 address in brackets")
	}
	return nil
}

func (r Registration) clone() Registration {
	r.Labels = maps.Clone(r.Labels)
	return r
}

// State says whether a host wants work.
type State uint8

const (
	// Up wants work.
	Up State = iota
	// Draining finishes what it has and wants no more.
	Draining
	// Failing is listed and does not pass its own checks.
	Failing
)

var states = [...]string{"up", "draining", "failing"}

func (s State) String() string {
	if int(s) < len(states) {
		return states[s]
	}
	return "state " + strconv.Itoa(int(s))
}

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name. One that a later release invented is Failing: known to be there, and
// the last to be picked.
func (s *State) UnmarshalText(text []byte) error {
	*s = Failing
	for i, name := range states {
		if name == string(text) {
			*s = State(i)
		}
	}
	return nil
}

// Member is a registered host as a view shows it.
type Member struct {
	Registration
	State State `json:"state"`
	// Held says that the registry does not show the host now and that nobody has said it is gone: the
	// registry may have lost it, or its process died less than a TTL ago.
	Held bool `json:"held,omitempty"`
	// Instance identifies the registration that holds the place; a newer one compares larger.
	Instance string `json:"instance,omitempty"`
}

// Version identifies a state of a topic. The zero Version is a topic never heard of.
type Version struct {
	Epoch  string `json:"epoch,omitempty"`
	Change string `json:"change,omitempty"`
	Seq    uint64 `json:"seq,omitempty"`
}

// View is what is known of a topic at one time. It is immutable, and so are its members, which are in the order
// of their hosts; a member that has not changed is the same in the next view.
type View struct {
	Topic   string
	Members []*Member
	Version Version
	// AsOf is when the registry last confirmed the view before it was shown, by this process's clock. A view
	// that is confirmed again is not shown again.
	AsOf time.Time
	// Stale is nil, or why the registry cannot be asked now. Members are then the last known.
	Stale error

	// lost holds the hosts that are held because the registry lost them with all it knew, and lostUntil how
	// long that speaks for them: see after.
	lost      map[string]bool
	lostUntil time.Time
}

// Err returns nil if the view shows somebody, else the reason that a lookup in it returns.
func (v *View) Err() error {
	switch {
	case len(v.Members) > 0:
		return nil
	case v.Stale != nil:
		return fmt.Errorf("%w: topic %q: %w", ErrUnavailable, v.Topic, v.Stale)
	case v.Version == Version{}:
		return fmt.Errorf("%w: %q", ErrUnknownTopic, v.Topic)
	}
	return fmt.Errorf("%w for topic %q", ErrNoHosts, v.Topic)
}

// Same says whether two members are the same to a [Policy]: a [Pick] among the one may go on among the other.
func (m *Member) Same(o *Member) bool {
	return m.Host == o.Host && m.Addr == o.Addr && m.Zone == o.Zone && m.Weight == o.Weight &&
		m.State == o.State && m.Held == o.Held && maps.Equal(m.Labels, o.Labels)
}

// Pickable returns the members among which a lookup picks: those Up and not held; if there are none, those
// Up; if none, those Draining; if none, those Failing. Every front uses this one rule, and those that follow a
// topic by [View.Pickable].
func Pickable(members []*Member) []*Member { return pickable(members, nil) }

// Pickable returns the members among which a lookup in the view picks: [Pickable], but in a view of [Live] those
// that are held because the registry lost all it knew are as good as those that are back already, for an interval
// and a second. Else the first to be back would get the work of all.
func (v *View) Pickable() []*Member { return pickable(v.Members, v.lost) }

func pickable(members []*Member, lost map[string]bool) []*Member {
	ranks := [4][]*Member{make([]*Member, 0, len(members))}
	for _, m := range members {
		rank := 3
		switch {
		case m.State == Up && (!m.Held || lost[m.Host]):
			rank = 0
		case m.State == Up:
			rank = 1
		case m.State == Draining:
			rank = 2
		}
		ranks[rank] = append(ranks[rank], m)
	}
	for _, best := range ranks {
		if len(best) > 0 {
			return best
		}
	}
	return nil
}

// after is v as it is seen after an older view of the topic, or nil. Who was there and is held in a new epoch, or
// once the registry answers again, was lost by the registry with all it knew or lapsed because nobody could beat, which
// says nothing against it for grace, in which whoever lives is back; who was held before is as suspect as ever.
func (v *View) after(old *View, grace time.Duration) *View {
	if old == nil {
		return v
	}
	anew := old.Version.Epoch != v.Version.Epoch || old.Stale != nil
	if !anew && len(old.lost) == 0 {
		return v
	}
	now := time.Now()
	was := make(map[string]*Member, len(old.Members))
	for _, m := range old.Members {
		was[m.Host] = m
	}
	seen := *v
	seen.lost, seen.lostUntil = make(map[string]bool), old.lostUntil
	for _, m := range v.Members {
		switch before := was[m.Host]; {
		case !m.Held || before == nil:
		case old.lost[m.Host] && (anew || v.Stale != nil): // nobody could beat meanwhile
			seen.lost[m.Host], seen.lostUntil = true, now.Add(grace)
		case old.lost[m.Host] && now.Before(old.lostUntil):
			seen.lost[m.Host] = true
		case !before.Held && anew:
			seen.lost[m.Host], seen.lostUntil = true, now.Add(grace)
		}
	}
	return &seen
}

// Reach returns whom a front that connects to hosts picks among: the [View.Pickable] of the members that have an Addr
// and that want accepts; a nil want accepts all. If there are none the error says why, as Err does, or that it is
// an [ErrNoHosts] and which hosts have no Addr.
func (v *View) Reach(want func(*Member) bool) ([]*Member, error) {
	if err := v.Err(); err != nil {
		return nil, err
	}
	reachable := make([]*Member, 0, len(v.Members))
	var without []string
	for _, m := range v.Members {
		switch {
		case want != nil && !want(m):
		case m.Addr == "":
			without = append(without, m.Host)
		default:
			reachable = append(reachable, m)
		}
	}
	switch {
	case len(reachable) > 0:
		return pickable(reachable, v.lost), nil
	case len(without) > 0:
		return nil, fmt.Errorf("%w with an address for topic %q: %s registered without", ErrNoHosts, v.Topic, someOf(without))
	}
	return nil, fmt.Errorf("%w of those wanted for topic %q", ErrNoHosts, v.Topic)
}

// someOf lists names, the first few of many.
func someOf(names []string) string {
	const few = 5
	if more := len(names) - few; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), more)
	}
	return strings.Join(names, ", ")
}

// Directory says who is registered under a topic, asking the registry each time.
type Directory interface {
	// Members returns the live members. A topic with none is a view without members and a nil error;
	// [ErrUnavailable] means that nobody can tell.
	Members(ctx context.Context, topic string) (*View, error)
}

// Watcher follows topics.
type Watcher interface {
	Directory
	// Watch yields the view of a topic: the first within a second, then each newer one. A slow reader gets
	// the newest and holds up nobody. The sequence ends with ctx only; when the registry fails, the last view
	// comes again with Stale set.
	Watch(ctx context.Context, topic string) iter.Seq[*View]
}
