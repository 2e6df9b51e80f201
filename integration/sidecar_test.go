package integration_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// TestSidecarIsListedUntilItsTTLAfterKill also is regression 1: the dead one leaves although its sibling
// under the same topic lives.
func TestSidecarIsListedUntilItsTTLAfterKill(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	c := core.HeartbeatConfig{Freq: 500 * time.Millisecond, TTL: 1500 * time.Millisecond}
	dying := beatingSidecar(r, c, "compute=node1").Start(t)
	beatingSidecar(r, c, "compute=node2").Start(t)
	lookup := listed(core.New(store(t, r.URL)), "compute")
	becomes(t, soon, lookup, "node1 node2")

	recorder := integration.Record(t, 100*time.Millisecond, lookup)
	waitForSamples(t, recorder, 20)
	before := time.Now()
	dying.Kill()
	after := time.Now()
	var samples []integration.Sample[string]
	integration.Eventually(t, soon, "samples until well after the TTL", func() bool {
		samples = recorder.Samples()
		return samples[len(samples)-1].Asked.After(after.Add(c.TTL + 1500*time.Millisecond))
	})
	present, gone := 0, 0
	for _, s := range samples {
		switch {
		case s.Answered.Before(before.Add(c.TTL - c.Freq)):
			present++
			if s.Answer != "node1 node2" {
				t.Errorf("%s after the kill: %q, want both: the TTL is %s", s.Answered.Sub(before), s.Answer, c.TTL)
			}
		case s.Asked.After(after.Add(c.TTL + time.Second)):
			gone++
			if s.Answer != "node2" {
				t.Errorf("%s after the kill: %q, want node2 alone: the TTL is %s", s.Asked.Sub(after), s.Answer, c.TTL)
			}
		}
	}
	if present < 20 || gone < 3 {
		t.Errorf("checked %d samples with both and %d with one, want 20 and 3", present, gone)
	}

	if got := ask(t, r.URL, "resolve", "compute.node1", "--json"); got.Code != 0 {
		t.Errorf("a direct key is not checked for liveness: %v", got)
	}
	if got := ask(t, r.URL, "alive", "compute", "node1"); got.Code != 3 {
		t.Errorf("alive of a dead host: %v, want exit code 3", got)
	}
	beatingSidecar(r, c, "compute=node1").Start(t)
	becomes(t, soon, lookup, "node1 node2")
}

func waitForSamples(t *testing.T, r *integration.Recorder[string], n int) {
	t.Helper()
	integration.Eventually(t, soon, "samples", func() bool { return len(r.Samples()) >= n })
}

func TestOneShotResolveExitsWith3AfterTheTTLOfTheLastHost(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	p := sidecar(t, r, "compute=node1")
	if got := ask(t, r.URL, "resolve", "compute"); got.Code != 0 || got.Out != "node1\n" {
		t.Fatalf("resolve compute: %v, want node1", got)
	}
	p.Kill()
	killed := time.Now()
	for {
		asked := time.Now()
		got := ask(t, r.URL, "resolve", "compute")
		if got.Code == 3 {
			break
		}
		if late := asked.Sub(killed) - beating.TTL; got.Code != 0 || late > time.Second {
			t.Fatalf("%s after the TTL: %v, want exit code 3", late, got)
		}
	}
}

func TestSidecarLeavesAtOnceOnSIGTERM(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	minute := core.HeartbeatConfig{Freq: 20 * time.Second, TTL: time.Minute}
	p := beatingSidecar(r, minute, "compute=node1", "--register", "volume=node1").Start(t)
	mm := core.New(store(t, r.URL))
	becomes(t, soon, listed(mm, "compute"), "node1")
	becomes(t, soon, listed(mm, "volume"), "node1")
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(5 * time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	for _, topic := range []string{"compute", "volume"} {
		if got := listed(mm, topic)(t.Context()); got != nobody {
			t.Errorf("%s after the sidecar ended: %q, want %q", topic, got, nobody)
		}
	}
	if !strings.Contains(p.Err(), event(core.Departed)) {
		t.Errorf("the log does not say that it left:\n%s", p.Err())
	}
}

func TestSidecarThatIsSupersededStandsByAndComesBack(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, p *integration.Process){
		"after a leave": func(t *testing.T, p *integration.Process) {
			p.Signal(syscall.SIGTERM)
			if code := p.Wait(5 * time.Second); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
		},
		"after a kill": func(_ *testing.T, p *integration.Process) { p.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := integration.StartRedis(t)
			s := store(t, r.URL)
			holder := func(ctx context.Context) string {
				v, err := s.Members(ctx, "compute")
				if err != nil || len(v.Members) != 1 {
					return cannotTell
				}
				return v.Members[0].Addr
			}
			first := sidecar(t, r, "compute=node1,addr=127.0.0.1:1001")
			if got := holder(t.Context()); got != "127.0.0.1:1001" {
				t.Fatalf("node1 is at %q, want the first sidecar", got)
			}
			second := sidecar(t, r, "compute=node1,addr=127.0.0.1:1002")
			if got := holder(t.Context()); got != "127.0.0.1:1002" {
				t.Fatalf("node1 is at %q, want the second sidecar", got)
			}
			first.Says(soon, event(core.SupersededBy))
			first.Says(soon, "127.0.0.1:1002")
			stays(t, 3*beating.Freq, holder, "127.0.0.1:1002")

			began := time.Now()
			end(t, second)
			becomes(t, beating.TTL+beating.Freq+slack, holder, "127.0.0.1:1001")
			if took := time.Since(began); took < beating.TTL-beating.Freq {
				t.Errorf("back after %s; what the second left stands for a TTL of %s", took, beating.TTL)
			}
			first.Says(soon, event(core.Returned))
			if n := strings.Count(first.Err(), event(core.SupersededBy)); n != 1 {
				t.Errorf("superseded was reported %d times, want once", n)
			}
		})
	}
}

// Regression 2.
func TestOldSidecarsLeaveDoesNotRemoveItsSuccessor(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	old := sidecar(t, r, "compute=node1,addr=127.0.0.1:1001")
	sidecar(t, r, "compute=node1,addr=127.0.0.1:1002")
	recorder := integration.Record(t, 20*time.Millisecond, listed(core.New(store(t, r.URL)), "compute"))
	old.Signal(syscall.SIGTERM)
	if code := old.Wait(5 * time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	waitForSamples(t, recorder, len(recorder.Samples())+20)
	for _, s := range recorder.Stop() {
		if s.Answer != "node1" {
			t.Fatalf("%q while a successor lives, want node1", s.Answer)
		}
	}
}

// Regression 6. A process that dies right after it has registered is the command register; those that die
// before and after are sidecars.
func TestLivenessKeyWithoutTTLIsNotLeftByAnyDeath(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	c := r.Client()
	seen := 0
	check := func(after string) {
		t.Helper()
		keys, err := c.Keys(t.Context(), "mm:{*").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			seen++
			if c.PTTL(t.Context(), k).Val() == -1 {
				t.Fatalf("key %q has no TTL after %s", k, after)
			}
		}
	}
	for range 2 { // anew, and in its own place
		if got := ask(t, r.URL, "register", "network", "node1"); got.Code != 0 {
			t.Fatal(got)
		}
		check("register")
	}
	for i := range 12 {
		p := beatingSidecar(r, beating, "compute=node1", "--register", "volume=node1").Start(t)
		if i >= 6 { // the others die somewhere on the way to their first registration
			p.Says(soon, event(core.Registered))
		}
		<-time.After(time.Duration(i%6) * 15 * time.Millisecond)
		p.Kill()
		check("a kill")
	}
	if seen < 30 {
		t.Fatalf("%d keys seen, want 30 at least", seen)
	}
}

// Regression 12.
func TestLeavingOneTopicKeepsTheOther(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	p := sidecar(t, r, "compute=node1", "--register", "volume=node1")
	mm := core.New(store(t, r.URL))
	becomes(t, soon, listed(mm, "volume"), "node1")
	becomes(t, soon, listed(mm, "compute"), "node1")
	if got := ask(t, r.URL, "unregister", "compute", "node1"); got.Code != 0 {
		t.Fatalf("unregister: %v", got)
	}
	if got := listed(mm, "compute")(t.Context()); got != nobody {
		t.Fatalf("compute: %q, want %q", got, nobody)
	}
	p.Says(soon, event(core.Removed))
	stays(t, 2*beating.TTL, func(ctx context.Context) string {
		return listed(mm, "compute")(ctx) + ", " + listed(mm, "volume")(ctx)
	}, nobody+", node1")
}
