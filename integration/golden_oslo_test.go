package integration_test

import (
	"slices"

	"github.com/redismm/matchmaker/redismm"
)

// In the layout of the original, steps on keys are done on those very keys, and a dump is all of Redis. What cannot
// be registered here is written as the original would have, so that lookups of it are compared too.

// rawDump is a dump to be compared with the original's in every part.
type rawDump dump

func (s *stage) onOslo() bool { return s.layout == redismm.LayoutOslo }

// agrees says whether an answer is the expected one.
func (s *stage) agrees(x *step, got any) bool { return x.agrees(s.expected(x), got) }

// leftOutOnOslo returns why a step has no counterpart in the layout of the original, or "".
func (s *stage) leftOutOnOslo(x *step) string {
	switch {
	case x.Op == "heart_count" || x.Op == "heart_alive":
		return "looks at threads of the original"
	case x.Op == "local" && len(s.refused) > 0:
		return "depends on a registration that is refused here"
	}
	return ""
}

// doOnOslo does a step on a key, if it is one.
func (s *stage) doOnOslo(x *step) (answer any, answers, done bool) {
	s.t.Helper()
	switch x.Op {
	case "dump":
		return s.rawDump(), true, true
	case "ttl":
		return s.registry.do(s.t, "TTL", x.Key), true, true
	case "kill_key":
		s.registry.do(s.t, "DEL", x.Key)
	case "persist_key":
		s.registry.do(s.t, "PERSIST", x.Key)
	case "expire_key":
		s.registry.do(s.t, "EXPIRE", x.Key, x.TTL)
	default:
		return nil, false, false
	}
	return nil, false, true
}

// rawDump reads all of Redis: liveness keys have the empty string in them, and a set has the rest.
func (s *stage) rawDump() rawDump {
	s.t.Helper()
	d := rawDump{Sets: make(map[string][]string), Live: make(map[string]bool)}
	for _, key := range textsOf(s.registry.do(s.t, "KEYS", "*")) {
		members := textsOf(s.registry.do(s.t, "SMEMBERS", key))
		expires := s.registry.do(s.t, "TTL", key).(int64) >= 0
		slices.Sort(members)
		if marked := len(members) > 0 && members[0] == ""; marked {
			d.Live[key], members = expires, members[1:]
		} else if expires {
			d.SetTTL = append(d.SetTTL, key)
		}
		if len(members) > 0 {
			d.Sets[key] = members
		}
	}
	slices.Sort(d.SetTTL)
	return d
}

func textsOf(reply any) []string {
	var texts []string
	for _, x := range reply.([]any) {
		texts = append(texts, x.(string))
	}
	return texts
}

// asRefused does to the keys what the original did in a step that is refused here.
func (s *stage) asRefused(x *step) {
	s.t.Helper()
	if !s.onOslo() {
		return
	}
	at := place{x.Topic, x.Host}
	switch x.Op {
	case "register":
		s.registry.do(s.t, "SADD", x.Topic, at.String())
		s.registry.do(s.t, "SADD", at.String(), "")
		s.registry.do(s.t, "EXPIRE", at.String(), s.sc.TTL)
	case "unregister", "expire":
		s.registry.do(s.t, "SREM", x.Topic, at.String())
		s.registry.do(s.t, "DEL", at.String())
		s.refused = slices.DeleteFunc(s.refused, func(p place) bool { return x.Op == "unregister" && p == at })
	default:
		s.t.Errorf("%s of %s, which is refused: how the original did that is not known here", x.Op, at)
	}
}

// beatRefused does to the keys what heartbeats of the original did for what is refused here.
func (s *stage) beatRefused(peer int) {
	s.t.Helper()
	for _, p := range s.refused {
		if peer == 0 {
			s.asRefused(&step{Op: "register", Topic: p.topic, Host: p.host})
		}
	}
}
