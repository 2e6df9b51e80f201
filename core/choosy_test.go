package core_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

// choosy is a registry that has no room for addresses, as the original's has not.
type choosy struct{ core.Backend }

func (choosy) Keepable(r core.Registration) error {
	if r.Addr != "" {
		return fmt.Errorf("%w: addr of %s", core.ErrUnsupported, r.Host)
	}
	return nil
}

func TestWhatABackendCanNeverKeepIsRefusedAtOnceAndNotKept(t *testing.T) {
	h := start(t, choosy{coretest.NewMemory()})
	with := core.Registration{Topic: "compute", Host: "node1", Addr: "10.0.0.1:80"}
	if err := h.Register(t.Context(), core.Registration{Topic: "compute", Host: "node2"}, with); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("register: %v, want ErrUnsupported", err)
	}
	served := false
	err := h.Serve(t.Context(), core.Service{Serve: func() error { served = true; return nil },
		Stop: func(context.Context) error { return nil }}, with)
	if !errors.Is(err, core.ErrUnsupported) || served {
		t.Errorf("serve: %v, served %t, want ErrUnsupported and nothing served", err, served)
	}
	if kept := h.Registrations(); len(kept) > 0 {
		t.Errorf("kept %+v", kept)
	}
	if err := h.SendHeartbeats(t.Context()); err != nil {
		t.Errorf("the next round: %v", err)
	}
}
