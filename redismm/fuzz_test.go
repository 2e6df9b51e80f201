package redismm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// What nobody foresaw: names, DSNs, and all that Redis may hold, publish and answer.

func FuzzNoTwoNamesShareAKey(f *testing.F) {
	f.Add("compute", "node1", "compute", "node2")
	f.Add("a", "b@c", "a@b", "c")
	f.Add("a:v", "", "a", ":v")
	f.Add("{a}", "x", "a", "x")
	f.Fuzz(func(t *testing.T, topic, host, topic2, host2 string) {
		if core.CheckTopic(topic) != nil || core.CheckTopic(topic2) != nil || core.CheckHost(host) != nil || core.CheckHost(host2) != nil {
			return
		}
		k := keysOf
		own := func(topic, host string) []string {
			return []string{k.set(topic), k.version(topic), k.drains(topic), k.sweeper(topic), k.channel(topic), k.topics(), k.liveness(topic, host)}
		}
		first, second := own(topic, host), own(topic2, host2)
		for i, key := range first {
			if hashTag(key) != topic && key != k.topics() {
				t.Errorf("key %q of topic %q is in the slot of %q", key, topic, hashTag(key))
			}
			for j, other := range second {
				same := i == j && (topic == topic2 || key == k.topics()) && (host == host2 || i != len(first)-1)
				if (key == other) != same {
					t.Errorf("keys %d of (%q, %q) and %d of (%q, %q) are %q and %q", i, topic, host, j, topic2, host2, key, other)
				}
			}
		}
	})
}

func FuzzAnyDSNIsOpenedOrRefusedWithoutItsPassword(f *testing.F) {
	for _, seed := range []string{"redis://:%s@localhost:6379/0", "rediss://u:%s@h:1/zero", "unix://u:%s@/run/redis.sock?db=2", "redis://h?addr=b:1&password=%s",
		"redis://h/0?master_name=m&password=%s&pool_size=x", "redis+cluster://:%s@a:1/1", "%s@localhost:6379", "http://:%s@h", "redis://:%s@[::1/0", "redis://:a%%zz%s@h"} {
		f.Add(seed)
	}
	const secret = "Sw0rdfish"
	f.Fuzz(func(t *testing.T, form string) {
		if strings.Contains(form, "_file") || strings.Contains(form, secret) {
			return
		}
		dsn := strings.ReplaceAll(form, "%s", secret)
		to, err := parseDSN(dsn)
		switch {
		case err != nil && !errors.Is(err, core.ErrInvalid):
			t.Errorf("%q: %v, want an ErrInvalid", dsn, err)
		case err != nil && inPassword(dsn, secret) && strings.Contains(err.Error(), secret):
			t.Errorf("%q: %v shows the password", dsn, err)
		case err == nil:
			client, _ := to.connect()
			if err := client.Close(); err != nil {
				t.Errorf("%q: close: %v", dsn, err)
			}
		}
	})
}

// inPassword says whether a secret is in no place of a DSN but those where a password is looked for.
func inPassword(dsn, secret string) bool {
	if strings.Count(dsn, secret) != 1 {
		return false
	}
	before, after, _ := strings.Cut(dsn, secret)
	return strings.HasSuffix(before, "password=") || strings.HasPrefix(before, "redis") && strings.HasSuffix(before, ":") && strings.HasPrefix(after, "@")
}

func FuzzAnyValueIsARecordOrRefused(f *testing.F) {
	stamp := newStamp(1)
	for _, seed := range []string{"", "L " + stamp + ` 1 {"addr":"a:1","state":1}`, "T " + stamp + " 1 name", "L " + stamp + ` 18446744073709551616 {}`, "L " + stamp + ` 1 {"labels":[1]}`, "X"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseValue(text)
		if err != nil {
			if v != (value{}) {
				t.Errorf("%q: %+v beside an error", text, v)
			}
			return
		}
		if text == "" {
			return
		}
		if rest := text[3+stampSize:]; text[0] != byte(v.kind) || text[2:2+stampSize] != v.stamp || strings.Contains(rest, " ") != strings.HasSuffix(rest, " "+v.record) {
			t.Errorf("%q is read as %+v", text, v)
		}
		m := v.member(compute, "node1")
		if m.Host != "node1" || m.Topic != compute || m.Instance != v.stamp {
			t.Errorf("%q is member %+v", text, m)
		}
		_ = m.State.String()
	})
}

func FuzzAnyMessageIsHeardOrReadInstead(f *testing.F) {
	stamp := newStamp(1)
	for _, seed := range []string{`{"e":"e","s":"2","c":"c2","p":"c1","n":"2","o":[["up","node2","` + stamp + `","1","{}"]]}`,
		`{"e":"e","s":"2","c":"c2","p":"c1","n":"0","o":[["left","node1","` + stamp + `"],["expired","node1","~"],["suspect","node1"],["drain","node1","99","x"]]}`,
		`{"e":"e","s":"2","c":"c2","p":"c1","o":[["moved"]]}`, `[]`, `{"o":[[]]}`, "null"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := newPicture(compute, time.Minute)
		p.look(&snapshot{version: version{"e", "1", "c1", "1"}, hosts: []string{"node1"}, values: map[string]value{"node1": {live, stamp, 1, "{}"}}, drains: map[string]string{}})
		m, err := parseMessage(text)
		if err != nil {
			return
		}
		p.hear(m)
		v := p.view(time.Now(), 0)
		if !slices.IsSortedFunc(v.Members, func(a, b *core.Member) int { return strings.Compare(a.Host, b.Host) }) {
			t.Errorf("%q: members are out of order", text)
		}
		if len(v.Members) == 0 && !strings.Contains(text, "left") && !strings.Contains(text, "expired") {
			t.Errorf("%q emptied the view", text)
		}
	})
}

// answering is a hook that answers everything itself.
type answering func() any

func (a answering) DialHook(next redis.DialHook) redis.DialHook { return next }

func (a answering) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error { a.answer(cmd); return nil }
}

func (a answering) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			a.answer(cmd)
		}
		return nil
	}
}

func (a answering) answer(cmd redis.Cmder) {
	if o, wrapped := cmd.(once); wrapped {
		cmd = o.Cmder
	}
	reply := a()
	list, _ := reply.([]any)
	text, _ := reply.(string)
	n, _ := reply.(int64)
	switch cmd := cmd.(type) {
	case *redis.Cmd:
		cmd.SetVal(reply)
	case *redis.SliceCmd:
		cmd.SetVal(list)
	case *redis.StringSliceCmd:
		var all []string
		for _, x := range list {
			all = append(all, fmt.Sprint(x))
		}
		cmd.SetVal(all)
	case *redis.MapStringStringCmd:
		cmd.SetVal(map[string]string{text: text})
	case *redis.StringCmd:
		cmd.SetVal(text)
	case *redis.IntCmd:
		cmd.SetVal(n)
	case *redis.DurationCmd:
		cmd.SetVal(time.Duration(n))
	}
}

// reply is what JSON says, as Redis has it.
func reply(x any) any {
	switch x := x.(type) {
	case float64:
		return int64(x)
	case []any:
		for i := range x {
			x[i] = reply(x[i])
		}
	case map[string]any, bool:
		return nil
	}
	return x
}

func FuzzNoReplyIsTakenForWhatItIsNot(f *testing.F) {
	for _, seed := range []string{`["1", "e", "1", "c", "1", "ok", ""]`, `["1", "late"]`, `[["1", ["e", "1", "c", "1"], [], ["node1"], [], ["x"]]]`, `[]`, `null`, `1`, `"x"`,
		`[["1"], 1, "e", [[]], null]`, `["1", "joined"]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var said any
		if json.Unmarshal([]byte(text), &said) != nil {
			return
		}
		said = reply(said)
		// Each reply is the next of a list of lists, or the whole again and again.
		turn := 0
		next := answering(func() any {
			turn++
			if all, ok := said.([]any); ok && len(all) > 0 {
				if one, ok := all[turn%len(all)].([]any); ok {
					return one
				}
			}
			return said
		})
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", ContextTimeoutEnabled: true})
		defer client.Close()
		s, err := NewStore(client, Config{HeartbeatConfig: quick})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		o, err := NewOslo(client, Config{HeartbeatConfig: quick})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		for _, c := range []redis.UniversalClient{s.read, s.write, o.write} {
			c.AddHook(next)
		}
		ctx := t.Context()
		for _, b := range []interface {
			core.Backend
			core.Exchanges
		}{s, o} {
			c := claimOf("node1")
			for _, f := range []writing{b.BackendRegister, b.AckAlive, b.BackendUnregister} {
				outcomes, err := f(ctx, time.Second, []*core.Claim{c})
				if len(outcomes) != 1 || (outcomes[0] == core.Unknown) != (err != nil) {
					t.Errorf("%s: %v, %v", text, outcomes, err)
				}
			}
			if v, err := b.Members(ctx, compute); (v == nil) != (err != nil) {
				t.Errorf("%s: view %v, %v", text, v, err)
			}
			if left, err := b.Remaining(ctx, compute, "node1"); left < 0 {
				t.Errorf("%s: %s left, %v", text, left, err)
			}
			b.Expire(ctx, compute, "node1")
			b.TopicExchange(ctx, compute)
			b.FanoutExchange(ctx, core.FanoutPrefix+compute)
			b.DirectExchange(ctx, "compute.node1")
			b.Topics(ctx)
		}
		s.Why(ctx, compute, "node1")
		s.glance(ctx, compute)
	})
}
