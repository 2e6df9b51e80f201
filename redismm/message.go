package redismm

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// message tells the watchers of a topic one step of its version.
type message struct {
	Epoch    string     `json:"e"`
	Seq      string     `json:"s"`
	Change   string     `json:"c"`
	Previous string     `json:"p"`
	N        string     `json:"n"`
	Changes  [][]string `json:"o"` // what, host, and as the word wants; none: too many to tell
}

func parseMessage(text string) (*message, error) {
	m := new(message)
	if err := json.Unmarshal([]byte(text), m); err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	for _, c := range m.Changes {
		want := map[string]int{"up": 5, "left": 3, "expired": 3, "suspect": 2, "drain": 4}[at(c, 0)]
		if want == 0 || len(c) != want {
			m.Changes = nil // of a later release: read instead
			break
		}
	}
	return m, nil
}

func at(c []string, i int) string {
	if i < len(c) {
		return c[i]
	}
	return ""
}

func (m *message) version() version { return version{m.Epoch, m.Seq, m.Change, m.N} }

// after says whether v was made by a step after w: of another epoch, or of a later one of the same.
func (v version) after(w version) bool {
	mine, _ := strconv.ParseUint(v.seq, 10, 64)
	its, _ := strconv.ParseUint(w.seq, 10, 64)
	return v.epoch != "" && (v.epoch != w.epoch || mine > its)
}

// follows says whether the message is the very next step after v.
func (m *message) follows(v version) bool {
	mine, err1 := strconv.ParseUint(v.seq, 10, 64)
	its, err2 := strconv.ParseUint(m.Seq, 10, 64)
	return err1 == nil && err2 == nil && m.Epoch == v.epoch && its == mine+1 && m.Previous == v.change
}
