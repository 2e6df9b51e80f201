package api

import (
	"context"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// handler answers a request, or returns why it cannot.
type handler func(w http.ResponseWriter, r *http.Request) error

// route is a method and a path of the document.
type route struct {
	method, path string
	serve        handler
}

// reads are the routes that change nothing; ts are what streams tell.
func (a *API) reads(ts *tellings) []route {
	rs := []route{
		{"GET", "/healthz", a.health},
		{"GET", "/readyz", a.readyz},
		{"GET", "/sd", a.allTargets},
		{"GET", "/sd/{topic}", a.topicTargets},
		{"GET", "/v1/changes", func(w http.ResponseWriter, r *http.Request) error { return a.everything(ts, w, r) }},
		{"GET", "/v1/openapi.yaml", a.document},
		{"GET", "/v1/registrations", a.registrations},
		{"GET", "/v1/resolve/{key}", a.resolve},
		{"GET", "/v1/topics", a.topics},
		{"GET", "/v1/topics/{topic}", a.topic},
		{"GET", "/v1/topics/{topic}/changes", func(w http.ResponseWriter, r *http.Request) error { return a.changes(ts, w, r) }},
		{"GET", "/v1/topics/{topic}/hosts/{host}", a.host},
	}
	for _, at := range slices.Sorted(maps.Keys(a.More)) {
		page := a.More[at]
		rs = append(rs, route{"GET", at, func(w http.ResponseWriter, r *http.Request) error {
			page.ServeHTTP(w, r)
			return nil
		}})
	}
	return rs
}

// writes are the routes of the verbs.
func (a *API) writes() []route {
	return []route{
		{"PUT", "/v1/topics/{topic}/hosts/{host}", a.register},
		{"DELETE", "/v1/topics/{topic}/hosts/{host}", a.unregister},
		{"POST", "/v1/topics/{topic}/hosts/{host}/ack", a.ack},
		{"PUT", "/v1/topics/{topic}/hosts/{host}/drain", a.drain},
		{"DELETE", "/v1/topics/{topic}/hosts/{host}/drain", a.undrain},
	}
}

// All serves every verb to callers on this machine. A request of a browser for another site is refused, and so is
// one for a host that is not this machine, by its Host header, unless it came by a socket.
func (a *API) All() http.Handler {
	rs := a.reads(&a.tellings)
	for _, w := range a.writes() {
		rs = append(rs, route{w.method, w.path, a.gated(w.serve)})
	}
	inner, browsers := a.handler(rs), http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := checkHost(r); err != nil {
			a.refuse(w, r, "", err)
		} else if err := browsers.Check(r); err != nil {
			a.refuse(w, r, "", forbidden("origin", r.Header.Get("Origin"), "this API is not for pages of other sites"))
		} else {
			inner.ServeHTTP(w, r)
		}
	})
}

// Reads serves what changes nothing, to anybody. Its streams take no room from those of All.
func (a *API) Reads() http.Handler { return a.handler(a.reads(&a.strangers)) }

// handler serves routes, each in bounded time.
func (a *API) handler(rs []route) http.Handler {
	paths := make(map[string]map[string]handler)
	for _, r := range rs {
		if paths[r.path] == nil {
			paths[r.path] = make(map[string]handler)
		}
		paths[r.path][r.method] = r.serve
	}
	mux := http.NewServeMux()
	for at, methods := range paths {
		mux.HandleFunc(at, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, strings.TrimSuffix(at, "{$}"), methods) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { a.refuse(w, r, "", errNoPath) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if at := r.URL.EscapedPath(); r.RequestURI == "*" || r.Method == http.MethodConnect || path.Clean(at) != at { // it would be redirected
			a.refuse(w, r, "", errNoPath)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// serve answers one request.
func (a *API) serve(w http.ResponseWriter, r *http.Request, at string, methods map[string]handler) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	do := methods[method]
	if do == nil {
		allowed := slices.Sorted(maps.Keys(methods))
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		a.refuse(w, r, at, noMethod(r.Method, allowed))
		return
	}
	status := &statusWriter{ResponseWriter: w}
	if !strings.HasSuffix(at, "/changes") {
		ctx, cancel := context.WithTimeout(r.Context(), a.Timeout)
		defer cancel()
		r = r.WithContext(ctx)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := do(status, r); err != nil {
		a.refuse(w, r, at, err)
		return
	}
	a.Answered(at, status.code())
}

// maxBody is the largest body of a request, in bytes.
const maxBody = 64 << 10

// longestBody is how long the body of a verb may take to come.
const longestBody = time.Second

// gated is a verb that is refused once the process leaves.
func (a *API) gated(do handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !a.verbs.enter() {
			return errLeaving
		}
		defer a.verbs.leave()
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(longestBody)) // leaving waits for a slow one too
		return do(w, r)
	}
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
