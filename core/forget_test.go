package core

import "testing"

// noBackend answers nothing: who calls it fails the test with a nil pointer.
type noBackend struct{ Backend }

func TestForgettingKeepsWhatWasRegisteredAnew(t *testing.T) {
	told := 0
	h, err := NewHeartbeat(noBackend{}, HeartbeatConfig{Observe: func(Event) { told++ }})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	same := []Registration{{Topic: "compute", Host: "node1"}}
	first, second := h.add(same)[0], h.add(same)[0]
	forgets := func(e *entry) {
		t.Helper()
		if err := h.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer h.give()
		if err := h.leave(t.Context(), []*entry{e}); err != nil { // neither has come to the registry
			t.Fatal(err)
		}
	}
	forgets(first)
	if h.table[second.place()] != second || len(h.Registrations()) != 1 {
		t.Errorf("registered are %+v, want what was registered anew", h.Registrations())
	}
	forgets(second)
	if len(h.table) > 0 || len(h.Registrations()) > 0 || told > 0 {
		t.Errorf("registered are %+v with %d events, want nobody and none", h.Registrations(), told)
	}
}
