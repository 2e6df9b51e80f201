package reply

// Verdict is what became of one place, or how it is. Outcome is the word of a [core.Outcome], or draining or up
// for a drain.
type Verdict struct {
	Topic    string  `json:"topic"`
	Host     string  `json:"host"`
	Addr     string  `json:"addr,omitempty"`
	Outcome  string  `json:"outcome,omitempty"`
	Alive    *bool   `json:"alive,omitempty"`
	Instance string  `json:"instance,omitempty"`
	Left     float64 `json:"ttl_seconds,omitempty"`
	Error    string  `json:"error,omitempty"`
}
