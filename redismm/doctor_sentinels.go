package redismm

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// What the sentinels tell.

// opinion is what one sentinel answered.
type opinion struct {
	sentinel string // host:port
	primary  string // host:port
	err      error
	quorum   error // why it could not have another chosen
}

// diagnoseSentinels asks every sentinel of the DSN for the primary. Its error says that none answered.
func (s *Store) diagnoseSentinels(ctx context.Context) ([]Finding, error) {
	if s.sentinels == nil {
		return nil, nil
	}
	all := make([]opinion, len(s.sentinels.SentinelAddrs))
	var going sync.WaitGroup
	for i, addr := range s.sentinels.SentinelAddrs {
		going.Go(func() { all[i] = askSentinel(ctx, s.sentinels, addr) })
	}
	going.Wait()
	found := s.judgeSentinels(all)
	if slices.ContainsFunc(all, func(o opinion) bool { return o.err == nil || refused(o.err) }) {
		return found, nil
	}
	err := &unnamedError{user: nameOf(s.sentinels.SentinelUsername)}
	for _, o := range all {
		err.answers = append(err.answers, o.err)
	}
	return nil, err
}

func askSentinel(ctx context.Context, as *redis.FailoverOptions, addr string) opinion {
	c := sentinelAt(addr, as)
	defer c.Close()
	said := opinion{sentinel: addr}
	at, err := c.GetMasterAddrByName(ctx, as.MasterName).Result()
	if err != nil {
		said.err = err
		return said
	}
	said.primary = net.JoinHostPort(at[0], at[1])
	if err := c.CkQuorum(ctx, as.MasterName).Err(); redis.HasErrorPrefix(err, "NOQUORUM") {
		said.quorum = err
	}
	return said
}

// judgeSentinels finds what keeps sentinels from answering: bad if none does.
func (s *Store) judgeSentinels(all []opinion) []Finding {
	var found []Finding
	finds := func(as Severity, fix, format string, args ...any) {
		found = append(found, Finding{"sentinels", as, s.addr, fmt.Sprintf(format, args...), fix})
	}
	answer := make(map[string][]string) // sentinels, by the primary that they name
	var silent Severity = Bad
	for _, o := range all {
		if o.err == nil {
			answer[o.primary], silent = append(answer[o.primary], o.sentinel), Warning
		}
	}
	user := nameOf(s.sentinels.SentinelUsername)
	for _, o := range all {
		switch {
		case o.err != nil:
			says := &unnamedError{user: user, answers: []error{o.err}}
			finds(silent, cureSentinel(o.err), "%s does not name the primary of %q: %s", o.sentinel, s.sentinels.MasterName, says.says(o.err))
		case o.quorum != nil:
			finds(Warning, "start the sentinels that are down: SENTINEL SENTINELS "+s.sentinels.MasterName+" names them",
				"%s could not have another primary chosen: %s", o.sentinel, o.quorum)
		}
	}
	if len(answer) > 1 {
		var says []string
		for primary, by := range answer {
			says = append(says, fmt.Sprintf("%s by %s", primary, strings.Join(by, ", ")))
		}
		slices.Sort(says)
		finds(Warning, "wait for a failover that is under way; if they still disagree then, SENTINEL RESET "+s.sentinels.MasterName+" on those that are wrong",
			"they name different primaries: %s", strings.Join(says, "; "))
	}
	if len(found) == 0 {
		finds(Fine, "", "%d of %d name the primary, as user %s", len(all), len(all), user)
	}
	return found
}

// cureSentinel is the fix of an error of a sentinel.
func cureSentinel(err error) string {
	switch {
	case redis.HasErrorPrefix(err, "NOPERM"):
		return "ACL SETUSER with the sentinels' rules of README, on each sentinel"
	case isRefusal(err):
		return "give the sentinels' own user and password before the host of the URL, or sentinel_password_file; those of Redis are username and password"
	case err == redis.Nil:
		return "give the name of `sentinel monitor` in sentinel.conf as master_name: SENTINEL MASTERS lists them"
	case refused(err):
		return "give the addresses of sentinels, whose port is 26379 by default, or leave master_name out"
	}
	return "look whether it runs, and whether this machine reaches it"
}
