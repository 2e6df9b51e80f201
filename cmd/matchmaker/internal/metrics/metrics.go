// Package metrics counts what a process does that keeps registrations, for Prometheus. How many series there are is
// bounded, whatever is asked for: topics beyond the largest are counted together.
package metrics

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/redismm/matchmaker/core"
)

// Metrics are those of one process. All methods may be called at once.
type Metrics struct {
	registry *prometheus.Registry
	freq     time.Duration
	beats    *prometheus.CounterVec
	seconds  prometheus.Histogram
	lateness prometheus.Histogram
	errors   *prometheus.CounterVec
	events   *prometheus.CounterVec
	resolves map[string]prometheus.Counter
	requests *prometheus.CounterVec
	queries  map[int]prometheus.Counter // by rcode
	awaited  atomic.Value               // func() int
}

// New returns the metrics of a process that beats every freq.
func New(freq time.Duration) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), freq: freq, resolves: make(map[string]prometheus.Counter), queries: make(map[int]prometheus.Counter)}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	histogram := func(name, help string) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)})
		m.registry.MustRegister(h)
		return h
	}
	m.beats = counters("matchmaker_beats_total", "Registrations beaten, by what became of each; unknown is a beat that failed.", "result")
	m.seconds = histogram("matchmaker_beat_seconds", "How long a round of beats took.")
	m.lateness = histogram("matchmaker_beat_lateness_seconds", "How much later than an interval after the one before a round of beats began.")
	m.errors = counters("matchmaker_registry_errors_total", "Calls to the registry that failed, by what they were to do.", "call")
	m.events = counters("matchmaker_events_total", "What happened to registrations of this process, as the log tells it.", "event")
	m.requests = counters("matchmaker_http_requests_total", "Requests answered, by path as the API's document names it, and status.", "path", "status")
	resolves := counters("matchmaker_resolves_total", "Keys answered, by outcome.", "outcome")
	queries := counters("matchmaker_dns_queries_total", "Questions answered by DNS, by code.", "rcode")
	for o := core.Unknown; o <= core.Absent; o++ { // so that a rate knows where it began
		m.beats.WithLabelValues(o.String())
	}
	for k := core.Registered; k <= core.Polling; k++ {
		m.events.WithLabelValues(k.String())
	}
	for _, outcome := range outcomes {
		m.resolves[outcome] = resolves.WithLabelValues(outcome)
	}
	for code, name := range rcodes {
		m.queries[code] = queries.WithLabelValues(name)
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers in the formats that Prometheus reads.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Observe counts an event.
func (m *Metrics) Observe(e core.Event) { m.events.WithLabelValues(e.Kind.String()).Inc() }

// Answered counts a request.
func (m *Metrics) Answered(path string, status int) {
	if path == "" {
		path = "none"
	}
	m.requests.WithLabelValues(path, strconv.Itoa(status)).Inc()
}

// rcodes are the codes of DNS that are answered here.
var rcodes = map[int]string{0: "noerror", 1: "formerr", 2: "servfail", 3: "nxdomain", 4: "notimp", 5: "refused", 16: "badvers"}

// AnsweredDNS counts a question, by the code of its answer.
func (m *Metrics) AnsweredDNS(rcode int) {
	if c := m.queries[rcode]; c != nil {
		c.Inc()
	}
}

var outcomes = []string{"found", "no-hosts", "unknown-topic", "no-match", "cannot-tell", "invalid"}

// Resolve counts what an exchange answers. It adds an atomic counter to a lookup, and nothing to those that do not
// go through it.
func (m *Metrics) Resolve(x core.Exchange) core.Exchange {
	found := m.resolves["found"]
	return func(ctx context.Context, key string) ([]core.Route, error) {
		routes, err := x(ctx, key)
		if err == nil {
			found.Inc()
		} else {
			m.resolves[outcomeOf(err)].Inc()
		}
		return routes, err
	}
}

func outcomeOf(err error) string {
	switch {
	case errors.Is(err, core.ErrNoHosts):
		return "no-hosts"
	case errors.Is(err, core.ErrUnknownTopic):
		return "unknown-topic"
	case errors.Is(err, core.ErrNoMatch):
		return "no-match"
	case errors.Is(err, core.ErrInvalid):
		return "invalid"
	}
	return "cannot-tell"
}
