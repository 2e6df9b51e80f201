package api

import (
	"math"
	"slices"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
)

// Process is how this process is.
type Process struct {
	Time time.Time `json:"time"`
	// Ready is what /readyz answers.
	Ready    Ready    `json:"ready"`
	Registry Registry `json:"registry"`
	// Interval and TTL are those of its own heartbeats, in seconds.
	Interval float64 `json:"interval_seconds"`
	TTL      float64 `json:"ttl_seconds"`
	// Registrations are those that it keeps, those that are not valid first, and LeftOut how many more there are.
	Registrations []Registration `json:"registrations"`
	LeftOut       int            `json:"registrations_left_out,omitempty"`
	// Topics are those that are told of, and TopicsLeftOut how many more there are.
	Topics        []string `json:"topics"`
	TopicsLeftOut int      `json:"topics_left_out,omitempty"`
}

// Registry is whether the registry answers.
type Registry struct {
	Answers bool `json:"answers"`
	// Since is when it last answered, if it ever did, and Error why it does not.
	Since *time.Time `json:"since,omitempty"`
	Error string     `json:"error,omitempty"`
}

// Lives is how long the hosts of a topic have left.
type Lives struct {
	Topic string    `json:"topic"`
	Time  time.Time `json:"time"`
	// Left has the seconds for which each host stays registered without another heartbeat. Who is held is not there.
	Left map[string]float64 `json:"left"`
	// Drains are the drains from outside, by host.
	Drains map[string]DrainLeft `json:"drains"`
}

// DrainLeft is a drain that goes on for some seconds.
type DrainLeft struct {
	Left   float64 `json:"left_seconds"`
	Reason string  `json:"reason,omitempty"`
}

// mostListed bounds the registrations that readers of everything are told of.
const mostListed = 100

// processOf says how this process is, with these registrations.
func (a *API) processOf(all []core.Status) Process {
	p := Process{Time: time.Now().UTC(), Ready: a.readyNow(all), Interval: a.Freq.Seconds(), TTL: a.TTL.Seconds(),
		Registrations: []Registration{}, LeftOut: max(0, len(all)-mostListed)}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b core.Status) int { return doubtful(a) - doubtful(b) })
	for _, s := range sorted[:len(all)-p.LeftOut] {
		p.Registrations = append(p.Registrations, registrationOf(s))
	}
	return p
}

// doubtful sorts what is not valid first.
func doubtful(s core.Status) int {
	if s.Standing == "valid" {
		return 1
	}
	return 0
}

func livesOf(topic string, l *redismm.Lives) Lives {
	told := Lives{Topic: topic, Time: time.Now().UTC(), Left: make(map[string]float64, len(l.Left)), Drains: make(map[string]DrainLeft, len(l.Drains))}
	for host, left := range l.Left {
		told.Left[host] = tenths(left)
	}
	for host, d := range l.Drains {
		told.Drains[host] = DrainLeft{tenths(d.Left), d.Reason}
	}
	return told
}

// tenths is a time in seconds, to a tenth.
func tenths(d time.Duration) float64 { return math.Round(d.Seconds()*10) / 10 }
