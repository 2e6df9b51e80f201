package api

import (
	_ "embed"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/reply"
	"github.com/redismm/matchmaker/core"
)

// Topics are the topics heard of.
type Topics struct {
	Topics []string `json:"topics"`
}

// Topic is what is known of a topic.
type Topic struct {
	reply.Counts
	// Version identifies the state of the topic; empty for one that was never heard of.
	Version string `json:"version"`
	// AsOf is when the registry last confirmed what is new in this.
	AsOf time.Time `json:"as_of"`
	// Stale is why the registry cannot be asked now. The members are then the last known.
	Stale   string         `json:"stale,omitempty"`
	Members []*core.Member `json:"members"`
}

// Registration is one that this process keeps.
type Registration struct {
	core.Member
	// Standing is pending, valid, lost, standing by, removed or leaving.
	Standing string `json:"standing"`
	// ValidUntil is when it lapses if no further heartbeat is acknowledged.
	ValidUntil *time.Time `json:"valid_until,omitempty"`
	// Error is why it is not valid yet, when it was just made.
	Error string `json:"error,omitempty"`
}

// Registrations are those that this process keeps.
type Registrations struct {
	Registrations []Registration `json:"registrations"`
}

func (a *API) resolve(w http.ResponseWriter, r *http.Request) error {
	key := r.PathValue("key")
	routes, err := a.Resolve(r.Context(), key)
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, reply.AnswerOf(key, routes))
}

func (a *API) topics(w http.ResponseWriter, r *http.Request) error {
	names, err := a.MatchMaker.Backend().Topics(r.Context())
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, Topics{a.known(names, a.MatchMaker.Registrations())})
}

func (a *API) topic(w http.ResponseWriter, r *http.Request) error {
	v, err := a.view(r)
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, a.topicOf(v))
}

// view returns the view of the topic in the path. Nobody there is an answer; never heard of, and cannot tell, are not.
func (a *API) view(r *http.Request) (*core.View, error) {
	topic := r.PathValue("topic")
	if err := core.CheckTopic(topic); err != nil {
		return nil, err
	}
	v, err := a.MatchMaker.Live().Members(r.Context(), topic)
	if err != nil {
		return nil, err
	}
	if err := v.Err(); err != nil && (v.Stale != nil || v.Version == core.Version{}) {
		return nil, err
	}
	return v, nil
}

func (a *API) topicOf(v *core.View) Topic {
	t := Topic{Counts: reply.CountsOf(v), Version: versionOf(v), AsOf: v.AsOf.UTC(), Members: v.Members}
	if v.Members == nil {
		t.Members = []*core.Member{}
	}
	if v.Stale != nil {
		t.Stale = a.Message(v.Stale)
	}
	return t
}

func (a *API) host(w http.ResponseWriter, r *http.Request) error {
	host := r.PathValue("host")
	if err := core.CheckHost(host); err != nil {
		return err
	}
	v, err := a.view(r)
	if err != nil {
		return err
	}
	at, found := slices.BinarySearchFunc(v.Members, host, func(m *core.Member, host string) int { return strings.Compare(m.Host, host) })
	switch {
	case !found && v.Stale != nil: // it may have come since
		return fmt.Errorf("%w: %w", core.ErrUnavailable, v.Stale)
	case !found:
		return core.ErrNotRegistered
	}
	return a.answer(w, http.StatusOK, v.Members[at])
}

func (a *API) registrations(w http.ResponseWriter, _ *http.Request) error {
	kept := Registrations{[]Registration{}}
	for _, s := range a.MatchMaker.Registrations() {
		kept.Registrations = append(kept.Registrations, registrationOf(s))
	}
	return a.answer(w, http.StatusOK, kept)
}

func registrationOf(s core.Status) Registration {
	r := Registration{Member: s.Member, Standing: s.Standing}
	if !s.ValidUntil.IsZero() {
		until := s.ValidUntil.UTC()
		r.ValidUntil = &until
	}
	return r
}

func (a *API) health(w http.ResponseWriter, _ *http.Request) error {
	return a.answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

//go:embed openapi.yaml
var document []byte

func (a *API) document(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	w.Write(document)
	return nil
}
