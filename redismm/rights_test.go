package redismm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
	"github.com/redismm/matchmaker/integration"
)

// userLine is the user that README asks for, as redis.conf has it, and its rules.
func userLine(t *testing.T) (line string, rules []string) { return lineOf(t, "matchmaker") }

// lineOf is the line of a user of README.
func lineOf(t *testing.T, user string) (line string, rules []string) {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 3 && words[0] == "user" && words[1] == user {
			return strings.TrimSpace(line), words[2:]
		}
	}
	t.Fatalf("README has no line that begins with: user %s", user)
	return "", nil
}

// rulesFor are the README's rules for a prefix, without one of them.
func rulesFor(t *testing.T, prefix, without string) []string {
	t.Helper()
	_, rules := userLine(t)
	left := []string{"reset"}
	for _, r := range rules {
		if r != without {
			left = append(left, strings.NewReplacer("~mm:", "~"+prefix+":", "&mm/", "&"+prefix+"/").Replace(r))
		}
	}
	if without != "" && len(left) != len(rules) {
		t.Fatalf("README's rules are %q, want %s once", rules, without)
	}
	return left
}

const readmesPassword = "PASSWORD"

func TestReadmesUserHasTheRightsThatTheDoctorTries(t *testing.T) {
	t.Parallel()
	var want []string
	for _, r := range rights {
		want = append(want, "+"+r.rule)
	}
	_, rules := userLine(t)
	got := slices.DeleteFunc(slices.Clone(rules), func(r string) bool { return r[0] != '+' })
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("README's line has %q, want %q", got, want)
	}
}

// README says which release has all of the commands, and which of them is its newest.
func TestTheNewestCommandIsOfRedis62(t *testing.T) {
	t.Parallel()
	c := integration.StartRedis(t).Client()
	newer := map[string]string{}
	var rules []string
	for _, r := range rights {
		rules = append(rules, r.rule)
	}
	_, oslo := lineOf(t, "osloist")
	for _, r := range oslo {
		if command, ok := strings.CutPrefix(r, "+"); ok {
			rules = append(rules, command)
		}
	}
	for _, rule := range rules {
		command, sub, _ := strings.Cut(rule, "|")
		docs, err := c.Do(t.Context(), "COMMAND", "DOCS", command).Result()
		if err != nil {
			t.Fatal(err)
		}
		of, _ := docs.(map[any]any)[command].(map[any]any)
		if subs, _ := of["subcommands"].(map[any]any); sub != "" {
			of, _ = subs[rule].(map[any]any)
		}
		since, _ := of["since"].(string)
		t.Logf("%s is of Redis %s", rule, since)
		switch {
		case since == "":
			t.Errorf("%s: Redis does not say since when there is this command", rule)
		case since > "3.0.0":
			newer[rule] = since
		}
	}
	if want := map[string]string{"smismember": "6.2.0"}; !maps.Equal(newer, want) {
		t.Errorf("commands newer than Redis 3.0 are %v, README says %v", newer, want)
	}
}

// limited is a spread as the user of README, whose password is in a file.
type limited struct{ *spread }

func (s limited) Backend() core.Backend {
	s.Helper()
	dsn := s.on.As("matchmaker", "")
	dsn += map[bool]string{true: "&", false: "?"}[strings.Contains(dsn, "?")] + "password_file=" + integration.PasswordFile(s, readmesPassword)
	store, err := OpenStore(dsn, Config{HeartbeatConfig: s.config})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { store.Close() })
	return store
}

func TestConformsAsReadmesUserInEachTopology(t *testing.T) {
	t.Parallel()
	line, _ := userLine(t)
	integration.OnEach(t, func(t *testing.T, on integration.Topology) {
		coretest.Exercise(t, func(t *testing.T) coretest.Harness {
			s := limited{&spread{t, on, quick}}
			s.Flush()
			return s
		})
		for _, r := range on.All() { // go-redis asks for nothing that the user may not do
			if entries := denials(t, r); len(entries) > 0 {
				t.Errorf("%s refused %v", r.Addr, entries)
			}
		}
	}, line, "user default off")
}

// denials is what a server has refused the user of README.
func denials(t *testing.T, r *integration.Redis) []string {
	t.Helper()
	entries, err := r.Client().Do(t.Context(), "ACL", "LOG").Slice()
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	for _, e := range entries {
		if m, _ := e.(map[any]any); m["username"] == "matchmaker" {
			refused = append(refused, fmt.Sprintf("%v %v", m["reason"], m["object"]))
		}
	}
	return refused
}

// trial is a process whose user lacks one rule of README's line, or none.
type trial struct {
	*testing.T
	*Store
	on integration.Topology
}

func (x *trial) claim() *core.Claim { return claimOf("node1") }

func (x *trial) registers() error {
	_, err := x.BackendRegister(x.Context(), quick.TTL, []*core.Claim{x.claim()})
	return err
}

func (x *trial) answers(script *script, keys []string, args ...any) error {
	_, err := one(x.Context(), x.read, script, keys, args...)
	return err
}

func (x *trial) drains() error {
	return errors.Join(x.DrainFor(x.Context(), compute, "node1", time.Minute, "tried"),
		x.DrainFor(x.Context(), compute, "node1", 0, ""))
}

func (x *trial) shows() error {
	_, err := x.Members(x.Context(), compute)
	return err
}

func (x *trial) showsDrains() error {
	if err := x.DrainFor(x.Context(), compute, "node1", time.Minute, "tried"); err != nil {
		return err
	}
	if w, err := x.Why(x.Context(), compute, "node1"); err != nil || w.DrainLeft == 0 {
		return errors.Join(errors.New("a drained host is shown as not drained"), err)
	}
	return nil
}

func (x *trial) explains() error {
	_, err := x.Why(x.Context(), compute, "node1")
	return err
}

func (x *trial) tellsTimeLeft() error {
	if err := x.registers(); err != nil {
		return err
	}
	_, err := x.Remaining(x.Context(), compute, "node1")
	return err
}

func (x *trial) expires() error {
	if err := x.registers(); err != nil {
		return err
	}
	_, err := x.Expire(x.Context(), compute, "node1")
	return err
}

func (x *trial) leaves() error {
	c := x.claim()
	_, err := x.BackendRegister(x.Context(), quick.TTL, []*core.Claim{c})
	if err == nil {
		_, err = x.BackendUnregister(x.Context(), quick.TTL, []*core.Claim{c})
	}
	return err
}

// picks answers in one round trip; refused, a pick reads the whole topic.
func (x *trial) picks() error {
	return x.answers(pickScript, []string{x.keys.set(compute), x.keys.drains(compute)})
}

// isHeard is what a change is, at once.
func (x *trial) isHeard() error {
	if err := x.registers(); err != nil {
		return err
	}
	return x.watching(compute, func() error {
		if err := x.eventually("a subscription", func() bool { return x.Stats().Denied || x.listening(compute) }); err != nil {
			return err
		}
		if err := x.leaves(); err != nil {
			return err
		}
		return x.eventually("a change that is heard", func() bool { return x.Stats().Messages > 0 })
	})
}

// isCaughtUpWith is what a subscription must be before a host that is lost is given up.
func (x *trial) isCaughtUpWith() error {
	if err := x.registers(); err != nil {
		return err
	}
	return x.watching(compute, func() error {
		if err := x.eventually("a subscription", func() bool { return x.listening(compute) }); err != nil {
			return err
		}
		e, err := x.ear(x.Context(), compute)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(x.Context(), time.Second)
		defer cancel()
		return e.caughtUp(ctx)
	})
}

// isLeftAlone is a process by the changes of topics that it watches no more.
func (x *trial) isLeftAlone() error {
	for _, topic := range []string{compute, "other"} {
		c := &core.Claim{Registration: core.Registration{Topic: topic, Host: "node1"}}
		if _, err := x.BackendRegister(x.Context(), quick.TTL, []*core.Claim{c}); err != nil {
			return err
		}
	}
	return x.watching("other", func() error {
		err := x.watching(compute, func() error {
			return x.eventually("subscriptions", func() bool { return x.listening(compute) && x.listening("other") })
		})
		if err != nil {
			return err
		}
		channel := x.keys.channel(compute)
		return x.eventually("an end of the subscription", func() bool {
			return x.on.Serving(x.keys.set(compute)).Client().PubSubNumSub(x.Context(), channel).Val()[channel] == 0
		})
	})
}

func (x *trial) listening(topic string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	f := x.follows[topic]
	return f != nil && f.listens.Load()
}

// watching watches a topic while f goes on.
func (x *trial) watching(topic string, f func() error) error {
	ctx, cancel := context.WithCancel(x.Context())
	ended := make(chan struct{})
	defer func() { cancel(); <-ended }()
	first := make(chan struct{}, 1)
	go func() {
		defer close(ended)
		for range x.Watch(ctx, topic) {
			select {
			case first <- struct{}{}:
			default:
			}
		}
	}()
	<-first
	return f()
}

// eventually waits as long as no lack of speed explains.
func (x *trial) eventually(what string, is func() bool) error {
	for end := time.Now().Add(1500 * time.Millisecond); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("in vain: " + what)
		}
	}
	return nil
}

func (x *trial) lists() error {
	_, err := x.Topics(x.Context())
	return err
}

// goesOnDuringAMigration is what a host does whose topic moves to another server of the cluster.
func (x *trial) goesOnDuringAMigration() error {
	finish := x.on.(*integration.Cluster).MigrateSlot(x.keys.set(compute))
	defer finish()
	_, err := x.Remaining(x.Context(), compute, "node1")
	return err
}

// lacking says for each rule what fails without it.
var lacking = map[string]func(x *trial) error{
	"eval":          (*trial).shows,
	"evalsha":       (*trial).registers,
	"get":           (*trial).tellsTimeLeft,
	"mget":          (*trial).registers,
	"set":           (*trial).registers,
	"del":           (*trial).expires,
	"exists":        (*trial).registers,
	"pexpire":       (*trial).registers,
	"pexpireat":     (*trial).drains,
	"pttl":          (*trial).tellsTimeLeft,
	"sadd":          (*trial).registers,
	"srem":          (*trial).leaves,
	"scard":         (*trial).registers,
	"smembers":      (*trial).lists,
	"sismember":     (*trial).explains,
	"smismember":    (*trial).registers,
	"srandmember":   (*trial).picks,
	"hset":          (*trial).registers,
	"hget":          (*trial).showsDrains,
	"hmget":         (*trial).registers,
	"hgetall":       (*trial).shows,
	"hdel":          (*trial).drains,
	"time":          (*trial).registers,
	"ping":          (*trial).isCaughtUpWith,
	"publish":       (*trial).isHeard,
	"subscribe":     (*trial).isHeard,
	"unsubscribe":   (*trial).isLeftAlone,
	"select":        (*trial).registers,
	"cluster|slots": (*trial).registers,
	"asking":        (*trial).goesOnDuringAMigration,
}

// TestReadmesUserLacksNothingAndHasNothingToSpare takes each rule of the line away.
func TestReadmesUserLacksNothingAndHasNothingToSpare(t *testing.T) {
	t.Parallel()
	server, cluster := integration.StartRedis(t), integration.StartCluster(t)
	for i, r := range rights {
		t.Run(r.rule, func(t *testing.T) {
			var on integration.Topology = server
			if r.cluster {
				on = cluster
			}
			try := lacking[r.rule]
			if try == nil {
				t.Fatal("nothing is known to fail without it")
			}
			for _, without := range []string{"", "+" + r.rule} {
				prefix := fmt.Sprintf("t%d-%d", i, len(without))
				on.All().SetUser(prefix, rulesFor(t, prefix, without)...)
				dsn := on.As(prefix, readmesPassword)
				if r.rule == "select" {
					dsn = strings.TrimSuffix(dsn, "/0") + "/1"
				}
				s, err := OpenStore(dsn, Config{HeartbeatConfig: core.HeartbeatConfig{Freq: 10 * time.Second}, Prefix: prefix})
				if err != nil {
					t.Fatal(err)
				}
				err = try(&trial{t, s, on})
				s.Close()
				if (err != nil) != (without != "") {
					t.Errorf("without %q: %v", without, err)
				} else if err != nil {
					t.Logf("without %s: %v", without, err)
				}
			}
		})
	}
}

// The keys and channels of the line, each for itself.
func TestATenantNeitherReadsNorDisturbsAnother(t *testing.T) {
	t.Parallel()
	integration.OnEach(t, func(t *testing.T, on integration.Topology) {
		stores := make(map[string]*Store)
		for _, prefix := range []string{"one", "two"} {
			on.All().SetUser(prefix, rulesFor(t, prefix, "")...)
			s, err := OpenStore(on.As(prefix, readmesPassword), Config{HeartbeatConfig: quick, Prefix: prefix})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			stores[prefix] = s
			if _, err := s.BackendRegister(t.Context(), time.Minute, claimsOf("of-"+prefix)); err != nil {
				t.Fatal(err)
			}
		}
		for prefix, s := range stores {
			other := stores[map[string]string{"one": "two", "two": "one"}[prefix]]
			if v, err := s.Members(t.Context(), compute); err != nil || shown(v) != "of-"+prefix {
				t.Errorf("%s sees %q, %v", prefix, shown(v), err)
			}
			if topics, err := s.Topics(t.Context()); err != nil || !slices.Equal(topics, []string{compute}) {
				t.Errorf("%s lists %q, %v", prefix, topics, err)
			}
			their := other.keys
			for what, args := range map[string][]any{
				"read of a key":     {"get", their.liveness(compute, "of-one")},
				"read of a topic":   {"smembers", their.set(compute)},
				"read of the names": {"smembers", their.topics()},
				"write of a key":    {"set", their.liveness(compute, "of-one"), "x"},
				"write of a topic":  {"srem", their.set(compute), "of-one"},
				"script of a key":   {"eval", "return redis.call('GET', KEYS[1])", 1, their.version(compute)},
				"script that hides the key": {"eval", "return redis.call('GET', '" + their.version(compute) + "')", 1,
					s.keys.version(compute)},
				"publish": {"publish", their.channel(compute), "x"},
				"flush":   {"flushall"},
			} {
				pipe := s.write.Pipeline()
				cmd := pipe.Do(t.Context(), args...)
				pipe.Exec(t.Context())
				if err := cmd.Err(); err == nil || !strings.Contains(err.Error(), "permission") && !strings.Contains(err.Error(), "can't access") {
					t.Errorf("%s of another tenant by %s: %v, want a refusal", what, prefix, err)
				}
			}
			node, err := s.node(t.Context(), compute)
			if err != nil {
				t.Fatal(err)
			}
			sub := node.Subscribe(t.Context(), their.channel(compute))
			if m, err := sub.ReceiveTimeout(t.Context(), 5*time.Second); !redis.HasErrorPrefix(err, "NOPERM") {
				t.Errorf("%s subscribes to another tenant's channel: %v, %v", prefix, m, err)
			}
			sub.Close()
		}
		views := map[string]*sights{}
		for prefix, s := range stores {
			views[prefix] = (&registry{T: t, config: quick}).watch(s)
		}
		if _, err := stores["one"].BackendUnregister(t.Context(), quick.TTL, []*core.Claim{{Registration: claimOf("of-one").Registration}}); err != nil {
			t.Fatal(err)
		}
		views["one"].shows("")
		if v := views["two"].last(); shown(v) != "of-two" || v.Stale != nil {
			t.Errorf("two sees %q, %v", shown(v), v.Stale)
		}
	})
}
