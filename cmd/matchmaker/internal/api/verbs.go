package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"time"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/reply"
	"github.com/redismm/matchmaker/core"
)

// record is the body of a registration: what is to be known of the host.
type record struct {
	Addr   string            `json:"addr"`
	Zone   string            `json:"zone"`
	Weight int               `json:"weight"`
	Labels map[string]string `json:"labels"`
}

const recordForm = `want a JSON object with any of addr, zone, weight and labels`

// mostKept bounds how many registrations are kept here.
const mostKept = 10_000

// register keeps a registration. One that is kept as it is stays the same instance, and is beaten.
func (a *API) register(w http.ResponseWriter, r *http.Request) error {
	var more record
	if err := body(r, &more, recordForm); err != nil {
		return err
	}
	whole, err := a.Complete(r.Context(), core.Registration{Topic: r.PathValue("topic"), Host: r.PathValue("host"),
		Addr: more.Addr, Zone: more.Zone, Weight: more.Weight, Labels: more.Labels})
	if err == nil {
		err = whole.Check()
	}
	if err != nil {
		return err
	}
	was, all := a.kept(whole.Topic, whole.Host)
	if was == nil && all >= mostKept {
		return problem(http.StatusInsufficientStorage, "too-many", fmt.Sprintf("%d registrations are kept here already", all))
	}
	if was != nil && keeps(was, &whole) {
		err = a.MatchMaker.AckAlive(r.Context(), whole.Topic, whole.Host)
	} else {
		a.ready.renew(was)
		err = a.MatchMaker.Register(r.Context(), whole)
		a.Registered(r.Context(), whole.Topic, whole.Host)
	}
	now, _ := a.kept(whole.Topic, whole.Host)
	if now == nil { // refused, or unregistered meanwhile
		return errors.Join(err, core.ErrNotRegistered)
	}
	told := registrationOf(*now)
	switch {
	case err != nil:
		told.Error = a.Message(err)
		return a.answer(w, http.StatusAccepted, told)
	case was == nil:
		return a.answer(w, http.StatusCreated, told)
	}
	return a.answer(w, http.StatusOK, told)
}

// kept returns the registration of this process at a place, or nil, and how many there are in all.
func (a *API) kept(topic, host string) (*core.Status, int) {
	all := a.MatchMaker.Registrations()
	for i := range all {
		if m := &all[i].Member; m.Topic == topic && m.Host == host {
			return &all[i], len(all)
		}
	}
	return nil, len(all)
}

// keeps says whether a registration is kept, and as r says.
func keeps(s *core.Status, r *core.Registration) bool {
	m := &s.Member
	return (s.Standing == "valid" || s.Standing == "lost") &&
		m.Addr == r.Addr && m.Zone == r.Zone && max(m.Weight, 1) == max(r.Weight, 1) && maps.Equal(m.Labels, r.Labels)
}

// verdict answers what became of a place.
func (a *API) verdict(w http.ResponseWriter, r *http.Request, outcome string, err error) error {
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, reply.Verdict{Topic: r.PathValue("topic"), Host: r.PathValue("host"), Outcome: outcome})
}

func (a *API) unregister(w http.ResponseWriter, r *http.Request) error {
	err := a.MatchMaker.Unregister(r.Context(), r.PathValue("topic"), r.PathValue("host"))
	if !errors.Is(err, core.ErrNotRegistered) { // who waits for a check is still to come
		a.ready.forget(r.PathValue("topic"), r.PathValue("host"))
	}
	return a.verdict(w, r, core.Left.String(), err)
}

func (a *API) ack(w http.ResponseWriter, r *http.Request) error {
	err := a.MatchMaker.AckAlive(r.Context(), r.PathValue("topic"), r.PathValue("host"))
	return a.verdict(w, r, core.Kept.String(), err)
}

// draining is the body of a drain.
type draining struct {
	For    string `json:"for"`
	Reason string `json:"reason"`
}

// defaultDrain is how long a host drains if nobody says.
const defaultDrain = 10 * time.Minute

func (a *API) drain(w http.ResponseWriter, r *http.Request) error {
	var want draining
	if err := body(r, &want, `want a JSON object with any of for and reason`); err != nil {
		return err
	}
	long := defaultDrain
	if want.For != "" {
		var err error
		if long, err = time.ParseDuration(want.For); err != nil || long < time.Second {
			return core.Invalid("for", want.For, "want a time of at least 1s, such as 90s or 10m")
		}
	}
	topic, host := r.PathValue("topic"), r.PathValue("host")
	left, err := a.remaining(r, topic, host)
	if err == nil && left == 0 {
		err = core.ErrNotRegistered
	}
	if err == nil {
		err = a.Drain(r.Context(), topic, host, long, want.Reason)
	}
	if err == nil {
		a.ready.drain(topic, host, time.Now().Add(long))
	}
	return a.verdict(w, r, core.Draining.String(), err)
}

func (a *API) remaining(r *http.Request, topic, host string) (time.Duration, error) {
	if err := errors.Join(core.CheckTopic(topic), core.CheckHost(host)); err != nil {
		return 0, err
	}
	return a.MatchMaker.Backend().Remaining(r.Context(), topic, host)
}

func (a *API) undrain(w http.ResponseWriter, r *http.Request) error {
	topic, host := r.PathValue("topic"), r.PathValue("host")
	err := errors.Join(core.CheckTopic(topic), core.CheckHost(host))
	if err == nil {
		err = a.Drain(r.Context(), topic, host, 0, "")
	}
	if err == nil {
		a.ready.drain(topic, host, time.Time{})
	}
	return a.verdict(w, r, core.Up.String(), err)
}

// body reads a JSON object, or nothing, into v.
func body(r *http.Request, v any, form string) error {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			return err
		}
		return core.Invalid("body", err.Error(), form)
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return nil
	}
	from := json.NewDecoder(bytes.NewReader(text))
	from.DisallowUnknownFields()
	err = from.Decode(v)
	if err == nil && from.InputOffset() < int64(len(text)) {
		err = errors.New("more than one value")
	}
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil && text[0] == '{':
		return nil
	case errors.As(err, &kind) && kind.Field != "":
		return core.Invalid(kind.Field, kind.Value, "want a JSON "+jsonKind(kind.Type.Kind()))
	case err == nil:
		err = errors.New(string(text))
	}
	return core.Invalid("body", err.Error(), form)
}

// jsonKind is what JSON calls a kind of Go.
func jsonKind(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "string"
	case reflect.Int:
		return "whole number"
	}
	return "object of strings"
}
