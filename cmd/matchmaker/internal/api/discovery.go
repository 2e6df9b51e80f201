package api

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/reply"
	"github.com/redismm/matchmaker/core"
)

// targets are the topics of the last answer about all, which stand while the registry cannot be asked, or has lost
// what it knew.
type targets struct {
	mu     sync.Mutex
	topics map[string]bool // nil before the first answer
}

// targetsOf returns the hosts of a topic; none if it was never heard of.
func (a *API) targetsOf(ctx context.Context, topic string) ([]reply.Target, error) {
	v, err := a.MatchMaker.Live().Members(ctx, topic)
	if err == nil {
		err = v.Err()
	}
	if err != nil {
		if errors.Is(err, core.ErrNoHosts) || errors.Is(err, core.ErrUnknownTopic) {
			err = nil
		}
		return []reply.Target{}, err
	}
	return reply.TargetsOf(v), nil
}

// topicTargets answers for one topic.
func (a *API) topicTargets(w http.ResponseWriter, r *http.Request) error {
	topic := r.PathValue("topic")
	if err := core.CheckTopic(topic); err != nil {
		return err
	}
	ts, err := a.targetsOf(r.Context(), topic)
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, ts)
}

// allTargets answers for all topics: whole, or not at all, for what is left out is scraped no more.
func (a *API) allTargets(w http.ResponseWriter, r *http.Request) error {
	topics, err := a.targets.list(r.Context(), a)
	if err != nil {
		return err
	}
	const atOnce = 16
	var going sync.WaitGroup
	found, errs, turns := make([][]reply.Target, len(topics)), make([]error, len(topics)), make(chan struct{}, atOnce)
	for i, topic := range topics {
		turns <- struct{}{}
		going.Go(func() {
			found[i], errs[i] = a.targetsOf(r.Context(), topic)
			<-turns
		})
	}
	going.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	a.targets.keep(topics, found)
	return a.answer(w, http.StatusOK, append([]reply.Target{}, slices.Concat(found...)...))
}

// list returns the topics heard of and those that are remembered, in order.
func (t *targets) list(ctx context.Context, a *API) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout/2) // the rest is for the hosts
	defer cancel()
	names, err := a.MatchMaker.Backend().Topics(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && t.topics == nil {
		return nil, err
	}
	all := maps.Clone(t.topics)
	if all == nil {
		all = make(map[string]bool)
	}
	for _, name := range a.known(names, a.MatchMaker.Registrations()) {
		all[name] = true
	}
	return slices.Sorted(maps.Keys(all)), nil
}

// keep remembers the topics that have hosts.
func (t *targets) keep(topics []string, found [][]reply.Target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.topics = make(map[string]bool)
	for i, topic := range topics {
		if len(found[i]) > 0 {
			t.topics[topic] = true
		}
	}
}
