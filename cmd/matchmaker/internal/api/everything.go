package api

import (
	"net/http"
	"time"
)

// everything tells all topics and what becomes of them, how long their hosts have left, and how this process is, as
// server-sent events, until the reader or the API ends it. Each reader begins with the whole.
func (a *API) everything(ts *tellings, w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodHead {
		newStream(w)
		return nil
	}
	if !ts.pulse.join() {
		return errReaders
	}
	defer ts.pulse.part()
	s := newStream(w)
	e := survey{api: a, of: ts, topics: make(map[string]*surveyed)}
	defer e.end()
	if !s.begin() {
		return nil
	}
	keepalive := time.NewTicker(quiet)
	defer keepalive.Stop()
	for {
		told, beaten := ts.any.wait(), ts.pulse.any.wait()
		if frames := e.next(); len(frames) > 0 && !s.send(frames...) {
			return nil
		}
		select {
		case <-told:
		case <-beaten:
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

// survey is what one reader of everything was told.
type survey struct {
	api    *API
	of     *tellings
	topics map[string]*surveyed
	beat   uint64 // the last that was told
}

type surveyed struct {
	told *telling
	next int // frame
}

// next returns what there is to tell.
func (e *survey) next() (frames [][]byte) {
	b := e.of.pulse.now()
	if b.n != e.beat {
		frames = append(frames, b.process)
		frames = append(frames, e.follow(b.topics)...)
	}
	for _, topic := range b.topics {
		if t := e.topics[topic]; t != nil {
			more, next, _ := t.told.from(t.next, e.api.topicOf)
			t.next = next
			frames = append(frames, more...)
		}
		if l := b.lives[topic]; l.n > e.beat {
			frames = append(frames, l.frame)
		}
	}
	e.beat = b.n
	return frames
}

// follow begins to tell of topics that are new, and ends it for those that are gone.
func (e *survey) follow(topics []string) (frames [][]byte) {
	there := make(map[string]bool, len(topics))
	for _, topic := range topics {
		there[topic] = true
		if e.topics[topic] == nil {
			if t := e.of.survey(topic); t != nil {
				e.topics[topic] = &surveyed{t, -1}
			}
		}
	}
	for topic, t := range e.topics {
		if !there[topic] {
			e.of.surveyed(t.told)
			delete(e.topics, topic)
			frames = append(frames, eventOf("gone", Gone{topic}))
		}
	}
	return frames
}

func (e *survey) end() {
	for _, t := range e.topics {
		e.of.surveyed(t.told)
	}
}

// Gone is the data of an event: a topic that is not heard of any more.
type Gone struct {
	Topic string `json:"topic"`
}
