package redismm

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/redismm/matchmaker/core"
)

// A stamp orders the registrations of a place: 16 digits of a generation, in microseconds, and 13 random digits
// for those of one microsecond. Its width is fixed, and it holds nothing but digits, because Redis compares strings
// in Lua by the collation of the locale it was started in: Czech sorts letters before digits, Danish aa after z.
const (
	generationSize = 16
	stampSize      = generationSize + 13
	lastGeneration = 1<<53 - 1 // in the year 2255: Lua counts no further
)

func newStamp(generation int64) string {
	var random [8]byte
	rand.Read(random[:]) // never fails
	return stampOf(generation, binary.BigEndian.Uint64(random[:]))
}

func stampOf(generation int64, random uint64) string {
	return fmt.Sprintf("%016d%013d", min(generation, lastGeneration), random%1e13)
}

// kind is the first letter of a liveness key's value.
type kind byte

const (
	absent    kind = 0
	live      kind = 'L'
	tombstone kind = 'T'
)

// value is what a liveness key holds: kind, stamp, rev and record, in this order.
type value struct {
	kind   kind
	stamp  string
	rev    uint64
	record string
}

func parseValue(s string) (value, error) {
	if s == "" {
		return value{}, nil
	}
	rev, record, _ := "", "", false
	if len(s) > 3+stampSize {
		rev, record, _ = strings.Cut(s[3+stampSize:], " ")
	}
	n, err := strconv.ParseUint(rev, 10, 64)
	k := kind(s[0])
	if err != nil || (k != live && k != tombstone) {
		return value{}, fmt.Errorf("liveness key holds %.80q, which no release wrote", s)
	}
	return value{k, s[2 : 2+stampSize], n, record}, nil
}

// encodeValue is the value of a registration that lives.
func encodeValue(stamp string, rev uint64, r *core.Registration, s core.State) string {
	return string(live) + " " + stamp + " " + strconv.FormatUint(rev, 10) + " " + encodeRecord(r, s)
}

// record is what an owner says of its registration beside its name. Fields that a later release adds are
// kept by every script and ignored here.
type record struct {
	Addr   string            `json:"addr,omitempty"`
	Zone   string            `json:"zone,omitempty"`
	Weight int               `json:"weight,omitempty"`
	State  core.State        `json:"state,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

func encodeRecord(r *core.Registration, s core.State) string {
	// Strings, an int and a map of strings: Marshal cannot fail.
	text, _ := json.Marshal(record{r.Addr, r.Zone, r.Weight, s, r.Labels})
	return string(text)
}
