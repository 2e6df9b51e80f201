package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
	"github.com/redismm/matchmaker/ringmm"
)

var (
	backends = []string{"redis", "ring", "localhost", "stub"}
	layouts  = []string{redismm.LayoutMatchmaker, redismm.LayoutOslo}
)

// instead says what a backend does instead of keeping registrations.
var instead = map[string]string{
	"ring":      "its file says who is there",
	"localhost": "it answers every topic with this machine",
	"stub":      "it leaves every key to the broker",
}

// needRedis refuses a verb that the backend cannot do.
func (a *app) needRedis(verb string) error {
	if a.Backend == "redis" {
		return nil
	}
	return fmt.Errorf("%s: %w: %s (from %s) keeps no registrations; %s", verb, core.ErrUnsupported,
		a.Backend, a.origin("backend"), instead[a.Backend])
}

func (a *app) config() redismm.Config {
	c := redismm.Config{
		HeartbeatConfig: core.HeartbeatConfig{Freq: a.HeartbeatFreq, TTL: a.HeartbeatTTL, Observe: a.observe},
		Prefix:          a.Prefix,
		Layout:          a.Layout,
	}
	if a.Layout == redismm.LayoutOslo && !a.given("prefix") {
		c.Prefix = "" // its keys have none
	}
	return c
}

// needOwnLayout refuses what only the project's own layout has room for.
func (a *app) needOwnLayout(what, why string) error {
	if a.Layout == redismm.LayoutMatchmaker {
		return nil
	}
	return fmt.Errorf("%s: %w: layout %s (from %s) %s", what, core.ErrUnsupported, a.Layout, a.origin("layout"), why)
}

// asksOutside refuses to look into a Redis that would begin and end with the command.
func (a *app) asksOutside() error {
	if !a.embedded() {
		return nil
	}
	return usagef("%s is %q: a Redis inside %s would be empty, and gone at once; only sidecar and run take it",
		a.origin("redis-url"), a.RedisURL, a.cmd.Name())
}

// store opens Redis in the project's own layout for a command that asks once.
func (a *app) store() (*redismm.Store, error) {
	if err := a.asksOutside(); err != nil {
		return nil, err
	}
	s, err := redismm.OpenStore(a.RedisURL, a.config())
	return s, a.refused(err)
}

// registry is a Redis in either layout.
type registry interface {
	core.Backend
	core.Exchanges
	io.Closer
}

// registry opens Redis for a command that asks once.
func (a *app) registry() (registry, error) {
	if a.Layout != redismm.LayoutOslo {
		return a.store()
	}
	if err := a.asksOutside(); err != nil {
		return nil, err
	}
	o, err := redismm.OpenOslo(a.RedisURL, a.config())
	return o, a.refused(err)
}

// refused says where a setting that redismm refuses came from.
func (a *app) refused(err error) error {
	switch {
	case err == nil:
		return nil
	case strings.HasPrefix(err.Error(), core.ErrInvalid.Error()+" layout ") && !a.given("redis-url"): // it wants another Redis
		return usagef("%s: %w", a.origin("layout"), err)
	case strings.HasPrefix(err.Error(), core.ErrInvalid.Error()+" prefix "):
		return usagef("%s: %w", a.origin("prefix"), err)
	}
	return usagef("%s: %w", a.origin("redis-url"), err)
}

// ring opens the ring file.
func (a *app) ring() (*ringmm.Ring, error) {
	if a.Ringfile == "" {
		return nil, usagef("the ring backend wants --ringfile, or %s", variableOf("ringfile"))
	}
	ring, err := ringmm.Open(a.Ringfile, a.observeRing)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, a.origin("ringfile"))
	}
	return ring, nil
}

// matchmaker opens the backend for lookups that ask it each time.
func (a *app) matchmaker() (*core.MatchMaker, io.Closer, error) {
	switch a.Backend {
	case "stub":
		return core.NewStub(), io.NopCloser(nil), nil
	case "localhost":
		return core.NewLocalhost("localhost"), io.NopCloser(nil), nil
	case "ring":
		ring, err := a.ring()
		if err != nil {
			return nil, nil, err
		}
		return core.New(ring), ring, nil
	}
	found, err := a.registry()
	if err != nil {
		return nil, nil, err
	}
	return core.New(found), found, nil
}
