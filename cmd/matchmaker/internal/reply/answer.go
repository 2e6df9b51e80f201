package reply

import "github.com/redismm/matchmaker/core"

// Answer is what a key leads to.
type Answer struct {
	Key    string  `json:"key"`
	Routes []Route `json:"routes"`
	Error  string  `json:"error,omitempty"`
}

// Route is one host of an answer.
type Route struct {
	Key string `json:"key"`
	// Host is null where the broker routes by the key alone.
	Host   *string      `json:"host"`
	Member *core.Member `json:"member,omitempty"`
}

// AnswerOf is the answer to a key, which shares the hosts' names with routes. Its Routes are never nil.
func AnswerOf(key string, routes []core.Route) Answer {
	a := Answer{Key: key, Routes: make([]Route, len(routes))}
	for i := range routes {
		found := &routes[i]
		a.Routes[i] = Route{Key: found.Key, Member: found.Member}
		if found.Host != "" {
			a.Routes[i].Host = &found.Host
		}
	}
	return a
}
