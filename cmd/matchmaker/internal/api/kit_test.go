package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// theDocument is openapi.yaml, once it was read.
var theDocument = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(context.Background())
})

func documented(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := theDocument()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// served is an API over a registry in memory. What its handlers answer is held to the document.
type served struct {
	*API
	t        testing.TB
	registry *coretest.Memory
	mu       sync.Mutex
	drains   map[string]time.Duration // by direct key, from outside
}

func serve(t testing.TB, changes ...func(*Config)) *served {
	t.Helper()
	return serveAt(t, coretest.NewMemory(), changes...)
}

func serveAt(t testing.TB, registry *coretest.Memory, changes ...func(*Config)) *served {
	t.Helper()
	mm, err := core.NewHeartbeat(registry, core.HeartbeatConfig{Freq: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, registry: registry, drains: make(map[string]time.Duration)}
	c := Config{MatchMaker: mm, Drain: s.drainFor, More: map[string]http.Handler{"/metrics": http.HandlerFunc(metrics)}}
	for _, change := range changes {
		change(&c)
	}
	s.API = New(c)
	t.Cleanup(func() {
		s.Close()
		mm.Close()
	})
	return s
}

func metrics(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "up 1\n") }

func (s *served) drainFor(_ context.Context, topic, host string, d time.Duration, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drains[core.DirectKey(topic, host)] = d
	return nil
}

// answered is how a request was answered.
type answered struct {
	code   int
	header http.Header
	body   string
}

// request is one for this machine.
func request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost"
	return r
}

// ask asks the handler with every verb.
func (s *served) ask(method, path, body string) answered {
	s.t.Helper()
	return s.exchange(s.All(), request(method, path, body))
}

// exchange asks a handler, and holds what it answers to the document.
func (s *served) exchange(h http.Handler, r *http.Request) answered {
	s.t.Helper()
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	got := answered{w.Code, w.Header(), w.Body.String()}
	if r.Method == http.MethodHead {
		return got
	}
	if err := conforms(documented(s.t), r, got); err != nil {
		s.t.Errorf("%s %s: %d %s\nis not as documented: %v", r.Method, r.URL, got.code, got.body, err)
	}
	return got
}

// conforms checks an answer: it is one that the document has for the operation, or a problem.
func conforms(doc *openapi3.T, r *http.Request, got answered) error {
	var item *openapi3.PathItem
	var op *openapi3.Operation
	at := http.NewServeMux()
	for path := range doc.Paths.Map() {
		at.HandleFunc(path, func(http.ResponseWriter, *http.Request) {})
	}
	if _, path := at.Handler(r); path != "" {
		item = doc.Paths.Value(path)
		op = item.GetOperation(r.Method)
	}
	if op == nil || got.code == http.StatusForbidden {
		var p any
		if err := json.Unmarshal([]byte(got.body), &p); err != nil {
			return err
		}
		return doc.Components.Schemas["Problem"].Value.VisitJSON(p, openapi3.EnableJSONSchema2020())
	}
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r,
			Route: &routers.Route{Spec: doc, PathItem: item, Operation: op, Method: r.Method}},
		Status: got.code, Header: got.header, Body: io.NopCloser(strings.NewReader(got.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
}

// becomes asks until an answer is as wanted.
func (s *served) becomes(path string, code int, says string) answered {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got := s.ask("GET", path, "")
		if got.code == code && strings.Contains(got.body, says) {
			return got
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s: %d %s, want %d and %s", path, got.code, got.body, code, says)
		}
	}
}

// reader reads a stream of changes.
type reader struct {
	t     testing.TB
	lines *bufio.Scanner
	end   func()
}

// sent is one event of a stream.
type sent struct{ id, kind, data string }

// read begins to read the changes of a topic over HTTP, after an id unless that is empty.
func read(t testing.TB, url, topic, after string) *reader {
	t.Helper()
	return readAt(t, url+"/v1/topics/"+topic+"/changes", after)
}

func readAt(t testing.TB, url, after string) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if kind := got.Header.Get("Content-Type"); got.StatusCode != 200 || kind != "text/event-stream" {
		t.Fatalf("%d %s", got.StatusCode, kind)
	}
	end := func() {
		cancel()
		got.Body.Close()
	}
	t.Cleanup(end)
	lines := bufio.NewScanner(got.Body)
	lines.Buffer(nil, 16<<20)
	return &reader{t, lines, end}
}

// next returns the next event, and false at the end.
func (r *reader) next() (sent, bool) {
	var e sent
	for r.lines.Scan() {
		name, value, _ := strings.Cut(r.lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.kind = value
		case "data":
			e.data = value
		case "":
			if e.kind != "" {
				return e, true
			}
		}
	}
	return e, false
}

// says reads the next event, whose data is of a schema of the document.
func (r *reader) says(kind string, words ...string) sent {
	r.t.Helper()
	e, ok := r.next()
	if !ok || e.kind != kind {
		r.t.Fatalf("the stream says %+v (%v), want %s with %q", e, r.lines.Err(), kind, words)
	}
	r.conforms(e)
	for _, word := range words {
		if !strings.Contains(e.data, word) {
			r.t.Fatalf("the stream says %+v, want %s with %q", e, kind, word)
		}
	}
	return e
}

// conforms holds an event to the document.
func (r *reader) conforms(e sent) {
	r.t.Helper()
	schema := map[string]string{"snapshot": "Topic", "change": "Change", "gone": "Gone", "lives": "Lives", "sidecar": "Process"}[e.kind]
	var data any
	if err := json.Unmarshal([]byte(e.data), &data); err != nil {
		r.t.Fatal(err)
	}
	if err := documented(r.t).Components.Schemas[schema].Value.VisitJSON(data, openapi3.EnableJSONSchema2020()); err != nil {
		r.t.Errorf("%s is not as documented: %v", e.data, err)
	}
}

// put registers hosts as somebody else's.
func (s *served) put(topic string, hosts ...string) {
	s.t.Helper()
	claims := make([]*core.Claim, len(hosts))
	for i, h := range hosts {
		claims[i] = &core.Claim{Registration: core.Registration{Topic: topic, Host: h}}
	}
	if _, err := s.registry.BackendRegister(s.t.Context(), time.Hour, claims); err != nil {
		s.t.Fatal(err)
	}
}
