package redismm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Severity says how much a [Finding] matters.
type Severity string

const (
	Fine    Severity = "ok"
	Warning Severity = "warn" // works, and worse than it could
	Bad     Severity = "bad"  // does not work, or will soon not
)

// Finding is one thing that [Store.Diagnose] found out about a Redis.
type Finding struct {
	// Check is what was looked at: sentinels, access, server, permissions, writes, channels, latency, eviction, memory,
	// keys, layout, contests or clock.
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	// Server is the host:port that it is about, "" for what is about all.
	Server string `json:"server,omitempty"`
	// Says is the finding, and Fix what to do about it, "" where nothing is to be done.
	Says string `json:"says"`
	Fix  string `json:"fix,omitempty"`
}

// Diagnose finds out whether Redis, every primary of a cluster, is as a matchmaker needs it. It writes keys of
// a topic of its own, and removes them. What it has found stands beside an error too: an [core.ErrUnavailable]
// says that Redis did not answer the rest.
func (s *Store) Diagnose(ctx context.Context) ([]Finding, error) {
	found, err := s.diagnoseSentinels(ctx)
	if err != nil || trouble(found, "sentinels") {
		return found, s.unavailable(err)
	}
	all, err := s.patients(ctx)
	if f := s.refusal("", err); f != nil {
		return append(found, *f), nil
	}
	if err != nil {
		return found, s.unavailable(err)
	}
	var going sync.WaitGroup
	for _, p := range all {
		going.Go(func() { p.err = p.examine(ctx) })
	}
	going.Wait()
	of, err := reports(all)
	found = append(found, of...)
	if err == nil && !trouble(found, "access") {
		of, err = s.diagnoseTopics(ctx, all)
		found = append(found, of...)
	}
	return found, s.unavailable(err)
}

// reports puts together what was found of each server. That one does not answer is a finding if another does.
func reports(all []*patient) (found []Finding, err error) {
	silent := 0
	for _, p := range all {
		if p.err != nil {
			silent++
		}
	}
	for _, p := range all {
		if p.err != nil && silent < len(all) {
			p.finds("access", Bad, "look whether it runs, and whether this machine reaches it: CLUSTER NODES on another shows whether a replica takes its place",
				"it does not answer: %s", p.err)
			p.err = nil
		}
		found = append(found, p.found...)
		err = errors.Join(err, p.err)
	}
	return found, err
}

// trouble says whether a check found something bad.
func trouble(found []Finding, check string) bool {
	return slices.ContainsFunc(found, func(f Finding) bool { return f.Check == check && f.Severity == Bad })
}

// patient is a server under examination, and a topic of the doctor's that it keeps.
type patient struct {
	store  *Store
	client *redis.Client
	name   string // host:port
	topic  string
	info   map[string]string
	found  []Finding
	err    error
}

// scratch begins the names of the doctor's topics.
const scratch = "doctor-"

// mostDraws bounds how many names are drawn until a server keeps one.
const mostDraws = 10_000

// patients returns the one server, or the primaries of a cluster that keep slots.
func (s *Store) patients(ctx context.Context) ([]*patient, error) {
	c, ok := s.write.(*redis.ClusterClient)
	if !ok {
		one := s.write.(*redis.Client)
		return []*patient{{store: s, client: one, name: s.addr, topic: scratch + newNonce()}}, nil
	}
	var mu sync.Mutex
	primaries := 0
	if err := c.ForEachMaster(ctx, func(context.Context, *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		primaries++
		return nil
	}); err != nil {
		return nil, err
	}
	byAddr := make(map[string]*patient)
	for range mostDraws {
		topic := scratch + newNonce()
		node, err := s.node(ctx, topic)
		if err != nil {
			return nil, err
		}
		addr := node.Options().Addr
		byAddr[addr] = &patient{store: s, client: node, name: addr, topic: topic}
		if len(byAddr) == primaries {
			break
		}
	}
	var all []*patient
	for _, p := range byAddr {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *patient) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

func (p *patient) finds(check string, as Severity, fix, format string, args ...any) {
	p.found = append(p.found, Finding{check, as, p.name, fmt.Sprintf(format, args...), fix})
}

// examine makes every check of one server, on one connection but for the subscription. Only an error that is
// not an answer of Redis's ends it.
func (p *patient) examine(ctx context.Context) error {
	conn := p.client.Conn()
	defer conn.Close()
	err := conn.Ping(ctx).Err()
	if err != nil && !deniesOnly(err, "ping") {
		if f := p.store.refusal(p.name, err); f != nil {
			p.found = append(p.found, *f)
			return nil
		}
		if broken(err) {
			return fmt.Errorf("it closes the connection, as one does that wants TLS, rediss:// in the URL, or has maxclients already: %w", err)
		}
		return err
	}
	if to := p.store.lines.leadTo(); to != "" {
		p.name = to
	}
	for _, check := range []func(context.Context, *redis.Conn) error{p.server, p.latency, p.rights, p.channels, p.memory, p.clock} {
		if err := check(ctx, conn); err == errOther {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// deniesOnly says whether Redis refuses a command, and not the connection.
func deniesOnly(err error, command string) bool {
	return denied(err) == commandDenied && strings.Contains(err.Error(), "'"+command+"'")
}

// refusal is the finding of an error by which Redis lets nobody in, or not who asks, or nil.
func (s *Store) refusal(server string, err error) *Finding {
	for prefix, fix := range map[string]string{
		"NOAUTH":    "give user and password in the URL, or password_file",
		"WRONGPASS": "give the right user and password: ACL LIST shows an administrator who may come in",
		"NOPERM":    "ACL SETUSER " + s.user() + " with the rules of README",
		"DENIED":    "give Redis a password, or set protected-mode no where the network is safe",
		"LOADING":   "wait until Redis has read its data: INFO persistence says how long",

		"DB index":              "give a database that this Redis has: CONFIG GET databases says how many",
		"max number of clients": "raise maxclients, or find out with CLIENT LIST who keeps so many connections",
		"This instance has cluster support disabled": "it is one server: redis:// and one address in the URL",
	} {
		if err != nil && redis.HasErrorPrefix(err, prefix) {
			return &Finding{"access", Bad, server, fmt.Sprintf("Redis does not let user %s in: %s", s.user(), err), fix}
		}
	}
	return nil
}

// user is who the store is to Redis.
func (s *Store) user() string {
	name := ""
	switch c := s.write.(type) {
	case *redis.Client:
		name = c.Options().Username
	case *redis.ClusterClient:
		name = c.Options().Username
	}
	return nameOf(name)
}

func (s *Store) clustered() bool {
	_, is := s.write.(*redis.ClusterClient)
	return is
}

// refused says whether an error is an answer of Redis's.
func refused(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer)
}

// rights tries every right on a topic of the doctor's, in one round trip, and that Redis takes writes.
func (p *patient) rights(ctx context.Context, conn *redis.Conn) error {
	k := p.store.keys
	cluster := p.store.clustered()
	pipe := conn.Pipeline()
	tried := make(map[string]*redis.Cmd)
	for _, r := range rights {
		if r.try != nil && (cluster || !r.cluster) {
			tried[r.rule] = pipe.Do(ctx, r.try(k, p.topic)...)
		}
	}
	p.cleanUp(ctx, pipe)
	if _, err := pipe.Exec(ctx); err != nil && !refused(err) {
		return err
	}
	var lacks []string
	keyless := false
	for _, r := range rights {
		if cmd := tried[r.rule]; cmd != nil {
			switch denied(cmd.Err()) {
			case commandDenied:
				lacks = append(lacks, "+"+r.rule)
			case keyDenied:
				keyless = true
			}
		}
	}
	if keyless {
		lacks = append(lacks, "~"+k.prefix+":*")
	}
	if len(lacks) > 0 {
		rules := strings.Join(lacks, " ")
		p.finds("permissions", Bad, "ACL SETUSER "+p.store.user()+" "+rules+"  (on each server, replicas too; README has the whole line)",
			"user %s lacks %s", p.store.user(), rules)
	} else {
		p.finds("permissions", Fine, "", "user %s may use all %d commands on %s:*", p.store.user(), len(tried), k.prefix)
	}
	p.writes(tried["set"].Err())
	return nil
}

// cleanUp removes what the doctor wrote, or lets it expire where it may not.
func (p *patient) cleanUp(ctx context.Context, pipe redis.Pipeliner) {
	k := p.store.keys
	for _, key := range []string{k.set(p.topic), k.drains(p.topic), k.liveness(p.topic, "doctor")} {
		pipe.PExpire(ctx, key, time.Second)
		pipe.Del(ctx, key)
	}
}

func (p *patient) writes(err error) {
	if err == nil || denied(err) != nothingDenied || p.info["role"] == replica {
		return
	}
	fix := "read the log of this server"
	for prefix, what := range map[string]string{
		"CLUSTERDOWN": "CLUSTER INFO and CLUSTER NODES say who is down: start it, or CLUSTER FAILOVER TAKEOVER on a replica of it",
		"MOVED":       clusterURL,
		"READONLY":    "give the URL of the primary, or one of Sentinels, who know it",
		"OOM":         "raise maxmemory, or remove keys: CONFIG SET maxmemory …",
		"MISCONF":     "mend what keeps Redis from saving, or CONFIG SET stop-writes-on-bgsave-error no",
		"NOREPLICAS":  "bring the replicas back, or lower min-replicas-to-write",
	} {
		if redis.HasErrorPrefix(err, prefix) {
			fix = what
		}
	}
	p.finds("writes", Bad, fix, "Redis refuses to write: %s", err)
}

// heardWithin bounds the wait for a message that was published.
const heardWithin = time.Second

// channels subscribes, and publishes what it then must hear.
func (p *patient) channels(ctx context.Context, conn *redis.Conn) error {
	channel := p.store.keys.channel(p.topic)
	const matters = "; without it changes are seen up to an interval late"
	sub := p.client.Subscribe(ctx)
	defer sub.Close()
	err := sub.Subscribe(ctx, channel)
	if err == nil {
		_, err = sub.ReceiveTimeout(ctx, heardWithin)
	}
	began := time.Now()
	if err == nil {
		err = conn.Publish(ctx, channel, "doctor").Err()
	}
	switch user := p.store.user(); denied(err) {
	case channelDenied:
		pattern := p.store.keys.prefix + "/*"
		p.finds("channels", Bad, "ACL SETUSER "+user+" &"+pattern, "user %s may not use the channels %s%s", user, pattern, matters)
		return nil
	case commandDenied:
		p.finds("channels", Bad, "ACL SETUSER "+user+" +subscribe +publish", "user %s may not subscribe or not publish%s", user, matters)
		return nil
	}
	if err == nil {
		_, err = sub.ReceiveTimeout(ctx, heardWithin)
	}
	switch {
	case err == nil:
		p.finds("channels", Fine, "", "what is published is heard after %s", shortly(time.Since(began)))
	case isTimeout(err) && ctx.Err() == nil:
		p.finds("channels", Bad, "look for a proxy between here and Redis that does not pass subscriptions",
			"what is published is not heard within %s%s", heardWithin, matters)
	case refused(err):
		p.finds("channels", Bad, "read the log of this server", "Redis refuses to publish or to subscribe%s: %s", matters, err)
	default:
		return err
	}
	return nil
}
