package redismm

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Lives is how long hosts of a topic stay as they are, as Redis has it.
type Lives struct {
	// Left is how long each host stays registered without another beat. Who does not live now is not among them.
	Left map[string]time.Duration
	// Drains are the drains from outside, of any host of the topic.
	Drains map[string]Drain
}

// Drain is a drain from outside: how long it goes on, and why.
type Drain struct {
	Left   time.Duration
	Reason string
}

// Lives asks about hosts of a topic, in one round trip, with one script for each 512 of them.
func (s *Store) Lives(ctx context.Context, topic string, hosts []string) (*Lives, error) {
	if err := core.CheckTopic(topic); err != nil {
		return nil, err
	}
	var calls []*call
	for first := 0; first == 0 || first < len(hosts); first += batchSize {
		some := hosts[first:min(first+batchSize, len(hosts))]
		calls = append(calls, &call{script: livesScript, keys: slices.Insert(s.topicKeys(topic, some...), 2, s.keys.drains(topic))})
	}
	run(ctx, s.read, calls)
	l := &Lives{make(map[string]time.Duration, len(hosts)), make(map[string]Drain)}
	for i, c := range calls {
		if c.err != nil {
			return nil, s.unavailable(c.err)
		}
		first := i * batchSize
		if err := l.take(hosts[first:min(first+batchSize, len(hosts))], c.reply); err != nil {
			return nil, s.unavailable(err)
		}
	}
	return l, nil
}

// take adds what the script answered about some hosts.
func (l *Lives) take(hosts []string, reply any) error {
	parts, ok := reply.([]any)
	if !ok || len(parts) != 3 {
		return errReply
	}
	at, ok := parts[0].(string)
	now, err := strconv.ParseInt(at, 10, 64)
	drains, err1 := texts(parts[1])
	left, err2 := texts(parts[2])
	if !ok || err != nil || err1 != nil || err2 != nil || len(left) != len(hosts) {
		return errReply
	}
	for i := 0; i+1 < len(drains); i += 2 {
		if d := drainLeft(drains[i+1], now); d > 0 {
			_, reason, _ := strings.Cut(drains[i+1], " ")
			l.Drains[drains[i]] = Drain{d, reason}
		}
	}
	for i, host := range hosts {
		if ms, err := strconv.ParseInt(left[i], 10, 64); err == nil && ms >= 0 {
			l.Left[host] = time.Duration(ms) * time.Millisecond
		}
	}
	return nil
}
