package redismm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/redismm/matchmaker/core"
)

// What can be opened, and how keys are spelled.

func TestOpenRefusesWhatIsNoRedisAndNamesWhatWouldBeRight(t *testing.T) {
	for dsn, want := range map[string]string{
		"":                           "want redis://",
		"localhost:6379":             "want redis://",
		"http://localhost":           "want redis://",
		"embedded:":                  "want redis://",
		"redis+sentinel://a:1,b:2/0": "want one host",
		"redis+cluster://a:1,b:2":    "want one host",
		"redis+sentinel://a:1":       "master_name is missing",
		"redis+cluster://a:1/3":      "database 0 only",
		"redis+proxy://a:1":          "want redis://",
		"redis://a:1/0?master_name=x&replica_only=true":                        "a replica's data may be old",
		"redis://a:1?ca_file=x":                                                "want rediss://",
		"rediss://a:1?ca_file=none.pem":                                        "ca_file",
		"rediss://a:1?cert_file=none.pem":                                      "cert_file",
		"redis://a:1?password_file=none":                                       "password_file",
		"redis://:pw@a:1?password_file=open_test.go":                           "a password or password_file, not both",
		"redis+cluster://:pw@a:1?password_file=doc.go":                         "a password or password_file, not both",
		"redis://a:1?sentinel_password_file=doc.go":                            "wants Sentinels",
		"redis://a:1?master_name=x&sentinel_password_file=none":                "sentinel_password_file",
		"redis://:pw@a:1?master_name=x&sentinel_password_file=doc.go":          "a password or sentinel_password_file, not both",
		"redis://:pw@a:1?master_name=x&password=pw&password_file=open_test.go": "a password or password_file, not both",
		"redis://localhost/zero":                                               "invalid database number",
		"redis://localhost/0?pool=10":                                          "unexpected option: pool",
		"redis://localhost?pool_size=ad":                                       "pool_size",
	} {
		_, err := Open(t.Context(), dsn, Config{})
		if !errors.Is(err, core.ErrInvalid) || !strings.Contains(fmt.Sprint(err), want) || !strings.Contains(fmt.Sprint(err), "redis url") {
			t.Errorf("open %q: %v, want an ErrInvalid that says %q", dsn, err, want)
		}
	}
}

func TestOpenTakesEveryFormOfURL(t *testing.T) {
	for dsn, want := range map[string]redis.Options{
		"redis://localhost":                                    {Addr: "localhost:6379"},
		"redis://u:p%2Fw@localhost:6380/3":                     {Addr: "localhost:6380", DB: 3, Username: "u", Password: "p/w"},
		"rediss://:pw@redis.example/1":                         {Addr: "redis.example:6379", DB: 1, Password: "pw"},
		"unix://u:pw@/run/redis.sock?db=2":                     {Addr: "/run/redis.sock", DB: 2, Username: "u", Password: "pw"},
		"redis://[::1]:6379/0?pool_size=7&read_timeout=1500ms": {Addr: "[::1]:6379", PoolSize: 7},
	} {
		s, err := OpenStore(dsn, Config{})
		if err != nil {
			t.Errorf("open %q: %v", dsn, err)
			continue
		}
		got := s.read.(*redis.Client).Options()
		if got.Addr != want.Addr || got.DB != want.DB || got.Username != want.Username || got.Password != want.Password ||
			(want.PoolSize > 0 && got.PoolSize != want.PoolSize) || !got.ContextTimeoutEnabled ||
			(got.TLSConfig != nil) != strings.HasPrefix(dsn, "rediss:") {
			t.Errorf("open %q: options %+v", dsn, got)
		}
		if w := s.write.(*redis.Client).Options(); w.MaxRetries != 0 || w.Addr != want.Addr || w.Password != want.Password {
			t.Errorf("open %q: the client of beats has %d retries at %s", dsn, w.MaxRetries, w.Addr)
		}
		s.Close()
	}
}

func TestNoErrorShowsAPassword(t *testing.T) {
	const secret = "s3cr3t"
	for _, dsn := range []string{
		"redis://:s3cr3t@localhost/zero", "redis://u:s3cr3t@localhost:port/0", "redis://u:s3cr3t@localhost/0?pool=1",
		"redis://:12/s3cr3t@localhost/0", "redis://:12#s3cr3t@localhost", "redis://u:12?s3cr3t@localhost", "redis://:a@s3cr3t@localhost/x",
		"redis://:%zzs3cr3t@localhost", "redis://:s3cr3t", "redis://u:s3cr3t", "redis://s3cr3t@localhost/zero", "redis://:s3 cr3t@localhost",
		"http://u:s3cr3t@localhost", "redis+cluster://:s3cr3t@a:1/1", "redis://a:1/0?master_name=x&password=s3cr3t&replica_only=true", "s3cr3t@localhost:6379", "localhost?password=s3cr3t",
		"redis://localhost/zero?password=s3cr3t", "unix://u:s3cr3t@/run/redis.sock?db=x",
	} {
		h, err := Open(t.Context(), dsn, Config{})
		if err == nil {
			h.Close()
			t.Errorf("opened %q", dsn)
		} else if text := err.Error(); strings.Contains(text, "cr3t") {
			t.Errorf("open %q: %v", dsn, err)
		}
	}
	m := miniredis.RunT(t)
	m.RequireAuth("another")
	h, err := Open(t.Context(), "redis://:"+secret+"@"+m.Addr(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	_, err = h.Backend().Members(t.Context(), compute)
	if !errors.Is(err, core.ErrUnavailable) || !strings.Contains(err.Error(), m.Addr()) || strings.Contains(err.Error(), secret) {
		t.Errorf("a wrong password: %v, want ErrUnavailable that names the address", err)
	}
}

func TestNewStoreRefusesClientsThatOutliveTheirContext(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	defer client.Close()
	if _, err := NewStore(client, Config{}); !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), "ContextTimeoutEnabled") {
		t.Errorf("%v, want an ErrInvalid that names ContextTimeoutEnabled", err)
	}
	cluster := redis.NewClusterClient(&redis.ClusterOptions{ContextTimeoutEnabled: true})
	defer cluster.Close()
	if s, err := NewStore(cluster, Config{}); err != nil {
		t.Errorf("a cluster client: %v", err)
	} else {
		s.Close()
	}
	replicas := redis.NewClusterClient(&redis.ClusterOptions{ContextTimeoutEnabled: true, ReadOnly: true})
	defer replicas.Close()
	if _, err := NewStore(replicas, Config{}); !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), "ReadOnly") {
		t.Errorf("a client that reads from replicas: %v, want an ErrInvalid that names ReadOnly", err)
	}
}

func TestNewStoreTakesAClientThatInsistsOnMaintenanceNotifications(t *testing.T) {
	m := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: m.Addr(), ContextTimeoutEnabled: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeEnabled}})
	defer client.Close()
	s, err := NewStore(client, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if outcomes, err := s.BackendRegister(t.Context(), time.Minute, claimsOf("node1")); err != nil || outcomes[0] != core.Joined {
		t.Errorf("register: %v, %v", outcomes, err)
	}
}

func TestOddConfigsAreRefused(t *testing.T) {
	for want, c := range map[string]Config{
		"prefix":         {Prefix: "MM"},
		`prefix "a:b"`:   {Prefix: "a:b"},
		"1 to 32":        {Prefix: strings.Repeat("a", 33)},
		"heartbeat ttl":  {HeartbeatConfig: core.HeartbeatConfig{Freq: 5 * time.Second, TTL: 9 * time.Second}},
		"heartbeat freq": {HeartbeatConfig: core.HeartbeatConfig{Freq: time.Millisecond}},
	} {
		_, err := Open(t.Context(), "redis://localhost", c)
		if !errors.Is(err, core.ErrInvalid) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%+v: %v, want an ErrInvalid that says %q", c, err, want)
		}
	}
}

func TestBracesInNamesNeverShareAKey(t *testing.T) {
	k, err := newKeys("", 0)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"a", "a@b", "b", "a:v", "v", "a:d", "topics", ":v", "@", "a b", "ä", "{a}", "a}", "}:v", "{b}@c", "}@b", "*", "|"}
	owner := map[string]string{k.topics(): "topics"}
	add := func(key, who string) {
		if other, taken := owner[key]; taken {
			t.Errorf("%s and %s share the key %q", who, other, key)
		}
		owner[key] = who
	}
	topics := 0
	for _, topic := range names {
		if core.CheckTopic(topic) != nil {
			if !strings.ContainsAny(topic, "{}") {
				t.Errorf("topic %q is refused", topic)
			}
			continue
		}
		topics++
		of := []string{k.set(topic), k.version(topic), k.drains(topic), k.sweeper(topic), k.channel(topic)}
		for _, host := range names {
			of = append(of, k.liveness(topic, host))
		}
		for i, key := range of {
			add(key, fmt.Sprintf("key %d of topic %q", i, topic))
			if tag := hashTag(key); tag != topic {
				t.Errorf("key %q of topic %q is in the slot of %q", key, topic, tag)
			}
		}
	}
	if topics < 10 {
		t.Errorf("%d topics tried", topics)
	}
	onBoth(t, func(r *registry) {
		s := r.store()
		cs := claimsOf(names...)
		r.registers(s, core.Joined, cs...)
		slices.Sort(names)
		v, err := s.Members(r.Context(), compute)
		if err != nil || len(v.Members) != len(names) {
			r.Fatalf("%d members, %v, want %d", len(v.Members), err, len(names))
		}
		for i, m := range v.Members {
			if m.Host != names[i] {
				r.Errorf("member %q, want %q", m.Host, names[i])
			}
			routes, err := s.DirectExchange(r.Context(), core.DirectKey(compute, m.Host))
			if err != nil || routes[0].Host != m.Host || routes[0].Member == nil {
				r.Errorf("direct to %q: %+v, %v", m.Host, routes, err)
			}
		}
		r.leaves(s, core.Left, cs...)
		r.listed()
	})
}

// hashTag is what Redis Cluster hashes of a key.
func hashTag(key string) string {
	_, rest, ok := strings.Cut(key, "{")
	if tag, _, closed := strings.Cut(rest, "}"); ok && closed && tag != "" {
		return tag
	}
	return key
}

func TestAFanoutOfAThousandHostsTakesTwoRoundTripsAndThenOne(t *testing.T) {
	onBoth(t, func(r *registry) {
		r.patience = 30 * time.Second
		hosts := make([]string, 1000)
		for i := range hosts {
			hosts[i] = fmt.Sprintf("node%04d", i)
		}
		s := r.connected()
		r.config.TTL = time.Minute
		r.registers(s, core.Joined, claimsOf(hosts...)...)
		var trips atomic.Int64
		s.read.AddHook(counting(func([]redis.Cmder) { trips.Add(1) }))
		for i, want := range []int64{2, 2, 1, 1} { // once two answers were alike
			trips.Store(0)
			routes, err := s.FanoutExchange(r.Context(), core.FanoutPrefix+compute)
			if err != nil || len(routes) != 1000 || routes[999].Key != "compute.node0999" {
				r.Errorf("%d routes, %v", len(routes), err)
			}
			if n := trips.Load(); n != want {
				r.Errorf("list %d: %d round trips, want %d", i, n, want)
			}
		}
		trips.Store(0)
		for range 2 {
			if routes, err := s.TopicExchange(r.Context(), compute); err != nil || len(routes) != 1 {
				r.Errorf("%d routes, %v", len(routes), err)
			}
		}
		if n := trips.Load(); n > 3 { // the first may have to tell Redis the script
			r.Errorf("%d round trips for two, want one each", n)
		}
	})
}

func TestClaimsWithAndWithoutInstanceMayBeMixed(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, own := r.joined("node1")
		r.joined("node2")
		mixed := []*core.Claim{claimOf("node2"), own, claimOf("node3")}
		outcomes, err := s.AckAlive(r.Context(), r.config.TTL, mixed)
		if want := []core.Outcome{core.Kept, core.Kept, core.Absent}; err != nil || !slices.Equal(outcomes, want) {
			r.Errorf("beat: %v, %v, want %v", outcomes, err, want)
		}
		outcomes, err = s.BackendUnregister(r.Context(), r.config.TTL, mixed)
		if want := []core.Outcome{core.Left, core.Left, core.Absent}; err != nil || !slices.Equal(outcomes, want) {
			r.Errorf("leave: %v, %v, want %v", outcomes, err, want)
		}
		r.listed()
	})
}

func TestWrongTypeLeavesNothingBehind(t *testing.T) {
	onBoth(t, func(r *registry) {
		s := r.store()
		for _, foreign := range []string{keysOf.set(compute), keysOf.version(compute)} {
			r.do("SET", foreign, "somebody else's")
			outcomes, err := s.BackendRegister(r.Context(), r.config.TTL, claimsOf("node1", "node2"))
			if err == nil || outcomes[0] != core.Unknown || outcomes[1] != core.Unknown || !strings.Contains(err.Error(), "WRONGTYPE") {
				r.Errorf("register beside a foreign %q: %v, %v", foreign, outcomes, err)
			}
			if left := r.raw.Keys(r.Context(), "*").Val(); len(left) != 1 {
				r.Errorf("a foreign %q: %q are left", foreign, left)
			}
			r.do("DEL", foreign)
		}
		foreign := keysOf.liveness(compute, "node1")
		r.do("SADD", foreign, "somebody else's")
		cs := claimsOf("node1", "node2")
		outcomes, err := s.BackendRegister(r.Context(), r.config.TTL, cs)
		if err == nil || outcomes[0] != core.Unknown || outcomes[1] != core.Joined || !strings.Contains(err.Error(), foreign) {
			r.Errorf("register beside a foreign %q: %v, %v, want the error to name it", foreign, outcomes, err)
		}
		r.listed("node2")
		if outcomes, _ := s.BackendUnregister(r.Context(), r.config.TTL, cs); outcomes[0] != core.Unknown || outcomes[1] != core.Left {
			r.Errorf("leave beside a foreign %q: %v", foreign, outcomes)
		}
		if kind := r.raw.Type(r.Context(), foreign).Val(); kind != "set" {
			r.Errorf("the foreign key is a %s now", kind)
		}
		r.do("DEL", foreign)
		r.registers(s, core.Joined, cs[0])
	})
}
