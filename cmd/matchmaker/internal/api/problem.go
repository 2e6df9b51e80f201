package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/redismm/matchmaker/core"
)

// Problem is why a request was not answered: the problem details of RFC 9457.
type Problem struct {
	// Type is urn:matchmaker:problem: and one word for programs.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail is for people.
	Detail string `json:"detail"`
	// Field, Value and Want say what is wrong with the request, where it is.
	Field string `json:"field,omitempty"`
	Value string `json:"value,omitempty"`
	Want  string `json:"want,omitempty"`
}

func (p *Problem) Error() string { return p.Detail }

const problemType = "urn:matchmaker:problem:"

func problem(status int, word, detail string) *Problem {
	return &Problem{Type: problemType + word, Title: http.StatusText(status), Status: status, Detail: detail}
}

// wrong is a problem with a part of the request.
func wrong(status int, word string, e *core.InvalidError) *Problem {
	p := problem(status, word, e.Error())
	p.Field, p.Value, p.Want = e.Field, e.Value, e.Want
	return p
}

var (
	errNoPath  = problem(http.StatusNotFound, "no-such-path", "there is nothing here; /v1/openapi.yaml says what there is")
	errLeaving = problem(http.StatusServiceUnavailable, "leaving", "this process is about to end, and takes nothing on")
)

func noMethod(method string, allowed []string) *Problem {
	return wrong(http.StatusMethodNotAllowed, "no-such-method",
		&core.InvalidError{Field: "method", Value: method, Want: "want " + strings.Join(allowed, " or ")})
}

func forbidden(field, value, want string) *Problem {
	return wrong(http.StatusForbidden, "forbidden", &core.InvalidError{Field: field, Value: value, Want: want})
}

// kinds are the problems that errors of core are, the first that fits.
var kinds = []struct {
	err    error
	status int
	word   string
}{
	{core.ErrInvalid, http.StatusBadRequest, "invalid"},
	{core.ErrUnsupported, http.StatusNotImplemented, "unsupported"},
	{core.ErrUnavailable, http.StatusServiceUnavailable, "cannot-tell"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "cannot-tell"},
	{context.Canceled, http.StatusServiceUnavailable, "cannot-tell"},
	{core.ErrUnknownTopic, http.StatusNotFound, "unknown-topic"},
	{core.ErrNoHosts, http.StatusNotFound, "no-hosts"},
	{core.ErrNoMatch, http.StatusNotFound, "no-match"},
	{core.ErrNotRegistered, http.StatusNotFound, "not-registered"},
	{core.ErrSuperseded, http.StatusConflict, "superseded"},
}

// problemOf says what an error is.
func (a *API) problemOf(err error) *Problem {
	var p *Problem
	var invalid *core.InvalidError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &invalid):
		return wrong(http.StatusBadRequest, "invalid", invalid)
	case errors.As(err, new(*http.MaxBytesError)):
		return wrong(http.StatusRequestEntityTooLarge, "too-large",
			&core.InvalidError{Field: "body", Value: fmt.Sprintf("more than %d bytes", maxBody), Want: fmt.Sprintf("want at most %d bytes", maxBody)})
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return problem(k.status, k.word, a.Message(err))
		}
	}
	return problem(http.StatusInternalServerError, "failed", a.Message(err))
}

// longestValue bounds what of a request an answer repeats, in bytes.
const longestValue = 512

// refuse writes a problem.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, at string, err error) {
	p := *a.problemOf(err)
	for _, text := range []*string{&p.Detail, &p.Value} {
		if len(*text) > 2*longestValue {
			*text = strings.ToValidUTF8((*text)[:longestValue], "") + "…"
		}
	}
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	a.write(w, p.Status, "application/problem+json", p)
	a.Answered(at, p.Status)
}

// answer writes JSON.
func (a *API) answer(w http.ResponseWriter, status int, v any) error {
	a.write(w, status, "application/json", v)
	return nil
}

func (a *API) write(w http.ResponseWriter, status int, kind string, v any) {
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(v); err != nil { // cannot be, of what is encoded here
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", fmt.Sprint(text.Len()))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(text.Bytes())
}

// checkHost refuses a request for another host than this machine: a page whose name was made to lead here.
func checkHost(r *http.Request) error {
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && at.Network() == "unix" {
		return nil // no name leads to a socket
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if ip := net.ParseIP(host); strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback() {
		return nil
	}
	return forbidden("host", r.Host, "want localhost, 127.0.0.1 or [::1], or the socket")
}
