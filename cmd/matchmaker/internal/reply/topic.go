package reply

import "github.com/redismm/matchmaker/core"

// Counts are how many hosts a topic has, and in which state.
type Counts struct {
	Topic    string `json:"topic"`
	Hosts    int    `json:"hosts"`
	Up       int    `json:"up"`
	Draining int    `json:"draining"`
	Failing  int    `json:"failing"`
}

// CountsOf counts the members of a view.
func CountsOf(v *core.View) Counts {
	c := Counts{Topic: v.Topic, Hosts: len(v.Members)}
	for _, m := range v.Members {
		switch m.State {
		case core.Up:
			c.Up++
		case core.Draining:
			c.Draining++
		default:
			c.Failing++
		}
	}
	return c
}
