package core_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

func TestNoErrorEndsTheLoopNorTheThousandth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		p.StartHeartbeat()
		var failed atomic.Int32
		r.intercept(func(c call) ([]core.Outcome, error) {
			failed.Add(1)
			return c.fails(errDown)
		})
		time.Sleep(20 * time.Minute)
		r.intercept(nil)
		if n := failed.Load(); n < 1200 || n > 2000 {
			t.Errorf("%d rounds failed in 20 minutes", n)
		}
		wantMembers(t, r, "compute")
		time.Sleep(freq)
		wantMembers(t, r, "compute", "node1")
		p.wantReported("node1 registered", "degraded", "node1 lost", "node1 recovered", "restored")
	})
}

func TestBeatsComeBackWithinAnIntervalWhenTheRegistryDoes(t *testing.T) {
	for name, broken := range map[string]func(call) ([]core.Outcome, error){
		"refuses": func(c call) ([]core.Outcome, error) { return c.fails(errDown) },
		"hangs":   call.hangs,
	} {
		t.Run(name, func(t *testing.T) {
			for away := 10 * time.Second; away < 12*time.Second; away += 70 * time.Millisecond {
				synctest.Test(t, func(t *testing.T) {
					r := newRegistry()
					p := start(t, r)
					p.register("compute", "node1")
					p.StartHeartbeat()
					time.Sleep(freq / 3)
					r.intercept(broken)
					time.Sleep(away)
					r.intercept(nil)
					time.Sleep(freq)
					wantMembers(t, r, "compute", "node1")
				})
			}
		})
	}
}

func TestEveryFailureIsTriedAgainSoonAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		p.StartHeartbeat()
		for range 3 {
			var failed atomic.Int32
			r.intercept(func(c call) ([]core.Outcome, error) {
				failed.Add(1)
				return c.fails(errDown)
			})
			time.Sleep(2 * freq)
			if n := failed.Load(); n < 4 || n > 10 {
				t.Errorf("%d rounds in two intervals of failure", n)
			}
			time.Sleep(time.Minute)
			r.intercept(nil)
			time.Sleep(5 * freq)
		}
	})
}

func TestARegistryThatIsDownAtTheStartIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		r.Break(errDown)
		p := start(t, r)
		p.StartHeartbeat()
		err := p.Register(t.Context(), core.Registration{Topic: "compute", Host: "node1"})
		p.wantErr(err, core.ErrUnavailable)
		p.wantStanding("node1 pending")
		time.Sleep(time.Hour)
		r.Unbreak()
		time.Sleep(freq)
		wantMembers(t, r, "compute", "node1")
		p.wantStanding("node1 valid")
		p.wantReported("degraded", "node1 registered", "restored")
	})
}

func TestHostIsBackWithinAnIntervalAfterALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		p.StartHeartbeat()
		time.Sleep(freq / 2)
		r.Lose()
		time.Sleep(freq)
		wantMembers(t, r, "compute", "node1")
		p.wantReported("node1 registered", "node1 lost", "node1 recovered")
	})
}

func TestStartTwiceBeatsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		var beats atomic.Int32
		r.intercept(func(c call) ([]core.Outcome, error) {
			beats.Add(1)
			return c.make()
		})
		p.StartHeartbeat()
		p.StartHeartbeat()
		time.Sleep(100 * freq)
		if n := beats.Load(); n < 100 || n > 112 { // each up to a tenth early
			t.Errorf("%d beats in 100 intervals", n)
		}
	})
}

func TestStartWithNothingRegisteredServesLaterRegistrations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.StartHeartbeat()
		time.Sleep(10 * freq)
		p.register("compute", "node1")
		time.Sleep(10 * ttl)
		wantMembers(t, r, "compute", "node1")
	})
}

func TestStopTwiceAndBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.StopHeartbeat()
		p.register("compute", "node1")
		p.StartHeartbeat()
		time.Sleep(10 * ttl)
		p.StopHeartbeat()
		p.StopHeartbeat()
		wantMembers(t, r, "compute", "node1")
		time.Sleep(ttl)
		wantMembers(t, r, "compute")
		p.wantStanding("node1 lost") // nobody beats
		p.StartHeartbeat()
		synctest.Wait()
		wantMembers(t, r, "compute", "node1")
		p.wantStanding("node1 valid")
	})
}

func TestEveryStopWaitsForTheRoundUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		var under atomic.Bool
		r.intercept(func(c call) ([]core.Outcome, error) {
			under.Store(true)
			defer under.Store(false)
			time.Sleep(freq / 4) // deaf to ctx
			return c.make()
		})
		p.StartHeartbeat()
		synctest.Wait()
		var stops sync.WaitGroup
		for range 3 {
			stops.Go(func() {
				p.StopHeartbeat()
				if under.Load() {
					t.Error("stopped while a round is under way")
				}
			})
		}
		stops.Wait()
		p.wantReported("node1 registered") // who stops has learnt nothing of the registry
	})
}

func TestStopReportsNoDegradation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		r.intercept(call.hangs)
		p.StartHeartbeat()
		synctest.Wait()
		p.StopHeartbeat()
		p.wantReported("node1 registered")
	})
}

func TestTwoLoopsNeverRunAfterStopAndStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		var beats atomic.Int32
		r.intercept(func(c call) ([]core.Outcome, error) {
			beats.Add(1)
			return c.make()
		})
		var calls sync.WaitGroup
		for i := range 40 {
			calls.Go(func() {
				if i%2 == 0 {
					p.StartHeartbeat()
				} else {
					p.StopHeartbeat()
				}
			})
		}
		calls.Wait()
		p.StartHeartbeat()
		synctest.Wait()
		beats.Store(0)
		time.Sleep(100 * freq)
		if n := beats.Load(); n < 98 || n > 112 {
			t.Errorf("%d beats in 100 intervals", n)
		}
	})
}

func TestARoundEndsWithinHalfAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		r.intercept(call.hangs)
		began := time.Now()
		p.wantErr(p.SendHeartbeats(t.Context()), core.ErrUnavailable)
		if took := time.Since(began); took != freq/2 {
			t.Errorf("a round took %s, want %s", took, freq/2)
		}
	})
}

func TestARegisterThatHangsDoesNotCostTheOthersTheirBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		p.StartHeartbeat()
		r.intercept(func(c call) ([]core.Outcome, error) {
			if c.claims[0].Topic == "volume" {
				return c.hangs()
			}
			return c.make()
		})
		began := time.Now()
		p.wantErr(p.Register(t.Context(), core.Registration{Topic: "volume", Host: "node1"}), core.ErrUnavailable)
		if took := time.Since(began); took > freq {
			t.Errorf("register took %s", took)
		}
		for range 20 {
			time.Sleep(ttl)
			wantMembers(t, r, "compute", "node1")
		}
	})
}

func TestBeatsThatHangLeaveTimeForRegistrationsAndDepartures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		p.register("compute", "node2")
		r.intercept(func(c call) ([]core.Outcome, error) { return c.fails(errDown) })
		p.wantErr(p.Register(t.Context(), core.Registration{Topic: "volume", Host: "node1"}), core.ErrUnavailable)
		p.wantErr(p.Unregister(t.Context(), "compute", "node2"), core.ErrUnavailable)
		r.intercept(func(c call) ([]core.Outcome, error) {
			if c.verb == "beat" {
				return c.hangs()
			}
			time.Sleep(time.Millisecond)
			if c.ctx.Err() != nil {
				return c.fails(c.ctx.Err())
			}
			return c.make()
		})
		p.StartHeartbeat()
		time.Sleep(freq)
		wantMembers(t, r, "volume", "node1")
		wantMembers(t, r, "compute", "node1")
	})
}

// What keeps registrations from lapsing comes first: a leave that waits does not take half of the time from it.
func TestBeatsHaveMostOfTheTimeOfARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		p.register("compute", "node2")
		r.intercept(func(c call) ([]core.Outcome, error) { return c.fails(errDown) })
		p.wantErr(p.Unregister(t.Context(), "compute", "node2"), core.ErrUnavailable)
		had := make(map[string]time.Duration)
		r.intercept(func(c call) ([]core.Outcome, error) {
			end, _ := c.ctx.Deadline()
			had[c.verb] = time.Until(end)
			return c.make()
		})
		const round = 300 * time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), round)
		defer cancel()
		if err := p.SendHeartbeats(ctx); err != nil {
			t.Fatal(err)
		}
		if had["beat"] != round*2/3 || had["leave"] != round {
			t.Errorf("of %s a beat had %s before a leave that had %s, want two thirds, and all that was left", round, had["beat"], had["leave"])
		}
	})
}

func TestRunLeavesEverythingAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		other := start(t, r)
		other.register("compute", "node3")
		other.StartHeartbeat()
		p.register("compute", "node1")
		p.register("compute", "node2")
		ctx, cancel := context.WithTimeout(t.Context(), 10*ttl)
		defer cancel()
		p.wantErr(p.Run(ctx), nil)
		wantMembers(t, r, "compute", "node3")
		p.wantStanding()
		p.wantReported("node1 registered", "node2 registered", "node1 departed", "node2 departed")
	})
}

func TestRunEndsWithinFiveSecondsThoughNobodyAnswers(t *testing.T) {
	for name, broken := range map[string]func(call) ([]core.Outcome, error){
		"refuses": func(c call) ([]core.Outcome, error) { return c.fails(errDown) },
		"hangs":   call.hangs,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegistry()
				p := start(t, r)
				p.register("compute", "node1")
				r.intercept(broken)
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				began := time.Now()
				p.wantErr(p.Run(ctx), core.ErrUnavailable)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("Run took %s to end", took)
				}
				p.wantStanding("node1 leaving")
			})
		})
	}
}

func TestRunEndsWithinFiveSecondsThoughARoundIsDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		r.intercept(func(c call) ([]core.Outcome, error) {
			time.Sleep(time.Minute) // whatever its context says
			return c.make()
		})
		p.StartHeartbeat()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		p.wantErr(p.Run(ctx), core.ErrUnavailable)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("Run took %s to end", took)
		}
	})
}

func TestRunLeavesWhenTheRegistryComesBackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		r.Break(errDown)
		time.AfterFunc(3*time.Second, r.Unbreak)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p.wantErr(p.Run(ctx), nil)
		wantMembers(t, r, "compute")
	})
}

func TestCloseLeaksNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	m := coretest.NewMemory()
	h, err := core.NewHeartbeat(m, core.HeartbeatConfig{Freq: 10 * time.Millisecond, TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Register(t.Context(), core.Registration{Topic: "compute", Host: "node1"}); err != nil {
		t.Fatal(err)
	}
	h.StartHeartbeat()
	var lookups sync.WaitGroup
	for i := range 50 {
		lookups.Go(func() { h.Resolve(t.Context(), fmt.Sprintf("topic%d", i)) })
	}
	if _, err := h.Resolve(t.Context(), "compute"); err != nil {
		t.Error(err)
	}
	if err := errors.Join(h.Close(), h.Close()); err != nil {
		t.Error(err)
	}
	lookups.Wait()
	h.StartHeartbeat() // does nothing any more
	if _, err := h.Resolve(t.Context(), "volume"); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("a topic first asked for after Close: %v, want ErrUnavailable", err)
	}
	if _, err := h.Resolve(t.Context(), "compute"); err != nil {
		t.Errorf("the last view does not answer after Close: %v", err)
	}
}

type closing struct {
	*registry
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return nil
}

func TestCloseClosesTheBackendOnce(t *testing.T) {
	c := &closing{registry: newRegistry()}
	p := start(t, c)
	p.wantErr(errors.Join(p.Close(), p.Close()), nil)
	if c.closed != 1 {
		t.Errorf("closed %d times", c.closed)
	}
}

func TestAnIntervalOrATTLThatCannotWorkIsRefused(t *testing.T) {
	for _, c := range []struct {
		freq, ttl time.Duration
		refused   bool
	}{
		{0, 0, false},
		{time.Second, 0, false},
		{time.Second, 2 * time.Second, false},
		{0, 10 * time.Second, false},
		{10 * time.Millisecond, 0, false},
		{0, 10*time.Second - 1, true},
		{time.Second, 2*time.Second - 1, true},
		{time.Second, time.Second, true},
		{2 * time.Second, time.Second, true},
		{time.Second, -time.Second, true},
		{-time.Second, 0, true},
		{-time.Second, -time.Second, true},
		{10*time.Millisecond - 1, 0, true},
	} {
		_, err := core.NewHeartbeat(coretest.NewMemory(), core.HeartbeatConfig{Freq: c.freq, TTL: c.ttl})
		if (err != nil) != c.refused || err != nil && !errors.Is(err, core.ErrInvalid) {
			t.Errorf("freq %s, ttl %s: %v, want refused %v", c.freq, c.ttl, err, c.refused)
		}
	}
	complete, err := core.HeartbeatConfig{}.Complete()
	if err != nil || complete.Freq != 5*time.Second || complete.TTL != 15*time.Second {
		t.Errorf("the zero config is freq %s, ttl %s, %v", complete.Freq, complete.TTL, err)
	}
}
