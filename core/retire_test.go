package core_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

// retiring is node1 under two topics, node1 of a third that stays, and what is seen of node1 when it is stopped.
type retiring struct {
	*process
	memory *coretest.Memory
	rs     []core.Registration
	began  time.Time
	seen   string // when stop was called
	after  time.Duration
}

func startRetiring(t *testing.T) *retiring {
	t.Helper()
	m := coretest.NewMemory()
	r := &retiring{process: start(t, m), memory: m}
	r.rs = []core.Registration{{Topic: "compute", Host: "node1"}, {Topic: "volume", Host: "node1"}}
	if err := r.Register(t.Context(), r.rs...); err != nil {
		t.Fatal(err)
	}
	r.register("stays", "node1")
	r.StartHeartbeat()
	r.began = time.Now()
	return r
}

// states is what a registry says of the topics of the test.
func (r *retiring) states() string {
	var said []string
	for _, topic := range []string{"compute", "volume", "stays"} {
		v, err := r.memory.Members(context.Background(), topic)
		if err != nil {
			return err.Error()
		}
		for _, m := range v.Members {
			said = append(said, topic+" "+m.State.String())
		}
	}
	return strings.Join(said, ", ")
}

// stop notes what it sees, and takes as long as it may, or d.
func (r *retiring) stop(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		r.seen, r.after = r.states(), time.Since(r.began)
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return errCut
		}
	}
}

var errCut = errors.New("cut off")

func (r *retiring) want(seen string, after, took time.Duration) {
	r.t.Helper()
	if r.seen != seen || r.after != after {
		r.t.Errorf("stopped after %s when the registry said %q; want %s, %q", r.after, r.seen, after, seen)
	}
	if got := time.Since(r.began); got != took {
		r.t.Errorf("retiring took %s, want %s", got, took)
	}
}

func TestRetireAnnouncesThenWaitsThenStopsThenLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRetiring(t)
		r.wantErr(r.Retire(t.Context(), core.Farewell{}, r.stop(time.Second), r.rs...), nil)
		r.want("compute draining, volume draining, stays up", 2*time.Second, 3*time.Second)
		if got := r.states(); got != "stays up" {
			t.Errorf("afterwards the registry says %q", got)
		}
	})
}

func TestRetireKeepsTheHostListedForAsLongAsItDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRetiring(t)
		stop := func(context.Context) error {
			time.Sleep(2 * ttl)
			r.seen = r.states()
			return nil
		}
		r.wantErr(r.Retire(t.Context(), core.Farewell{}, stop, r.rs...), nil)
		r.want("compute draining, volume draining, stays up", 0, 2*time.Second+2*ttl)
	})
}

func TestRetireCutsOffWhatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRetiring(t)
		f := core.Farewell{Propagation: -1, Drain: 7 * time.Second}
		r.wantErr(r.Retire(t.Context(), f, r.stop(time.Hour), r.rs...), errCut)
		r.want("compute draining, volume draining, stays up", 0, 7*time.Second)
		if got := r.states(); got != "stays up" {
			t.Errorf("afterwards the registry says %q", got)
		}
	})
}

func TestRetireWithoutTheRegistryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRetiring(t)
		r.memory.Break(errDown)
		err := r.Retire(t.Context(), core.Farewell{}, r.stop(time.Second), r.rs...)
		r.wantErr(err, core.ErrUnavailable)
		if text := "2 registrations could not be left and lapse after 3s"; err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want %q in it", err, text)
		}
		if r.after > 3*time.Second || time.Since(r.began) > 9*time.Second {
			t.Errorf("stopped after %s and done after %s, want 3s and 9s at most", r.after, time.Since(r.began))
		}
	})
}

func TestRetireIsAnnouncedWhenTheRegistryIsBackWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRetiring(t)
		r.memory.Break(errDown)
		time.AfterFunc(500*time.Millisecond, r.memory.Unbreak)
		r.StopHeartbeat() // so that nobody else tells
		r.wantErr(r.Retire(t.Context(), core.Farewell{Propagation: -1}, r.stop(0), r.rs...), nil)
		if r.seen != "compute draining, volume draining, stays up" {
			t.Errorf("stopped when the registry said %q", r.seen)
		}
	})
}

func TestRetireThatIsHurriedWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRetiring(t)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		r.wantErr(r.Retire(ctx, core.Farewell{}, r.stop(time.Hour), r.rs...), errCut)
		r.want("compute draining, volume draining, stays up", 500*time.Millisecond, 500*time.Millisecond)
		if got := r.states(); got != "stays up" {
			t.Errorf("afterwards the registry says %q", got)
		}
	})
}

func TestServeRegistersWhileItServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRetiring(t)
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		s := core.Service{
			Serve: func() error { <-stopped; return nil },
			Stop:  func(ctx context.Context) error { close(stopped); return r.stop(time.Second)(ctx) },
		}
		done := make(chan error, 1)
		go func() { done <- r.Serve(ctx, s, core.Registration{Topic: "volume", Host: "node2"}) }()
		time.Sleep(time.Minute)
		if got := r.states(); got != "compute up, volume up, volume up, stays up" {
			t.Errorf("while it serves the registry says %q", got)
		}
		r.began = time.Now()
		cancel()
		r.wantErr(<-done, nil)
		r.want("compute up, volume up, volume draining, stays up", 2*time.Second, 3*time.Second)
		if got := r.states(); got != "compute up, volume up, stays up" {
			t.Errorf("afterwards the registry says %q", got)
		}
	})
}

func TestServeOfWhatEndsByItselfLeavesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRetiring(t)
		s := core.Service{
			Serve: func() error { time.Sleep(time.Minute); return errCut },
			Stop:  func(context.Context) error { t.Error("stopped"); return nil },
		}
		r.wantErr(r.Serve(t.Context(), s, r.rs...), errCut)
		r.want("", 0, time.Minute)
		if got := r.states(); got != "stays up" {
			t.Errorf("afterwards the registry says %q", got)
		}
	})
}

func TestServeRegistersWhenTheRegistryIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		m.Break(errDown)
		r := &retiring{process: start(t, m), memory: m}
		ctx, cancel := context.WithCancel(t.Context())
		stopped, done := make(chan struct{}), make(chan error, 1)
		s := core.Service{
			Serve: func() error { <-stopped; return nil },
			Stop:  func(context.Context) error { close(stopped); return nil },
		}
		go func() { done <- r.Serve(ctx, s, core.Registration{Topic: "compute", Host: "node1"}) }()
		time.Sleep(time.Minute)
		m.Unbreak()
		time.Sleep(freq)
		if got := r.states(); got != "compute up" {
			t.Errorf("the registry is back and says %q", got)
		}
		cancel()
		r.wantErr(<-done, nil)
	})
}

func TestServeRefusesWhatCannotBeRegistered(t *testing.T) {
	p := start(t, coretest.NewMemory())
	s := core.Service{Serve: func() error { t.Error("served"); return nil }}
	p.wantErr(p.Serve(t.Context(), s, core.Registration{Topic: "compute"}), core.ErrInvalid)
}
