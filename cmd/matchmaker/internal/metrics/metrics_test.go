package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
	"github.com/redismm/matchmaker/redismm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type stats redismm.Stats

func (s stats) Stats() redismm.Stats { return redismm.Stats(s) }

// start returns metrics of a matchmaker over a registry, which beats every second when it is told to.
func start(t *testing.T, registry core.Backend) (*Metrics, *core.HeartbeatMatchMaker) {
	t.Helper()
	m := New(time.Second)
	mm, err := core.NewHeartbeat(m.Backend(registry), core.HeartbeatConfig{Freq: time.Second, Observe: m.Observe})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mm.Close() })
	m.Follow(mm, stats{Resyncs: map[string]uint64{"first": 2, "poll": 1}, Subscriptions: 3, Errors: 4})
	return m, mm
}

func (m *Metrics) page() string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// says holds a page to lines.
func says(t *testing.T, page string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+page, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			t.Errorf("there is no line %s, but\n%s", line, strings.Join(regexp.MustCompile(`(?m)^`+name+`.*$`).FindAllString(page, -1), "\n"))
		}
	}
}

func TestBeatsAreCountedByResultAndTheirTimeIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := coretest.NewMemory()
		m, mm := start(t, registry)
		defer mm.Close()
		if err := mm.Register(t.Context(), core.Registration{Topic: "x", Host: "a"}, core.Registration{Topic: "x", Host: "b"}); err != nil {
			t.Fatal(err)
		}
		for _, wait := range []time.Duration{0, time.Second, 5 * time.Second} { // the last comes 4 s late
			time.Sleep(wait)
			if err := mm.SendHeartbeats(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		registry.Break(errors.New("connection refused"))
		mm.SendHeartbeats(t.Context())
		page := m.page()
		says(t, page, `matchmaker_beats_total{result="kept"} 4`, `matchmaker_beats_total{result="joined"} 2`, `matchmaker_beats_total{result="unknown"} 2`,
			`matchmaker_beats_total{result="superseded"} 0`, `matchmaker_beat_seconds_count 4`, `matchmaker_beat_lateness_seconds_count 3`,
			`matchmaker_beat_lateness_seconds_sum 4`, `matchmaker_registry_errors_total{call="beat"} 1`, `matchmaker_events_total{event="registered"} 2`,
			`matchmaker_events_total{event="degraded"} 1`, `matchmaker_registrations{standing="valid"} 2`, `matchmaker_registrations{standing="standing by"} 0`,
			`matchmaker_resyncs_total{reason="first"} 2`, `matchmaker_subscriptions_total 3`, `matchmaker_redis_errors_total 4`)
	})
}

func TestViewsAreCountedByStateAndTheirAgeIsSinceTheRegistryFellSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := coretest.NewMemory()
		m, mm := start(t, registry)
		defer mm.Close()
		mm.Register(t.Context(), core.Registration{Topic: "x", Host: "a"}, core.Registration{Topic: "x", Host: "b"}, core.Registration{Topic: "x", Host: "c"})
		mm.Drain(t.Context(), "x", "b")
		mm.Fail(t.Context(), "x", "c")
		mm.Live().Members(t.Context(), "x")
		mm.Live().Members(t.Context(), "nosuch")
		synctest.Wait()
		says(t, m.page(), `matchmaker_members{state="up",topic="x"} 1`, `matchmaker_members{state="draining",topic="x"} 1`,
			`matchmaker_members{state="failing",topic="x"} 1`, `matchmaker_members{state="held",topic="x"} 0`,
			`matchmaker_views{state="fresh"} 2`, `matchmaker_views{state="stale"} 0`, `matchmaker_view_age_seconds 0`)
		registry.Break(errors.New("connection refused"))
		synctest.Wait()
		time.Sleep(30 * time.Second)
		page := m.page()
		says(t, page, `matchmaker_views{state="stale"} 2`)
		if age := regexp.MustCompile(`(?m)^matchmaker_view_age_seconds (\d+)`).FindStringSubmatch(page); age == nil || len(age[1]) != 2 {
			t.Errorf("the age is %q, want about 30", age)
		}
		mm.Live().Members(t.Context(), "never")
		synctest.Wait()
		if age := regexp.MustCompile(`(?m)^matchmaker_view_age_seconds (\S+)`).FindStringSubmatch(m.page()); len(age) != 2 || len(age[1]) > 20 || strings.Contains(age[1], "e+") {
			t.Errorf("the age is %q beside a topic that was never read, want about 30", age)
		}
		if strings.Contains(page, `topic="nosuch"`) {
			t.Error("a topic never heard of has series")
		}
	})
}

func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	registry := coretest.NewMemory()
	m, mm := start(t, registry)
	for i := range 3 * mostTopics {
		topic := fmt.Sprintf("t%03d", i)
		rs := []core.Registration{{Topic: topic, Host: "a"}, {Topic: topic, Host: "b"}}
		if i >= mostTopics {
			rs = rs[:1]
		}
		if err := mm.Register(t.Context(), rs...); err != nil {
			t.Fatal(err)
		}
		mm.Live().Members(t.Context(), topic)
	}
	resolve := m.Resolve(mm.Resolve)
	for i := range 1000 {
		resolve(t.Context(), fmt.Sprint("nosuch ", i))
		m.Answered("", 404)
		m.AnsweredDNS(i)
	}
	page := m.page()
	if n := len(regexp.MustCompile(`(?m)^matchmaker_members\{state="up",`).FindAllString(page, -1)); n != mostTopics+1 {
		t.Errorf("%d topics have series, want %d and the rest", n, mostTopics)
	}
	says(t, page, `matchmaker_members{state="up",topic="t000"} 2`, `matchmaker_members{state="up",topic="{other}"} 200`,
		`matchmaker_http_requests_total{path="none",status="404"} 1000`,
		`matchmaker_dns_queries_total{rcode="nxdomain"} 1`)
	if n := strings.Count(page, "\n"); n > 1000 {
		t.Errorf("%d lines", n)
	}
}

func TestResolvesAreCountedByOutcomeAndCostNoAllocation(t *testing.T) {
	m := New(time.Second)
	for _, err := range []error{nil, nil, core.ErrNoHosts, core.ErrUnknownTopic, core.ErrNoBinding, core.ErrUnavailable, context.Canceled,
		core.Invalid("key", "", "want one")} {
		m.Resolve(func(context.Context, string) ([]core.Route, error) { return nil, err })(t.Context(), "x")
	}
	says(t, m.page(), `matchmaker_resolves_total{outcome="found"} 2`, `matchmaker_resolves_total{outcome="no-hosts"} 1`, `matchmaker_resolves_total{outcome="unknown-topic"} 1`,
		`matchmaker_resolves_total{outcome="no-match"} 1`, `matchmaker_resolves_total{outcome="cannot-tell"} 2`, `matchmaker_resolves_total{outcome="invalid"} 1`)
	routes := []core.Route{{Key: "x"}}
	x := m.Resolve(func(context.Context, string) ([]core.Route, error) { return routes, nil })
	if n := testing.AllocsPerRun(100, func() { x(t.Context(), "x") }); n > 0 {
		t.Errorf("counting a lookup allocates %f times", n)
	}
}

func TestNamesAreAsPrometheusWantsThem(t *testing.T) {
	t.Parallel()
	m, mm := start(t, coretest.NewMemory())
	mm.Register(t.Context(), core.Registration{Topic: "x", Host: "a"})
	mm.Live().Members(t.Context(), "x")
	problems, err := promlint.New(bytes.NewBufferString(m.page())).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// The alerts ask for what is there. That Prometheus reads the file is another test, of integration.
func TestAlertsAskForMetricsThatAreThereAndSayWhatToDo(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	m, mm := start(t, coretest.NewMemory())
	mm.Register(t.Context(), core.Registration{Topic: "x", Host: "a"})
	mm.SendHeartbeats(t.Context())
	page, n := m.page(), 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			n++
			asked := regexp.MustCompile(`matchmaker_\w+`).FindAllString(r.Expr, -1)
			if len(asked) == 0 || r.For == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || !strings.Contains(r.Annotations["runbook"], "`matchmaker ") {
				t.Errorf("%+v", r)
			}
			for _, name := range asked {
				if !strings.Contains(page, "\n"+name+"{") && !strings.Contains(page, "\n"+name+" ") {
					t.Errorf("%s asks for %s, which is not there", r.Alert, name)
				}
			}
			for _, standing := range regexp.MustCompile(`standing=~?"([^"]*)"`).FindAllStringSubmatch(r.Expr, -1) {
				for _, s := range strings.Split(standing[1], "|") {
					if !strings.Contains(page, `standing="`+s+`"`) {
						t.Errorf("%s asks for standing %q", r.Alert, s)
					}
				}
			}
		}
	}
	if n < 3 {
		t.Errorf("%d rules", n)
	}
}
