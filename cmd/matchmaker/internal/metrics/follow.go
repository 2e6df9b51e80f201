package metrics

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
)

// mostTopics is how many topics have series of their own: the largest.
const mostTopics = 100

// otherTopics is the label of the rest. No topic has braces, so none is called so.
const otherTopics = "{other}"

// Follow adds what is to be seen of a matchmaker, and of its store, nil if that tells nothing. Call it once.
func (m *Metrics) Follow(mm *core.HeartbeatMatchMaker, store interface{ Stats() redismm.Stats }) {
	m.registry.MustRegister(&seen{m, mm, store})
}

// Await adds how many registrations are to be kept and are not yet, because their checks have not passed.
func (m *Metrics) Await(awaited func() int) { m.awaited.Store(awaited) }

// seen reads gauges when it is asked for them.
type seen struct {
	metrics *Metrics
	mm      *core.HeartbeatMatchMaker
	store   interface{ Stats() redismm.Stats }
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("matchmaker_"+name, help, labels, nil)
}

var (
	registrations = desc("registrations", "Registrations of this process, by how they stand; valid is as it should be.", "standing")
	members       = desc("members", "Hosts of the topics that are followed, by state; held are those that the registry does not show.", "topic", "state")
	views         = desc("views", "Topics that are followed, by whether the registry confirms what is known of them.", "state")
	viewAge       = desc("view_age_seconds", "How long the registry has not confirmed the oldest of the views; 0 while it confirms all.")
	resyncs       = desc("resyncs_total", "Topics read whole, by why.", "reason")
	subscriptions = desc("subscriptions_total", "Connections on which changes are heard, each after the first in the place of one.")
	deaf          = desc("deaf_subscriptions_total", "Connections replaced because what was published did not come.")
	messages      = desc("messages_total", "Changes heard.")
	glances       = desc("polls_total", "Polls that asked whether anything had changed.")
	redisErrors   = desc("redis_errors_total", "Calls that Redis did not answer, or refused.")
	strangers     = desc("unknown_topics", "Topics that are followed and were never heard of.")
)

// Describe sends the descriptions.
func (s *seen) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{registrations, members, views, viewAge, resyncs, subscriptions, deaf, messages, glances, redisErrors, strangers} {
		to <- d
	}
}

// Collect sends how things are now.
func (s *seen) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	standing := map[string]int{"pending": 0, "valid": 0, "lost": 0, "standing by": 0, "removed": 0, "leaving": 0}
	for _, r := range s.mm.Registrations() {
		standing[r.Standing]++
	}
	standing["awaited"] = 0
	if awaited, ok := s.metrics.awaited.Load().(func() int); ok {
		standing["awaited"] = awaited()
	}
	for name, n := range standing {
		gauge(registrations, float64(n), name)
	}
	s.views(gauge)
	if s.store == nil {
		return
	}
	is := s.store.Stats()
	for why, n := range is.Resyncs {
		counter(resyncs, n, why)
	}
	counter(subscriptions, is.Subscriptions)
	counter(deaf, is.Deaf)
	counter(messages, is.Messages)
	counter(glances, is.Glances)
	counter(redisErrors, is.Errors)
	gauge(strangers, float64(is.Strangers))
}

// states are the states of members, held apart from the rest.
var states = []string{"up", "draining", "failing", "held"}

// views tells of the topics that are followed.
func (s *seen) views(gauge func(d *prometheus.Desc, v float64, labels ...string)) {
	all := s.mm.Live().Views()
	stale, oldest := 0, time.Duration(0)
	for _, v := range all {
		if v.Stale != nil {
			stale++
			if !v.AsOf.IsZero() { // else there never was a list
				oldest = max(oldest, time.Since(v.AsOf))
			}
		}
	}
	gauge(views, float64(stale), "stale")
	gauge(views, float64(len(all)-stale), "fresh")
	gauge(viewAge, oldest.Seconds())
	all = slices.DeleteFunc(all, func(v *core.View) bool { return len(v.Members) == 0 && v.Version == core.Version{} })
	slices.SortStableFunc(all, func(a, b *core.View) int { return cmp.Compare(len(b.Members), len(a.Members)) })
	rest := make(map[string]int)
	for i, v := range all {
		n := counts(v)
		for _, state := range states {
			if i < mostTopics {
				gauge(members, float64(n[state]), v.Topic, state)
			} else {
				rest[state] += n[state]
			}
		}
	}
	if len(all) > mostTopics {
		for _, state := range states {
			gauge(members, float64(rest[state]), otherTopics, state)
		}
	}
}

func counts(v *core.View) map[string]int {
	n := make(map[string]int, len(states))
	for _, m := range v.Members {
		if m.Held {
			n["held"]++
		} else {
			n[m.State.String()]++
		}
	}
	return n
}
