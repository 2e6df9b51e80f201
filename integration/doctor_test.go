package integration_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// diagnosis is what the doctor printed as JSON.
type diagnosis struct {
	integration.Result
	found []redismm.Finding
}

func doctor(t *testing.T, dsn string, more ...string) diagnosis {
	t.Helper()
	args := append([]string{"doctor", "--json", "--watch", "0", "--timeout", "10s"}, more...)
	d := diagnosis{Result: integration.Matchmaker(args...).With("MATCHMAKER_REDIS_URL=" + dsn).Run(t)}
	for line := range strings.Lines(d.Out) {
		var f redismm.Finding
		if strings.HasPrefix(line, `{"check":`) {
			if err := json.Unmarshal([]byte(line), &f); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			d.found = append(d.found, f)
		}
	}
	return d
}

// finds fails the test unless there is one finding of a check and a severity that says so, with this in its fix.
func (d diagnosis) finds(t *testing.T, check string, as redismm.Severity, says, fix string) redismm.Finding {
	t.Helper()
	is := func(f redismm.Finding) bool { return f.Check == check }
	i := slices.IndexFunc(d.found, is)
	if i < 0 {
		t.Fatalf("nothing is found of %s: %v", check, d.Result)
	}
	f := d.found[i]
	if f.Severity != as || !strings.Contains(f.Says, says) || !strings.Contains(f.Fix, fix) || (f.Fix == "") != (as == redismm.Fine) {
		t.Errorf("found %+v, want %s %s, %q, fix %q", f, as, check, says, fix)
	}
	return f
}

// onlyBad fails the test unless this, or nothing, is bad, and the exit code says so.
func (d diagnosis) onlyBad(t *testing.T, checks ...string) {
	t.Helper()
	var bad []string
	for _, f := range d.found {
		if f.Severity == redismm.Bad {
			bad = append(bad, f.Check)
		}
	}
	code := min(1, len(checks))
	if !slices.Equal(bad, checks) || d.Code != code || d.Err != "" {
		t.Errorf("bad is %q, want %q and exit code %d: %v", bad, checks, code, d.Result)
	}
}

func TestDoctorFindsNothingWrongInEachTopologyAndLeavesNothing(t *testing.T) {
	t.Parallel()
	integration.OnEach(t, func(t *testing.T, on integration.Topology) {
		register(t, open(t, on.DSN(), calm), "compute", "node1")
		d := doctor(t, on.DSN())
		d.onlyBad(t)
		servers := 1
		if _, ok := on.(*integration.Cluster); ok {
			servers = 3
		}
		for _, check := range []string{"server", "permissions", "channels", "latency", "eviction", "memory", "clock"} {
			var at []string
			for _, f := range d.found {
				if f.Check == check && f.Severity == redismm.Fine {
					at = append(at, f.Server)
				}
			}
			slices.Sort(at)
			if len(slices.Compact(at)) != servers || !slices.Contains(at, on.Serving("mm:{compute}").Addr) {
				t.Errorf("%s is found of %q, want %d servers", check, at, servers)
			}
		}
		d.finds(t, "layout", redismm.Fine, "topics: 1, hosts: 1, ", "")
		for _, r := range on.All() {
			if keys := r.Client().Keys(t.Context(), "*doctor*").Val(); len(keys) > 0 {
				t.Errorf("%s keeps %q", r.Addr, keys)
			}
		}
		if topics, err := store(t, on.DSN()).Topics(t.Context()); err != nil || !slices.Equal(topics, []string{"compute"}) {
			t.Errorf("topics are %q, %v", topics, err)
		}
	})
}

func TestDoctorFindsAReplica(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	r.MakeReadonly()
	d := doctor(t, r.URL)
	d.finds(t, "server", redismm.Bad, "a replica", "127.0.0.1:1")
	d.onlyBad(t, "server")

	// One who may not ask for the role finds it out by writing.
	r.SetUser("alice", "on", ">secret", "~*", "&*", "+@all", "-info")
	d = doctor(t, r.As("alice", "secret"))
	d.finds(t, "server", redismm.Warning, "cannot be seen", "ACL SETUSER alice +info")
	d.finds(t, "writes", redismm.Bad, "READONLY", "primary")
}

// Whoever does what the doctor says is well.
func TestDoctorsFixesOfPermissionsCure(t *testing.T) {
	t.Parallel()
	for ill, check := range map[string]string{"-get": "permissions", "-pttl -hdel -eval": "permissions", "-@scripting": "permissions",
		"-ping": "permissions", "resetkeys ~other:*": "permissions", "resetchannels &other": "channels", "-subscribe": "channels",
		"-unsubscribe": "permissions"} {
		t.Run(ill, func(t *testing.T) {
			t.Parallel()
			r := integration.StartRedis(t)
			r.SetUser("alice", append([]string{"on", ">secret", "~mm:*", "&mm/*", "+@all"}, strings.Fields(ill)...)...)
			dsn := r.As("alice", "secret")
			d := doctor(t, dsn)
			if d.Code != 1 {
				t.Errorf("%v, want exit code 1", d.Result)
			}
			f := d.finds(t, check, redismm.Bad, "alice", "ACL SETUSER alice ")
			fix, _, _ := strings.Cut(strings.TrimPrefix(f.Fix, "ACL SETUSER alice "), "  (")
			r.SetUser("alice", strings.Fields(fix)...)
			for _, f := range doctor(t, dsn).found {
				if f.Severity == redismm.Bad { // what the first kept from being seen
					fix, _, _ := strings.Cut(strings.TrimPrefix(f.Fix, "ACL SETUSER alice "), "  (")
					r.SetUser("alice", strings.Fields(fix)...)
				}
			}
			doctor(t, dsn).onlyBad(t)
		})
	}
}

// ACLs are each server's own.
func TestDoctorNamesTheServerOfAClusterThatLacksARule(t *testing.T) {
	t.Parallel()
	c := integration.StartCluster(t)
	c.All().SetUser("alice", "on", ">secret", "~mm:*", "&mm/*", "+@all")
	doctor(t, c.As("alice", "secret")).onlyBad(t)
	one := c.Primary("mm:{compute}")
	one.SetUser("alice", "-hget", "-asking")
	d := doctor(t, c.As("alice", "secret"))
	d.onlyBad(t, "permissions")
	for _, f := range d.found {
		if (f.Severity == redismm.Bad) != (f.Check == "permissions" && f.Server == one.Addr && strings.Contains(f.Says, "lacks +hget +asking")) {
			t.Errorf("found %+v, want that %s alone lacks +hget +asking", f, one.Addr)
		}
	}
}

func TestDoctorFindsRevokedChannels(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t, "user alice on >secret ~mm:* &mm/* +@all")
	doctor(t, r.As("alice", "secret")).onlyBad(t)
	r.RevokeChannels("alice")
	d := doctor(t, r.As("alice", "secret"), "--watch", "1s")
	d.finds(t, "channels", redismm.Bad, "up to an interval late", "&mm/*")
	if slices.ContainsFunc(d.found, func(f redismm.Finding) bool { return f.Check == "contests" }) {
		t.Errorf("it watches what it cannot hear: %v", d.Result)
	}
}

func TestDoctorFindsWhoIsNotLetIn(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t, "user alice on >secret ~mm:* &mm/* +@all -select", "user default off")
	d := doctor(t, r.As("alice", "wrong"))
	d.finds(t, "access", redismm.Bad, "WRONGPASS", "password")
	d.onlyBad(t, "access")
	d = doctor(t, r.URL)
	d.finds(t, "access", redismm.Bad, "user default", "")
	d.onlyBad(t, "access")
	d = doctor(t, strings.TrimSuffix(r.As("alice", "secret"), "/0")+"/1")
	d.finds(t, "access", redismm.Bad, "'select'", "ACL SETUSER alice")
	d.onlyBad(t, "access")
}

func TestDoctorFindsURLsThatMeanAnotherKindOfRedis(t *testing.T) {
	t.Parallel()
	one, cluster := integration.StartRedis(t), integration.StartCluster(t)
	cluster.All().SetUser("alice", "on", ">secret", "~*", "&*", "+@all", "-info")
	for dsn, want := range map[string][2]string{
		strings.TrimSuffix(one.URL, "/0") + "/77":         {"DB index", "CONFIG GET databases"},
		"redis+cluster://" + one.Addr:                     {"cluster support disabled", "one server"},
		"redis://" + cluster.Primary("mm:{compute}").Addr: {"one of a cluster", "redis+cluster://"},
	} {
		d := doctor(t, dsn, "--watch", "1ms")
		d.finds(t, "access", redismm.Bad, want[0], want[1])
		d.onlyBad(t, "access")
		if last := d.found[len(d.found)-1].Check; last != "access" {
			t.Errorf("%s: it goes on to %s", dsn, last)
		}
	}
	topic := "redis://alice:secret@" + cluster.Primary("mm:topics").Addr // who may not ask for the mode finds it out by writing
	found := func(d diagnosis) bool {
		return slices.ContainsFunc(d.found, func(f redismm.Finding) bool {
			return f.Check == "writes" && strings.Contains(f.Says, "MOVED") && strings.Contains(f.Fix, "redis+cluster://")
		})
	}
	for range 20 { // one draw in three is kept there
		if found(doctor(t, topic)) {
			return
		}
	}
	t.Error("a server of a cluster is not found out by what it refuses to write")
}

func TestDoctorFindsKeysThatNoMatchmakerLeaves(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	h := open(t, r.URL, calm)
	register(t, h, "compute", "node1")
	register(t, h, "compute", "node2")
	r.Client().Persist(t.Context(), "mm:{compute}@node1")
	d := doctor(t, r.URL)
	f := d.finds(t, "keys", redismm.Bad, "without a TTL", "matchmaker expire TOPIC HOST")
	if d.onlyBad(t, "keys"); !strings.HasSuffix(f.Says, ": compute.node1") {
		t.Errorf("found %q, want compute.node1 alone", f.Says)
	}
	if why := ask(t, r.URL, "why", "compute", "node1"); !strings.Contains(why.Out, "ttl       none\n") || !strings.Contains(why.Out, "alive for ever") {
		t.Errorf("why says %v", why)
	}
	ask(t, r.URL, "expire", "compute", "node1")
	doctor(t, r.URL).onlyBad(t)

	r.Client().Set(t.Context(), "mm:{bad}", "x", 0)
	r.Client().HSet(t.Context(), "mm:{bad}:v", "l", "1")
	r.Client().SAdd(t.Context(), "mm:topics", "bad")
	d = doctor(t, r.URL)
	d.finds(t, "keys", redismm.Bad, "wrote mm:{bad}: ", "RENAME or DEL")
	d.onlyBad(t, "keys")
	r.Client().Del(t.Context(), "mm:{bad}", "mm:{bad}:v", "mm:topics")
	r.Client().Set(t.Context(), "mm:topics", "x", 0)
	d = doctor(t, r.URL)
	d.finds(t, "keys", redismm.Bad, "wrote mm:topics: ", "RENAME or DEL")
	d.onlyBad(t, "keys")
}

func TestDoctorFindsEvictionAndShortMemory(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t, "maxmemory-policy allkeys-lru")
	d := doctor(t, r.URL)
	d.finds(t, "eviction", redismm.Warning, "allkeys-lru", "noeviction")
	d.onlyBad(t)

	r = integration.StartRedis(t, "maxmemory 1")
	d = doctor(t, r.URL)
	d.finds(t, "memory", redismm.Bad, "%", "raise maxmemory")
	d.finds(t, "writes", redismm.Bad, "OOM", "raise maxmemory")
}

func TestDoctorFindsLatency(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t, integration.Proxied)
	doctor(t, r.URL).onlyBad(t)
	r.Proxy().Lag(100 * time.Millisecond)
	d := doctor(t, r.URL, "--heartbeat-freq", "500ms")
	d.finds(t, "latency", redismm.Bad, "250ms, a host 1.5s", "SLOWLOG")
	d.onlyBad(t, "latency")
}

func TestDoctorFindsTopicsOfALaterRelease(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	h := open(t, r.URL, calm)
	register(t, h, "compute", "node1")
	register(t, h, "future", "node1")
	doctor(t, r.URL).onlyBad(t)
	r.Client().HSet(t.Context(), "mm:{future}:v", "l", "2")
	d := doctor(t, r.URL)
	d.finds(t, "layout", redismm.Bad, "topics future have layout 2", "--prefix")
	d.onlyBad(t, "layout")
}

func TestDoctorCountsTheKeysOfOthers(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	register(t, open(t, r.URL, calm), "compute", "node1")
	_, err := r.Client().Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for i := range 100 {
			p.Set(t.Context(), fmt.Sprint("cache", i), "x", time.Hour)
			p.Set(t.Context(), fmt.Sprint("kept", i), "x", 0)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d := doctor(t, r.URL)
	d.finds(t, "keys", redismm.Fine, "about 100;", "")
	d.onlyBad(t)
}

func TestDoctorFindsHostsThatProcessesTakeFromEachOther(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	s := store(t, r.URL)
	registers := func(host string) {
		if _, err := s.BackendRegister(t.Context(), time.Minute, []*core.Claim{{Registration: core.Registration{Topic: "compute", Host: host}}}); err != nil {
			t.Error(err)
		}
	}
	registers("node1")
	d := doctor(t, r.URL, "--watch", "100ms")
	d.finds(t, "contests", redismm.Fine, "topics: 1", "")
	d.onlyBad(t)

	watching := integration.Matchmaker("doctor", "--watch", "3s", "--redis-url", r.URL).Start(t)
	for !watching.Ended() {
		registers("node1")
		time.Sleep(50 * time.Millisecond)
	}
	if code := watching.Wait(soon); code != 1 || !strings.Contains(watching.Out(), "BAD   contests") || !strings.Contains(watching.Out(), "compute.node1 (") {
		t.Errorf("exit code %d, %s", code, watching.Out())
	}
}

func TestDoctorCannotTellWhereNobodyAnswers(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	r.Pause()
	got := ask(t, r.URL, "doctor", "--timeout", "500ms")
	if got.Code != 4 || !strings.Contains(got.Err, "cannot tell") || got.Took > 2*time.Second {
		t.Errorf("of a paused server: %v", got)
	}
	r.Resume()
	r.Kill()
	if got = ask(t, r.URL, "doctor"); got.Code != 4 || !strings.Contains(got.Err, r.Addr) {
		t.Errorf("of a dead server: %v", got)
	}
}

func TestDoctorPrintsForPeopleUnderEachServer(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t, "maxmemory-policy volatile-ttl")
	got := ask(t, r.URL, "doctor", "--watch", "10ms")
	lines := strings.Split(got.Out, "\n")
	if got.Code != 0 || lines[0] != r.Addr || !strings.HasPrefix(lines[1], "  ok    server       it is Redis ") ||
		!strings.Contains(got.Out, "\n  WARN  eviction     maxmemory-policy is volatile-ttl: ") ||
		!strings.Contains(got.Out, "\n                     fix: CONFIG SET maxmemory-policy noeviction") ||
		!strings.HasSuffix(got.Out, "\nIt works. A word on: eviction.\n") {
		t.Errorf("exit code %d\n%s", got.Code, got.Out)
	}
}
