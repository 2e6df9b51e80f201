package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// scenario is what the original matchmaker was asked and answered, from its construction on. The fields are
// explained in testdata/golden/README.md.
type scenario struct {
	Name         string
	Matchmaker   string
	Bindings     []boundTrace
	Host         string
	Ring         json.RawMessage
	RingfileText *string  `json:"ringfile_text"`
	TTL          int      `json:"ttl_s"`
	Freq         int      `json:"freq_s"`
	QuirkReplay  string   `json:"quirk_replay"`
	QuirkIDs     []string `json:"quirk_ids"`
	Steps        []*step

	Ours json.RawMessage // what becomes of the construction, where it differs
	Why  string          // why ours differs although a correct implementation need not

	foreign bool // not one of the project's own
}

type boundTrace struct {
	Binding, Exchange string
	Host              string
	Last              *bool
	Ring              map[string][]string
}

type step struct {
	Op, Topic, Host, Key string
	Peer                 int
	Raw                  bool
	TTL                  int `json:"ttl_s"`
	MS                   int
	Call                 *step
	Exception            string

	Order            string
	Want             json.RawMessage
	WantMin, WantMax *int64

	Ours    json.RawMessage // the answer where it differs
	Oslo    json.RawMessage // the same in the original's layout
	LeftOut string          `json:"left_out"` // why the step has no counterpart here
}

// UnmarshalJSON reads a step; the names of two fields have underscores.
func (s *step) UnmarshalJSON(text []byte) error {
	type plain step
	bounds := struct {
		*plain
		Min *int64 `json:"want_min"`
		Max *int64 `json:"want_max"`
	}{plain: (*plain)(s)}
	err := json.Unmarshal(text, &bounds)
	s.WantMin, s.WantMax = bounds.Min, bounds.Max
	return err
}

// kind is how the scenario is to be replayed: as plain, or by its quirk.
func (sc *scenario) kind() string {
	if sc.QuirkReplay == "" {
		return "plain"
	}
	return sc.QuirkReplay
}

func (sc *scenario) decidedFor(layout string) bool {
	return sc.Ours != nil || slices.ContainsFunc(sc.Steps, func(x *step) bool {
		return layout == "" && x.Ours != nil || layout != "" && x.Oslo != nil
	})
}

const recorded = "testdata/golden"

// traces returns the scenarios of each file: those of the folder that MATCHMAKER_GOLDEN names, with the
// answers that are decided here added, or else the project's own.
func traces(t *testing.T) (files map[string][]*scenario, own bool) {
	t.Helper()
	files = readTraces(t, recorded)
	folder := os.Getenv("MATCHMAKER_GOLDEN")
	if folder == "" {
		return files, true
	}
	others := readTraces(t, folder)
	for file, scs := range others {
		for _, sc := range scs {
			sc.foreign = true
			for _, known := range files[file] {
				sc.decideAs(known)
			}
		}
	}
	return others, false
}

func readTraces(t *testing.T, folder string) map[string][]*scenario {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no traces in %s (%v): want a folder of *.json files", folder, err)
	}
	files := make(map[string][]*scenario)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var scs []*scenario
		if err := json.Unmarshal(text, &scs); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		files[strings.TrimSuffix(filepath.Base(path), ".json")] = scs
	}
	return files
}

// decideAs takes over what is decided here about the same scenario.
func (sc *scenario) decideAs(known *scenario) {
	if sc.Name != known.Name || len(sc.Steps) != len(known.Steps) {
		return
	}
	sc.Ours, sc.Why = known.Ours, known.Why
	for i, x := range known.Steps {
		if sc.Steps[i].Op == x.Op {
			sc.Steps[i].Ours, sc.Steps[i].Oslo, sc.Steps[i].LeftOut = x.Ours, x.Oslo, x.LeftOut
		}
	}
}

// differs says whether what is decided here about a step is another answer than the original's.
func (x *step) differs(decided json.RawMessage) bool {
	var ours, want any
	_ = json.Unmarshal(decided, &ours)
	switch {
	case x.Op == "raises":
		want = "raises " + x.Exception
	case x.Op == "ttl":
		return !reflect.DeepEqual(ours, map[string]any{"want_min": float64(*x.WantMin), "want_max": float64(*x.WantMax)})
	default:
		_ = json.Unmarshal(x.Want, &want)
	}
	return !reflect.DeepEqual(ours, want)
}

// pair is an answer of a lookup as the traces have it. No host and the empty host are one.
type pair [2]string

func (p *pair) UnmarshalJSON(text []byte) error {
	var both []*string
	if err := json.Unmarshal(text, &both); err != nil || len(both) != 2 || both[0] == nil {
		return fmt.Errorf("%s: want [key, host or null] (%v)", text, err)
	}
	p[0] = *both[0]
	if both[1] != nil {
		p[1] = *both[1]
	}
	return nil
}

// dump is all registrations: topic to members, and member to whether it has a TTL.
type dump struct {
	Sets   map[string][]string `json:"sets"`
	Live   map[string]bool     `json:"live"`
	SetTTL []string            `json:"set_ttl,omitempty"` // sets with a TTL that are no liveness keys
}

// local is the registrations of one process.
type local struct {
	Hosts         []string    `json:"hosts"`
	Registrations [][2]string `json:"registrations"`
}

// agrees says whether an answer is the expected one. An answer that is a string names what became of the
// call instead: "ok", or an error.
func (x *step) agrees(expected json.RawMessage, got any) bool {
	if word, isWord := got.(string); isWord {
		return string(expected) == fmt.Sprintf("%q", word) || string(expected) == `"raises"` && word != "ok"
	}
	switch got := got.(type) {
	case []pair:
		var want []pair
		return json.Unmarshal(expected, &want) == nil && pairsAgree(x.order(), want, got)
	case dump:
		var want dump
		if json.Unmarshal(expected, &want) != nil {
			return false
		}
		// The original's sets hold who lapsed until somebody looks: they are compared where decided here.
		return same(want.Live, got.Live) && (x.Ours == nil || same(want.Sets, got.Sets))
	case rawDump:
		var want dump
		return json.Unmarshal(expected, &want) == nil &&
			same(want.Live, got.Live) && same(want.Sets, got.Sets) && slices.Equal(want.SetTTL, got.SetTTL)
	case local:
		var want local
		return json.Unmarshal(expected, &want) == nil && reflect.DeepEqual(want, got)
	case int64:
		var bounds step
		return json.Unmarshal(expected, &bounds) == nil && *bounds.WantMin <= got && got <= *bounds.WantMax
	}
	var want any
	return json.Unmarshal(expected, &want) == nil && reflect.DeepEqual(want, got)
}

// order is how a lookup's answer is compared; a call that raised did not say.
func (x *step) order() string {
	if x.Op == "raises" {
		return "any"
	}
	return x.Order
}

func pairsAgree(order string, want, got []pair) bool {
	switch order {
	case "exact":
		return slices.Equal(want, got)
	case "one_of":
		return len(want) == 0 && len(got) == 0 || len(got) == 1 && slices.Contains(want, got[0])
	}
	byText := func(a, b pair) int { return strings.Compare(a[0]+"\x00"+a[1], b[0]+"\x00"+b[1]) }
	return slices.Equal(slices.SortedFunc(slices.Values(want), byText), slices.SortedFunc(slices.Values(got), byText))
}

// same compares maps, of which an absent one is empty.
func same[M ~map[string]V, V any](a, b M) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}
