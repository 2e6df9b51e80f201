package api

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/redismm/matchmaker/core"
)

var errDown = errors.New("connection refused")

// steady takes out of a body what differs each time.
func steady(body string) string {
	return regexp.MustCompile(`"(instance|version|as_of|valid_until|since|time)":"[^"]*"`).ReplaceAllString(strings.TrimSpace(body), `"$1":"?"`)
}

func TestReadsAnswerInTheCommandsJSON(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("compute", "node1", "node2")
	s.put("a/b c", "x/y")
	const node1 = `{"topic":"compute","host":"node1","state":"up","instance":"?"}`
	const node2 = `{"topic":"compute","host":"node2","state":"up","instance":"?"}`
	for _, c := range []struct{ path, want string }{
		{"/v1/topics", `{"topics":["a/b c","compute"]}`},
		{"/v1/topics/compute", `{"topic":"compute","hosts":2,"up":2,"draining":0,"failing":0,"version":"?","as_of":"?","members":[` + node1 + `,` + node2 + `]}`},
		{"/v1/topics/compute/hosts/node2", node2},
		{"/v1/topics/a%2Fb%20c/hosts/x%2Fy", `{"topic":"a/b c","host":"x/y","state":"up","instance":"?"}`},
		{"/v1/resolve/compute.node2", `{"key":"compute.node2","routes":[{"key":"compute.node2","host":"node2","member":` + node2 + `}]}`},
		{"/v1/resolve/compute.dead", `{"key":"compute.dead","routes":[{"key":"compute.dead","host":"dead"}]}`},
		{"/v1/resolve/fanout~compute", `{"key":"fanout~compute","routes":[{"key":"compute.node1","host":"node1","member":` + node1 + `},{"key":"compute.node2","host":"node2","member":` + node2 + `}]}`},
		{"/v1/registrations", `{"registrations":[]}`},
		{"/healthz", `{"status":"ok"}`},
		{"/readyz", `{"status":"ready"}`},
	} {
		got := s.ask("GET", c.path, "")
		if got.code != http.StatusOK || steady(got.body) != c.want {
			t.Errorf("%s: %d\n%s, want\n%s", c.path, got.code, steady(got.body), c.want)
		}
		if kind := got.header.Get("Content-Type"); kind != "application/json" {
			t.Errorf("%s is of type %q", c.path, kind)
		}
		head := s.ask("HEAD", c.path, "")
		if head.code != http.StatusOK {
			t.Errorf("HEAD %s: %d", c.path, head.code)
		}
	}
	if got := s.ask("GET", "/metrics", ""); got.code != http.StatusOK || got.body != "up 1\n" {
		t.Errorf("/metrics: %d %s", got.code, got.body)
	}
	if got := s.ask("GET", "/v1/resolve/compute", ""); !strings.Contains(got.body, `"routes":[{"key":"compute.node`) || strings.Count(got.body, `"host":"node`) != 2 {
		t.Errorf("one host is %s", got.body)
	}
}

func TestNobodyNeverHeardOfAndCannotTellAreThreeAnswers(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("empty", "x")
	if _, err := s.registry.Expire(t.Context(), "empty", "x"); err != nil {
		t.Fatal(err)
	}
	s.put("known", "x")
	s.ask("GET", "/v1/topics/known", "")
	says := func(path string, code int, problem, detail string) {
		t.Helper()
		got := s.ask("GET", path, "")
		if got.code != code || !strings.Contains(got.body, `"type":"urn:matchmaker:problem:`+problem+`"`) || !strings.Contains(got.body, detail) {
			t.Errorf("%s: %d %s, want %d, %s and %s", path, got.code, got.body, code, problem, detail)
		}
		if again := got.header.Get("Retry-After"); (again != "") != (code == 503) {
			t.Errorf("%s: Retry-After %q", path, again)
		}
	}
	says("/v1/resolve/empty", 404, "no-hosts", `no live hosts for topic \"empty\"`)
	says("/v1/resolve/fanout~nosuch", 404, "unknown-topic", `never heard of: \"nosuch\"`)
	says("/v1/topics/nosuch", 404, "unknown-topic", `\"nosuch\"`)
	says("/v1/topics/nosuch/hosts/x", 404, "unknown-topic", `\"nosuch\"`)
	says("/v1/topics/known/hosts/nosuch", 404, "not-registered", "not registered")
	if got := s.ask("GET", "/v1/topics/empty", ""); got.code != 200 || !strings.Contains(got.body, `"hosts":0`) || !strings.Contains(got.body, `"members":[]`) {
		t.Errorf("a topic with nobody: %d %s", got.code, got.body)
	}
	s.registry.Break(errDown)
	says("/v1/topics/other", 503, "cannot-tell", "connection refused")
	says("/v1/resolve/other", 503, "cannot-tell", "connection refused")
	says("/v1/topics", 503, "cannot-tell", "connection refused")
	s.becomes("/v1/topics/known", 200, `"stale":"`)
	says("/v1/topics/known/hosts/nosuch", 503, "cannot-tell", "connection refused") // it may have come since
	if got := s.ask("GET", "/v1/resolve/known", ""); got.code != 200 {
		t.Errorf("in an outage: %d %s", got.code, got.body)
	}
}

func TestAProblemNamesTheFieldTheValueAndWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, c := range []struct {
		method, path, body   string
		code                 int
		problem, field, want string
	}{
		{"GET", "/v1/topics/a%7Bb", "", 400, "invalid", "topic", "want a name without { and }"},
		{"GET", "/v1/topics/fanout~x/changes", "", 400, "invalid", "topic", "want a name that is not"},
		{"GET", "/v1/topics/x/hosts/%00", "", 400, "invalid", "host", "want text without control characters"},
		{"GET", "/v1/topics/" + strings.Repeat("x", 256), "", 400, "invalid", "topic", "want 1 to 255 bytes"},
		{"PUT", "/v1/topics/x/hosts/y", `{"addr":"80"}`, 400, "invalid", "addr", "want host:port"},
		{"PUT", "/v1/topics/x/hosts/y", `{"weight":"2"}`, 400, "invalid", "weight", "want a JSON whole number"},
		{"PUT", "/v1/topics/x/hosts/y", `{"weight":70000}`, 400, "invalid", "weight", "want 1 to 65535"},
		{"PUT", "/v1/topics/x/hosts/y", `{"labels":["a"]}`, 400, "invalid", "labels", "want a JSON object of strings"},
		{"PUT", "/v1/topics/x/hosts/y", `{"port":80}`, 400, "invalid", "body", "want a JSON object with any of addr"},
		{"PUT", "/v1/topics/x/hosts/y", `{} {}`, 400, "invalid", "body", "want a JSON object with any of addr"},
		{"PUT", "/v1/topics/x/hosts/y", `null`, 400, "invalid", "body", "want a JSON object with any of addr"},
		{"PUT", "/v1/topics/x/hosts/y", `{"zone":"` + strings.Repeat("z", maxBody) + `"}`, 413, "too-large", "body", "want at most 65536 bytes"},
		{"PUT", "/v1/topics/x/hosts/y/drain", `{"for":"soon"}`, 400, "invalid", "for", "want a time of at least 1s"},
		{"PUT", "/v1/topics/x/hosts/y/drain", `{"for":"1ms"}`, 400, "invalid", "for", "want a time of at least 1s"},
		{"PUT", "/v1/topics/x/hosts/y/drain", ``, 404, "not-registered", "", ""},
		{"DELETE", "/v1/topics/x/hosts/y", ``, 404, "not-registered", "", ""},
		{"POST", "/v1/topics/x/hosts/y/ack", ``, 404, "not-registered", "", ""},
		{"PATCH", "/v1/topics/x", ``, 405, "no-such-method", "method", "want GET"},
		{"GET", "/v1/topics/x/hosts/y/drain", ``, 405, "no-such-method", "method", "want DELETE or PUT"},
		{"GET", "/v2", ``, 404, "no-such-path", "", ""},
		{"GET", "/v1//topics", ``, 404, "no-such-path", "", ""},
		{"GET", "/v1/topics/", ``, 404, "no-such-path", "", ""},
		{"GET", "/v1/../etc/passwd", ``, 404, "no-such-path", "", ""},
	} {
		got := s.ask(c.method, c.path, c.body)
		if got.code != c.code || !strings.Contains(got.body, `"type":"urn:matchmaker:problem:`+c.problem+`"`) ||
			(c.field != "") != strings.Contains(got.body, `"field":"`) || !strings.Contains(got.body, `"field":"`+c.field) && c.field != "" ||
			!strings.Contains(got.body, c.want) {
			t.Errorf("%s %.80s %.80s: %d %s, want %d, %s, %s and %s", c.method, c.path, c.body, got.code, got.body, c.code, c.problem, c.field, c.want)
		}
		if kind := got.header.Get("Content-Type"); kind != "application/problem+json" {
			t.Errorf("%s %s is of type %q", c.method, c.path, kind)
		}
		if len(got.body) > 4<<10 {
			t.Errorf("%s %.80s is answered with %d bytes", c.method, c.path, len(got.body))
		}
	}
	if all := s.MatchMaker.Registrations(); len(all) > 0 {
		t.Errorf("%+v are kept", all)
	}
}

func TestWhatOnlyAnotherLayoutCanDoIsUnsupported(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Drain = nil })
	s.put("a", "x")
	if got := s.ask("PUT", "/v1/topics/a/hosts/x/drain", ""); got.code != 501 || !strings.Contains(got.body, core.ErrUnsupported.Error()) {
		t.Errorf("%d %s", got.code, got.body)
	}
}
