package api

import (
	"net/http"
	"time"

	"github.com/redismm/matchmaker/core"
)

const (
	// quiet is the longest time in which a stream says nothing.
	quiet = 15 * time.Second
	// longestWrite bounds how long a reader may take to take what it is sent.
	longestWrite = 10 * time.Second
)

var errReaders = problem(http.StatusServiceUnavailable, "too-many", "as many streams of changes are open as may be")

// changes tells a topic and what becomes of it, as server-sent events, until the reader or the API ends it. A reader
// who names the last id it has seen goes on from there, if that is still known; else it begins with the whole, as
// does one who is too slow.
func (a *API) changes(ts *tellings, w http.ResponseWriter, r *http.Request) error {
	topic := r.PathValue("topic")
	if err := core.CheckTopic(topic); err != nil {
		return err
	}
	t := ts.join(topic)
	if t == nil {
		return errReaders
	}
	defer ts.part(t)
	s := newStream(w)
	if r.Method == http.MethodHead {
		return nil
	}
	n := -1
	if at, known := t.after(r.Header.Get("Last-Event-ID")); known {
		n = at
	}
	if !s.begin() {
		return nil
	}
	keepalive := time.NewTicker(quiet)
	defer keepalive.Stop()
	for {
		frames, next, newer := t.from(n, a.topicOf)
		n = next
		if len(frames) > 0 && !s.send(frames...) {
			return nil
		}
		select {
		case <-newer:
		case <-keepalive.C:
			if !s.rest() {
				return nil
			}
		case <-r.Context().Done():
			return nil
		case <-ts.ctx.Done():
			return nil
		}
	}
}

// stream is an answer that goes on.
type stream struct {
	*http.ResponseController
	w http.ResponseWriter
}

// newStream makes an answer one that goes on: of server-sent events.
func newStream(w http.ResponseWriter) *stream {
	s := &stream{ResponseController: http.NewResponseController(w), w: w}
	s.SetReadDeadline(time.Time{}) // of the server, for a request
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	return s
}

// begin sends how soon to come back, and rest that there is nothing to tell.
func (s *stream) begin() bool { return s.send([]byte("retry: 1000\n\n")) }
func (s *stream) rest() bool  { return s.send([]byte(": quiet\n\n")) }

// send sends what there is, and says whether the reader takes it.
func (s *stream) send(frames ...[]byte) bool {
	s.SetWriteDeadline(time.Now().Add(longestWrite))
	for _, f := range frames {
		if _, err := s.w.Write(f); err != nil {
			return false
		}
	}
	return s.Flush() == nil
}
