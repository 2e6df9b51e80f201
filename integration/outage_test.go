package integration_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// Regressions 4 and 9.
func TestSidecarsAreBackWithinAnIntervalAfterRedisLostEverything(t *testing.T) {
	for name, loss := range map[string]func(r *integration.Redis){
		"by FLUSHALL": (*integration.Redis).FlushAll,
		"by being killed and restarted empty": func(r *integration.Redis) {
			r.Kill()
			time.Sleep(2 * prompt.Freq) // it is away for some beats
			r.RestartEmpty()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := integration.StartRedis(t)
			for _, host := range []string{"node1", "node2"} {
				beatingSidecar(r, prompt, "compute="+host).Start(t)
			}
			lookup := listed(core.New(store(t, r.URL)), "compute")
			for range 2 {
				becomes(t, soon, lookup, "node1 node2")
				loss(r)
				becomes(t, prompt.Freq+slack, lookup, "node1 node2")
			}
		})
	}
}

// Regression 13.
func TestSidecarStartedWithoutRedisRegistersWhenItComesUp(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	r.Kill()
	p := beatingSidecar(r, prompt, "compute=node1").Start(t)
	p.Says(soon, event(core.Degraded))
	time.Sleep(2 * prompt.Freq) // some rounds fail
	if p.Ended() {
		t.Fatal("the sidecar ended because Redis was not there")
	}
	r.Restart()
	becomes(t, prompt.Freq+slack, listed(core.New(store(t, r.URL)), "compute"), "node1")
	p.Says(soon, event(core.Registered))
}

// everyCommand is every command that asks Redis once.
var everyCommand = []string{
	"resolve compute", "resolve fanout~compute", "ls", "ls compute", "register compute node2",
	"unregister compute node1", "ack compute node1", "alive compute node1", "expire compute node1",
}

// Regressions 10 and 18, on the command line.
func TestNoCommandOutlivesItsTimeoutWhenRedisIsGone(t *testing.T) {
	const timeout = 700 * time.Millisecond
	for name, lose := range map[string]func(r *integration.Redis){
		"killed": (*integration.Redis).Kill,
		"paused": (*integration.Redis).Pause,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := integration.StartRedis(t)
			sidecar(t, r, "compute=node1")
			lose(r)
			for _, command := range everyCommand {
				got := ask(t, r.URL, append(strings.Fields(command), "--timeout", timeout.String())...)
				if got.Code != 4 {
					t.Errorf("%s: %v, want exit code 4", command, got)
				}
				if got.Took > timeout+slack {
					t.Errorf("%s took %s, want at most the timeout of %s", command, got.Took, timeout)
				}
				if !strings.Contains(got.Err, r.Addr) || !strings.Contains(got.Err, "MATCHMAKER_REDIS_URL") {
					t.Errorf("%s: %q names not both the address and the variable it is from", command, got.Err)
				}
			}
		})
	}
}

// A Redis that refuses the password has said nothing of who is there.
func TestRefusedPasswordIsCannotTell(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t, "requirepass right")
	sidecar(t, r, "compute=node1")
	wrong := strings.Replace(r.URL, "right", "wrong", 1)
	for _, command := range everyCommand {
		got := ask(t, wrong, strings.Fields(command)...)
		if got.Code != 4 || !strings.Contains(got.Err, "WRONGPASS") {
			t.Errorf("%s: %v, want exit code 4, and WRONGPASS as Redis says", command, got)
		}
	}
}

// Regression 18, in the library.
func TestStalledRedisHoldsUpNeitherBeatNorLookup(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	h := keep(t, r.URL, "compute", "node1")
	asking := core.New(store(t, r.URL))
	lookup := listed(h, "compute")
	becomes(t, soon, lookup, "node1")
	h.StopHeartbeat()
	r.Pause()
	const within = 300 * time.Millisecond
	for what, call := range map[string]func(ctx context.Context) error{
		"SendHeartbeats": h.SendHeartbeats,
		"Register": func(ctx context.Context) error {
			return h.Register(ctx, core.Registration{Topic: "compute", Host: "node2"})
		},
		"IsAlive": func(ctx context.Context) error {
			_, err := h.IsAlive(ctx, "compute", "node1")
			return err
		},
		"a lookup that asks Redis": func(ctx context.Context) error {
			_, err := asking.Resolve(ctx, "compute")
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		began := time.Now()
		err := call(ctx)
		took := time.Since(began)
		cancel()
		if !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("%s: %v, want %v", what, err, core.ErrUnavailable)
		}
		if took > within+2*slack { // without it, 3 s and more
			t.Errorf("%s took %s, want %s as its context says", what, took, within)
		}
	}
	began := time.Now()
	if got := lookup(t.Context()); got != "node1" {
		t.Errorf("from memory: %q, want node1", got)
	}
	if took := time.Since(began); took > slack {
		t.Errorf("a lookup in memory took %s", took)
	}
	r.Resume()
	h.StartHeartbeat()
	becomes(t, beating.Freq+slack, listed(asking, "compute"), "node1 node2")
}

// Regression 10, in the library: through every way to lose Redis, a reader in memory goes on answering, and a
// reader that asks Redis never takes "cannot tell" for "nobody".
func TestReaderNeverTakesAnOutageForAnEmptyTopic(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	keep(t, r.URL, "compute", "node1", "node2")
	memory := open(t, r.URL, beating)
	becomes(t, soon, listed(memory, "compute"), "node1 node2")
	asking := core.New(store(t, r.URL))
	fromMemory := integration.Record(t, 5*time.Millisecond, listed(memory, "compute"))
	fromRedis := integration.Record(t, 5*time.Millisecond, listed(asking, "compute"))
	for what, outage := range map[string]func(){
		"a restart with data":        r.Restart,
		"a flush":                    r.FlushAll,
		"an empty restart":           r.RestartEmpty,
		"a stall beyond the TTL":     func() { r.Pause(); time.Sleep(2 * beating.TTL); r.Resume() },
		"a kill beyond the TTL":      func() { r.Kill(); time.Sleep(2 * beating.TTL); r.Restart() },
		"a stall within an interval": func() { r.Pause(); time.Sleep(beating.Freq / 2); r.Resume() },
	} {
		t.Log(what)
		outage()
		becomes(t, soon, listed(asking, "compute"), "node1 node2")
	}
	samples := fromMemory.Stop()
	for _, s := range samples {
		if s.Answer != "node1 node2" {
			t.Fatalf("from memory: %q, want both, whatever became of Redis", s.Answer)
		}
	}
	seen := make(map[string]int)
	for _, s := range fromRedis.Stop() {
		seen[s.Answer]++
	}
	t.Logf("%d samples from memory; from Redis: %v", len(samples), seen)
	if len(samples) < 100 || seen[cannotTell] == 0 {
		t.Error("too few samples, or no outage was seen: nothing was checked")
	}
	if seen[contradiction] > 0 {
		t.Errorf("%d times %s", seen[contradiction], contradiction)
	}
}

// Regression 22.
func TestLeaveThatFailedIsNeitherForgottenNorBeaten(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	h := open(t, r.URL, core.HeartbeatConfig{Freq: beating.Freq, TTL: time.Minute})
	register(t, h, "compute", "node1")
	register(t, h, "compute", "node2")
	h.StartHeartbeat()
	r.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := h.Unregister(ctx, "compute", "node1"); !errors.Is(err, core.ErrUnavailable) {
		t.Fatalf("unregister without Redis: %v, want %v", err, core.ErrUnavailable)
	}
	r.Restart()
	lookup := listed(core.New(store(t, r.URL)), "compute")
	becomes(t, beating.Freq+slack, lookup, "node2")
	stays(t, time.Second, lookup, "node2")
	if n := slices.IndexFunc(h.Registrations(), func(s core.Status) bool { return s.Member.Host == "node1" }); n >= 0 {
		t.Errorf("still kept after it left: %+v", h.Registrations()[n])
	}
}

// Regression 14.
func TestScriptsFlushedWhileBeatingAreLoadedAgain(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	events := make(chan core.Event, 1000)
	c := calm
	c.Observe = func(e core.Event) { events <- e }
	h := open(t, r.URL, c)
	for _, topic := range []string{"compute", "volume", "network"} { // a batch each: a pipeline
		register(t, h, topic, "node1")
	}
	mm := core.New(store(t, r.URL))
	recorder := integration.Record(t, 10*time.Millisecond, listed(mm, "compute"))
	client := r.Client()
	for range 10 {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := h.SendHeartbeats(t.Context()); err != nil {
			t.Fatalf("a round after SCRIPT FLUSH: %v", err)
		}
		waitForSamples(t, recorder, len(recorder.Samples())+2)
	}
	for _, s := range recorder.Stop() {
		if s.Answer != "node1" {
			t.Fatalf("%q, want node1 all the time", s.Answer)
		}
	}
	close(events)
	for e := range events {
		if e.Kind != core.Registered {
			t.Errorf("event %s %v, want none but registered", e.Kind, e.Err)
		}
	}
}
