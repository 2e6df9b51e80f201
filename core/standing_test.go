package core_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

func TestBeatDoesNotReviveTheUnregistered(t *testing.T) {
	for _, delivered := range []string{"before the caller hears", "and its answer is lost", "never"} {
		t.Run(delivered, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegistry()
				p := start(t, r)
				p.register("compute", "node1")
				r.intercept(func(c call) ([]core.Outcome, error) {
					if c.verb != "beat" {
						return c.make()
					}
					time.Sleep(freq / 4)
					switch delivered {
					case "and its answer is lost":
						return c.loses()
					case "never":
						return c.fails(errDown)
					}
					return c.make()
				})
				p.StartHeartbeat()
				synctest.Wait() // the first beat is under way
				p.wantErr(p.Unregister(t.Context(), "compute", "node1"), nil)
				for range 20 {
					wantMembers(t, r, "compute")
					time.Sleep(freq)
				}
				p.wantStanding()
			})
		})
	}
}

func TestFailedUnregisterIsNotForgottenAndNotBeaten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		p.register("compute", "node2")
		p.StartHeartbeat()
		synctest.Wait()
		r.intercept(func(c call) ([]core.Outcome, error) {
			for _, claim := range c.claims {
				if c.verb != "leave" && claim.Host == "node1" {
					t.Errorf("%s of what is to be left", c.verb)
				}
			}
			if c.verb == "leave" {
				return c.fails(errDown)
			}
			return c.make()
		})
		p.wantErr(p.Unregister(t.Context(), "compute", "node1"), core.ErrUnavailable)
		p.wantStanding("node1 leaving", "node2 valid")
		time.Sleep(freq)
		wantMembers(t, r, "compute", "node1", "node2")
		r.intercept(nil)
		time.Sleep(freq)
		wantMembers(t, r, "compute", "node2")
		p.wantStanding("node2 valid")
	})
}

func TestUnregisterThatWaitsInVainIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		p.StartHeartbeat()
		time.Sleep(freq / 2)
		ended, end := context.WithCancel(t.Context())
		end()
		p.wantErr(p.Unregister(ended, "compute", "node1"), core.ErrUnavailable)
		time.Sleep(freq)
		wantMembers(t, r, "compute")
		p.wantStanding()
	})
}

func TestRegisterAfterAFailedUnregisterStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		p.StartHeartbeat()
		r.intercept(func(c call) ([]core.Outcome, error) {
			if c.verb == "leave" {
				return c.loses()
			}
			return c.make()
		})
		p.wantErr(p.Unregister(t.Context(), "compute", "node1"), core.ErrUnavailable)
		p.register("compute", "node1")
		r.intercept(nil)
		for range 20 {
			time.Sleep(freq)
			wantMembers(t, r, "compute", "node1")
		}
		p.wantStanding("node1 valid")
	})
}

func TestRegisterWhileADepartureIsUnderWayStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		r.intercept(func(c call) ([]core.Outcome, error) {
			time.Sleep(freq / 4)
			return c.make()
		})
		var calls sync.WaitGroup
		calls.Go(func() { p.wantErr(p.Unregister(t.Context(), "compute", "node1"), nil) })
		synctest.Wait()
		p.register("compute", "node1")
		calls.Wait()
		p.wantStanding("node1 valid")
		p.StartHeartbeat()
		time.Sleep(10 * ttl)
		wantMembers(t, r, "compute", "node1")
	})
}

func TestVerbsByNameEndWithinHalfAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		r.intercept(call.hangs)
		for verb, f := range map[string]func(context.Context, string, string) error{"unregister": p.Unregister, "ack": p.AckAlive} {
			began := time.Now()
			p.wantErr(f(t.Context(), "compute", "node1"), core.ErrUnavailable)
			if took := time.Since(began); took != freq/2 {
				t.Errorf("%s took %s", verb, took)
			}
		}
	})
}

func TestARegistrationIsValidFromWhenItsBeatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		r.intercept(func(c call) ([]core.Outcome, error) {
			defer time.Sleep(freq / 4) // the answer is late
			return c.make()
		})
		began := time.Now()
		p.register("compute", "node1")
		if until := p.Registrations()[0].ValidUntil; !until.Equal(began.Add(ttl)) {
			t.Errorf("valid for %s after it was sent, want %s", until.Sub(began), ttl)
		}
	})
}

func TestUnregisterOfWhatNeverArrivedRemovesNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		other, p := start(t, r), start(t, r)
		other.register("compute", "node1")
		r.Break(errDown)
		err := p.Register(t.Context(), core.Registration{Topic: "compute", Host: "node1"})
		p.wantErr(err, core.ErrUnavailable)
		r.Unbreak()
		p.wantErr(p.Unregister(t.Context(), "compute", "node1"), nil)
		wantMembers(t, r, "compute", "node1")
		p.wantStanding()
		other.StartHeartbeat()
		time.Sleep(10 * ttl)
		wantMembers(t, r, "compute", "node1")
		other.wantReported("node1 registered")
	})
}

func TestUnregisterFindsWhatWasRegisteredWhileItWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		r.intercept(func(c call) ([]core.Outcome, error) {
			time.Sleep(freq / 4)
			return c.make()
		})
		var calls sync.WaitGroup
		calls.Go(func() { p.register("volume", "node1") }) // has the turn
		synctest.Wait()
		calls.Go(func() { p.wantErr(p.Unregister(t.Context(), "compute", "node1"), nil) })
		synctest.Wait()
		calls.Go(func() { p.register("compute", "node1") })
		calls.Wait()
		p.StartHeartbeat()
		time.Sleep(ttl)
		wantMembers(t, r, "compute")
		p.wantReported("node1 registered") // of volume; what never came to the registry has not departed from it
		p.wantStanding("node1 valid")
	})
}

func TestUnregisteringNobodyIsReported(t *testing.T) {
	p := start(t, coretest.NewMemory())
	p.wantErr(p.Unregister(t.Context(), "compute", "node1"), core.ErrNotRegistered)
	p.wantErr(p.Expire(t.Context(), "compute", "node1"), core.ErrNotRegistered)
	p.wantErr(p.AckAlive(t.Context(), "compute", "node1"), core.ErrNotRegistered)
	p.wantErr(p.Drain(t.Context(), "compute", "node1"), core.ErrNotRegistered)
}

func TestFailedRegisterIsKeptAndTriedAgain(t *testing.T) {
	for name, broken := range map[string]func(call) ([]core.Outcome, error){
		"lost":             func(c call) ([]core.Outcome, error) { return c.fails(errDown) },
		"answer lost":      call.loses,
		"nobody answers":   call.hangs,
		"half carried out": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegistry()
				p := start(t, r)
				p.StartHeartbeat()
				synctest.Wait() // until the first round, which has nothing to do
				if broken == nil {
					broken = func(c call) ([]core.Outcome, error) {
						half := call{c.ctx, c.verb, c.claims, nil}
						os, err := half.fails(errDown)
						first, _ := r.Memory.BackendRegister(c.ctx, ttl, c.claims[:1])
						os[0] = first[0]
						return os, err
					}
				}
				r.intercept(broken)
				err := p.Register(t.Context(), core.Registration{Topic: "compute", Host: "node1"},
					core.Registration{Topic: "compute", Host: "node2"})
				p.wantErr(err, core.ErrUnavailable)
				r.intercept(nil)
				time.Sleep(freq)
				wantMembers(t, r, "compute", "node1", "node2")
				p.wantReported("node1 registered", "node2 registered")
			})
		})
	}
}

func TestARegisterWhoseAnswerWasLostDoesNotTakeThePlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p, other := start(t, r), start(t, r)
		r.intercept(call.loses)
		err := p.Register(t.Context(), core.Registration{Topic: "compute", Host: "node1"})
		p.wantErr(err, core.ErrUnavailable)
		r.intercept(nil)
		other.register("compute", "node1")
		p.StartHeartbeat()
		other.StartHeartbeat()
		time.Sleep(10 * ttl)
		p.wantStanding("node1 standing by")
		other.wantStanding("node1 valid")
	})
}

func TestRefusedRegistrationKeepsNothing(t *testing.T) {
	m := coretest.NewMemory()
	p := start(t, m)
	err := p.Register(t.Context(), core.Registration{Topic: "compute", Host: "node1"}, core.Registration{Topic: "fanout", Host: "node1"})
	p.wantErr(err, core.ErrInvalid)
	p.wantStanding()
	wantMembers(t, m, "compute")
}

func TestARegistrationDoesNotChangeAfterRegister(t *testing.T) {
	m := coretest.NewMemory()
	p := start(t, m)
	mine := core.Registration{Topic: "compute", Host: "node1", Labels: map[string]string{"rack": "b2"}}
	p.wantErr(p.Register(t.Context(), mine), nil)
	mine.Labels["rack"] = "c3"
	if rack := p.Registrations()[0].Member.Labels["rack"]; rack != "b2" {
		t.Errorf("rack %s, want b2", rack)
	}
}

func TestRegisteringAgainReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newRegistry()
		p := start(t, m)
		p.StartHeartbeat()
		p.register("compute", "node1")
		m.intercept(func(c call) ([]core.Outcome, error) {
			if len(c.claims) != 1 {
				t.Errorf("%s of one place %d times", c.verb, len(c.claims))
			}
			return c.make()
		})
		again := core.Registration{Topic: "compute", Host: "node1", Addr: "10.0.0.1:80"}
		p.wantErr(p.Register(t.Context(), again, again), nil)
		time.Sleep(ttl)
		v, _ := m.Members(t.Context(), "compute")
		if len(v.Members) != 1 || v.Members[0].Addr != again.Addr {
			t.Errorf("members %+v", v.Members)
		}
		p.wantStanding("node1 valid")
		p.wantReported("node1 registered", "node1 registered")
	})
}

func TestAHostThatLeavesOneTopicKeepsTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		p := start(t, m)
		p.register("compute", "node1")
		p.register("volume", "node1")
		p.StartHeartbeat()
		p.wantErr(p.Unregister(t.Context(), "compute", "node1"), nil)
		p.StopHeartbeat()
		p.StartHeartbeat()
		time.Sleep(10 * ttl)
		wantMembers(t, m, "compute")
		wantMembers(t, m, "volume", "node1")
	})
}

func TestAcknowledgingAForeignHostAdoptsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		p, other := start(t, m), start(t, m)
		other.register("compute", "node1")
		p.StartHeartbeat()
		time.Sleep(2 * freq)
		p.wantErr(p.AckAlive(t.Context(), "compute", "node1"), nil)
		time.Sleep(2 * freq)
		wantMembers(t, m, "compute", "node1") // renewed
		time.Sleep(freq)
		wantMembers(t, m, "compute") // and no more than that
		p.wantErr(p.AckAlive(t.Context(), "compute", "node1"), core.ErrNotRegistered)
		p.wantStanding()
	})
}

func TestWhoIsRemovedByNameStopsAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		older, owner, operator := start(t, m), start(t, m), start(t, m)
		older.register("compute", "node1")
		owner.register("compute", "node1")
		older.StartHeartbeat()
		owner.StartHeartbeat()
		time.Sleep(freq)
		operator.wantErr(operator.Unregister(t.Context(), "compute", "node1"), nil)
		for range 20 {
			wantMembers(t, m, "compute")
			time.Sleep(freq)
		}
		owner.wantReported("node1 registered", "node1 removed")
		owner.wantStanding("node1 removed")
		older.wantReported("node1 registered", "node1 superseded", "node1 removed")
		older.wantStanding("node1 removed")
		owner.wantErr(owner.Drain(t.Context(), "compute", "node1"), core.ErrNotRegistered)

		owner.register("compute", "node1") // it may come again
		time.Sleep(ttl)
		wantMembers(t, m, "compute", "node1")
		owner.wantErr(owner.Unregister(t.Context(), "compute", "node1"), nil)
		older.wantErr(older.Unregister(t.Context(), "compute", "node1"), nil)
		owner.wantStanding()
		older.wantStanding()
	})
}

func TestARegisterThatWasRemovedBeforeItHeardSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p, operator := start(t, r), start(t, r)
		r.intercept(func(c call) ([]core.Outcome, error) {
			r.intercept(nil)
			c.make()
			operator.wantErr(operator.Unregister(t.Context(), "compute", "node1"), nil)
			return c.make()
		})
		err := p.Register(t.Context(), core.Registration{Topic: "compute", Host: "node1"})
		p.wantErr(err, core.ErrNotRegistered)
		p.wantStanding("node1 removed")
	})
}

func TestSupersededStandsByAndReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		old, newer := start(t, m), start(t, m)
		old.register("compute", "node1")
		old.StartHeartbeat()
		newer.register("compute", "node1")
		newer.StartHeartbeat()
		time.Sleep(10 * ttl)
		old.wantStanding("node1 standing by")
		newer.wantStanding("node1 valid")
		old.wantReported("node1 registered", "node1 superseded")
		if e := old.event(1); e.Holder == nil || e.Holder.Instance != newer.Registrations()[0].Member.Instance {
			t.Errorf("superseded by %+v", e.Holder)
		}
		newer.StopHeartbeat() // dies
		time.Sleep(ttl + freq)
		old.wantStanding("node1 valid")
		wantMembers(t, m, "compute", "node1")
		old.wantReported("node1 registered", "node1 superseded", "node1 returned")
	})
}

func TestRegisterThatIsSupersededSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p, newer := start(t, r), start(t, r)
		r.intercept(func(c call) ([]core.Outcome, error) {
			r.intercept(nil)
			c.make()
			newer.register("compute", "node1")
			return c.make()
		})
		err := p.Register(t.Context(), core.Registration{Topic: "compute", Host: "node1"})
		p.wantErr(err, core.ErrSuperseded)
		p.wantErr(p.Unregister(t.Context(), "compute", "node1"), nil)
		wantMembers(t, r, "compute", "node1")
	})
}

func TestTakenOverThreeTimesInAMinuteIsContested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		a, b := start(t, m), start(t, m)
		a.StartHeartbeat()
		b.StartHeartbeat()
		for range 2 {
			a.register("compute", "node1")
			time.Sleep(2 * freq)
			b.register("compute", "node1")
			time.Sleep(2 * freq)
		}
		if strings.Contains(a.reported(), "contested") {
			t.Error("contested at the second time")
		}
		a.register("compute", "node1")
		time.Sleep(2 * freq)
		b.register("compute", "node1")
		time.Sleep(2 * freq)
		if !strings.HasSuffix(a.reported(), "superseded, node1 contested") {
			t.Errorf("reported %s", a.reported())
		}
		time.Sleep(time.Minute)
		a.register("compute", "node1")
		time.Sleep(2 * freq)
		b.register("compute", "node1")
		time.Sleep(2 * freq)
		if n := strings.Count(a.reported(), "contested"); n != 1 {
			t.Errorf("contested %d times, the second after a quiet minute", n)
		}
	})
}

func TestALongPauseIsLostThenRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		p.StartHeartbeat()
		time.Sleep(freq / 2)
		r.intercept(func(c call) ([]core.Outcome, error) { // the process sleeps before the call leaves it
			r.intercept(nil)
			time.Sleep(10 * ttl)
			return c.make()
		})
		time.Sleep(12 * ttl)
		wantMembers(t, r, "compute", "node1")
		p.wantReported("node1 registered", "node1 lost", "degraded", "node1 recovered", "restored")
		p.wantStanding("node1 valid")
	})
}

func TestLostIsReportedWhenTheTTLHasPassedAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		p.StartHeartbeat()
		synctest.Wait()
		r.Break(errDown)
		time.Sleep(ttl - freq)
		p.wantReported("node1 registered", "degraded")
		p.wantStanding("node1 valid")
		time.Sleep(2 * freq)
		p.wantReported("node1 registered", "degraded", "node1 lost")
		if err := p.event(2).Err; !errors.Is(err, errDown) {
			t.Errorf("lost because of %v", err)
		}
		r.Unbreak()
		time.Sleep(freq)
		p.wantReported("node1 registered", "degraded", "node1 lost", "node1 recovered", "restored")
	})
}

func TestAnExpiredHostIsBackWithTheNextBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		p, operator := start(t, m), start(t, m)
		p.register("compute", "node1")
		p.register("node1", "x") // what the original would have expired instead
		p.StartHeartbeat()
		time.Sleep(freq / 2)
		operator.wantErr(operator.Expire(t.Context(), "compute", "node1"), nil)
		wantMembers(t, m, "compute")
		wantMembers(t, m, "node1", "x")
		if alive, err := operator.IsAlive(t.Context(), "compute", "node1"); alive || err != nil {
			t.Errorf("alive after Expire: %v, %v", alive, err)
		}
		time.Sleep(freq)
		if alive, err := operator.IsAlive(t.Context(), "compute", "node1"); !alive || err != nil {
			t.Errorf("not alive after a beat: %v, %v", alive, err)
		}
		p.wantReported("node1 registered", "x registered", "node1 lost", "node1 recovered")
	})
}

func TestDrainIsAnnouncedAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		p := start(t, m)
		p.register("compute", "node1")
		p.StartHeartbeat()
		p.wantErr(p.Drain(t.Context(), "compute", "node1"), nil)
		state := func() core.State {
			v, _ := m.Members(t.Context(), "compute")
			return v.Members[0].State
		}
		if s := state(); s != core.Draining {
			t.Errorf("state %s after Drain", s)
		}
		m.Lose()
		time.Sleep(freq)
		if s := state(); s != core.Draining {
			t.Errorf("state %s after a loss", s)
		}
		p.register("compute", "node1")
		if s := state(); s != core.Up {
			t.Errorf("state %s after it registered anew", s)
		}
		m.Break(errDown)
		p.wantErr(p.Drain(t.Context(), "compute", "node1"), core.ErrUnavailable)
		m.Unbreak()
		time.Sleep(freq)
		if s := state(); s != core.Draining {
			t.Errorf("state %s though every heartbeat announces it", s)
		}
	})
}

func TestFailAndPassAreAnnouncedAndLeaveADrainAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		p := start(t, m)
		p.wantErr(p.Fail(t.Context(), "compute", "node1"), core.ErrNotRegistered)
		p.register("compute", "node1")
		p.StartHeartbeat()
		is := func(want core.State, when string) {
			t.Helper()
			v, err := m.Members(t.Context(), "compute")
			if err != nil || len(v.Members) != 1 || v.Members[0].State != want {
				t.Errorf("%s: %v, %v, want one host %s", when, v.Members, err, want)
			}
		}
		p.wantErr(p.Fail(t.Context(), "compute", "node1"), nil)
		is(core.Failing, "after Fail")
		m.Lose()
		time.Sleep(freq)
		is(core.Failing, "after a loss")
		p.register("compute", "node1")
		is(core.Failing, "registered anew, and its check fails as before")
		p.wantErr(p.Pass(t.Context(), "compute", "node1"), nil)
		is(core.Up, "after Pass")
		p.wantErr(p.Drain(t.Context(), "compute", "node1"), nil)
		p.wantErr(p.Fail(t.Context(), "compute", "node1"), nil)
		is(core.Failing, "failing and draining")
		p.wantErr(p.Pass(t.Context(), "compute", "node1"), nil)
		is(core.Draining, "after Pass of what drains")
		m.Break(errDown)
		p.wantErr(p.Fail(t.Context(), "compute", "node1"), core.ErrUnavailable)
		m.Unbreak()
		time.Sleep(freq)
		is(core.Failing, "though every heartbeat announces it")
	})
}

func TestADrainWhileABeatIsUnderWayIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		p := start(t, r)
		p.register("compute", "node1")
		r.intercept(func(c call) ([]core.Outcome, error) {
			time.Sleep(freq / 4)
			return c.make()
		})
		p.StartHeartbeat()
		synctest.Wait()
		ended, end := context.WithCancel(t.Context())
		end()
		p.wantErr(p.Drain(ended, "compute", "node1"), core.ErrUnavailable)
		time.Sleep(2 * freq)
		if v, _ := r.Members(t.Context(), "compute"); v.Members[0].State != core.Draining {
			t.Errorf("state %s", v.Members[0].State)
		}
	})
}

func TestRegisteringFromAHundredGoroutinesWhileRoundsRun(t *testing.T) {
	m := coretest.NewMemory()
	h, err := core.NewHeartbeat(m, core.HeartbeatConfig{Freq: 20 * time.Millisecond, TTL: time.Minute, Observe: func(core.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.StartHeartbeat()
	var calls sync.WaitGroup
	for i := range 100 {
		calls.Go(func() {
			ctx := t.Context()
			topic := fmt.Sprintf("topic%d", i%3)
			for j := range 4 {
				r := core.Registration{Topic: topic, Host: fmt.Sprintf("node%d-%d", i, j)}
				h.Register(ctx, r)
				h.SendHeartbeats(ctx)
				h.AckAlive(ctx, topic, r.Host)
				h.Registrations()
				h.Resolve(ctx, topic)
				if j%2 == 0 {
					h.Drain(ctx, topic, r.Host)
					h.Unregister(ctx, topic, r.Host)
				}
			}
		})
	}
	calls.Wait()
	for deadline := time.Now().Add(10 * time.Second); h.SendHeartbeats(t.Context()) != nil; {
		if time.Now().After(deadline) {
			t.Fatal("no round succeeds")
		}
	}
	for i := range 3 {
		want := 0
		for j := range 100 {
			if j%3 == i {
				want += 2
			}
		}
		if got := len(members(t, m, fmt.Sprintf("topic%d", i))); got != want {
			t.Errorf("%d members of topic%d, want %d", got, i, want)
		}
	}
	for _, s := range h.Registrations() {
		if s.Standing != "valid" {
			t.Errorf("%s stands %s", s.Member.Host, s.Standing)
		}
	}
}

func TestEventsComeInTheOrderTheyHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		var mu sync.Mutex
		var kinds []core.EventKind
		h, err := core.NewHeartbeat(m, core.HeartbeatConfig{Freq: freq, Observe: func(e core.Event) {
			if e.Kind == core.Registered { // is slow to be told, and more happens meanwhile
				time.Sleep(freq / 2)
			}
			mu.Lock()
			defer mu.Unlock()
			kinds = append(kinds, e.Kind)
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		var calls sync.WaitGroup
		calls.Go(func() { h.Register(t.Context(), core.Registration{Topic: "compute", Host: "node1"}) })
		synctest.Wait()
		h.Unregister(t.Context(), "compute", "node1")
		calls.Wait()
		if len(kinds) != 2 || kinds[0] != core.Registered || kinds[1] != core.Departed {
			t.Errorf("told %v", kinds)
		}
	})
}

func TestObserveMayCallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		var h *core.HeartbeatMatchMaker
		h, err := core.NewHeartbeat(m, core.HeartbeatConfig{Freq: freq, Observe: func(e core.Event) {
			h.Registrations()
			if e.Kind == core.Removed {
				if err := h.Register(t.Context(), e.Member.Registration); err != nil {
					t.Error(err)
				}
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		h.Register(t.Context(), core.Registration{Topic: "compute", Host: "node1"})
		h.StartHeartbeat()
		operator := start(t, m)
		operator.wantErr(operator.Unregister(t.Context(), "compute", "node1"), nil)
		time.Sleep(2 * freq)
		wantMembers(t, m, "compute", "node1")
	})
}

func TestARegistryThatIsDownIsNeverAnEmptyList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := coretest.NewMemory()
		p := start(t, m)
		p.register("compute", "node1")
		p.StartHeartbeat()
		if routes, err := p.Resolve(t.Context(), "fanout~compute"); err != nil || len(routes) != 1 {
			t.Fatal(routes, err)
		}
		m.Break(errDown)
		time.Sleep(time.Hour)
		for _, key := range []string{"compute", "fanout~compute", "compute.node1"} {
			if routes, err := p.Resolve(t.Context(), key); err != nil || len(routes) != 1 || routes[0].Host != "node1" {
				t.Errorf("%s: %v, %v, want the last known", key, routes, err)
			}
		}
		if v, err := p.Live().Members(t.Context(), "compute"); err != nil || v.Stale == nil || len(v.Members) != 1 {
			t.Errorf("view %+v, %v, want the last known, stale", v, err)
		}
		for _, key := range []string{"volume", "fanout~volume"} {
			if _, err := p.Resolve(t.Context(), key); !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNoMatch) {
				t.Errorf("%s: %v, want ErrUnavailable", key, err)
			}
		}
		if _, err := p.IsAlive(t.Context(), "compute", "node1"); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("alive: %v, want ErrUnavailable", err)
		}
		m.Unbreak()
		time.Sleep(freq)
		if _, err := p.Resolve(t.Context(), "volume"); !errors.Is(err, core.ErrUnknownTopic) {
			t.Errorf("volume: %v, want ErrUnknownTopic", err)
		}
		if v, _ := p.Live().Members(t.Context(), "compute"); v.Stale != nil || v.Members[0].Held {
			t.Errorf("view %+v", v)
		}
	})
}
