package redismm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// presenting returns what a connection to a sentinel begins with, so that the password in a file may change; nil
// where no file has it. go-redis says hello without it first, which a sentinel that wants one refuses, and which
// does no harm.
func presenting(o *redis.FailoverOptions, file string) (func(context.Context, *redis.Conn) error, error) {
	if file == "" {
		return nil, nil
	}
	if err := checkPassword("sentinel_password_file", file, o.SentinelPassword); err != nil {
		return nil, err
	}
	user := nameOf(o.SentinelUsername)
	return func(ctx context.Context, conn *redis.Conn) error {
		password, err := readPassword(file)
		if err != nil {
			return fmt.Errorf("sentinel_password_file: %w", err)
		}
		return conn.AuthACL(ctx, user, password).Err()
	}, nil
}

// sentinelAt is a client of one sentinel.
func sentinelAt(addr string, as *redis.FailoverOptions) *redis.SentinelClient {
	o := &redis.Options{
		Addr: addr, Dialer: as.Dialer, OnConnect: as.OnConnect, Username: as.SentinelUsername, Password: as.SentinelPassword,
		ContextTimeoutEnabled: true, MaxRetries: -1, PoolSize: 1, ReadTimeout: as.ReadTimeout, WriteTimeout: as.WriteTimeout,
	}
	quiet(o)
	return redis.NewSentinelClient(o)
}

// guide asks the sentinels which server is meant, one at a time and again and again, beside what they announce: who leads a
// failover announces it last, when the replicas have followed, and the old primary may answer all the while.
type guide struct {
	sentinels *redis.FailoverOptions

	mu     sync.Mutex
	turn   int // of the sentinel that is asked
	client *redis.SentinelClient
	named  string // by it
	from   string // where lines led to when that was new
	dials  int    // to be made yet from there
}

// moved asks, and says whether lines that lead to a server are to be dialled anew: where the answer is another, a few times.
// Addresses are not compared, since a sentinel may name what only others resolve.
func (g *guide) moved(ctx context.Context, leadTo string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.client == nil {
		g.client = sentinelAt(g.sentinels.SentinelAddrs[g.turn%len(g.sentinels.SentinelAddrs)], g.sentinels)
	}
	at, err := g.client.GetMasterAddrByName(ctx, g.sentinels.MasterName).Result()
	if err != nil || len(at) != 2 { // another the next time
		g.client.Close()
		g.client, g.turn = nil, g.turn+1
		return false
	}
	if now := net.JoinHostPort(at[0], at[1]); now != g.named {
		g.named, g.from, g.dials = now, leadTo, 3
	}
	if g.dials == 0 || leadTo != g.from {
		return false
	}
	g.dials--
	return true
}

func (g *guide) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.client != nil {
		g.client.Close()
	}
}

// nameOf is the name of a user whom a URL names, or not.
func nameOf(user string) string {
	if user == "" {
		return "default"
	}
	return user
}

// asking wraps the dialler that asks sentinels, as a user of theirs, for the server.
func asking(ask dial, user string) dial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := ask(ctx, network, addr)
		if answers, ok := errors.AsType[joined](err); ok {
			return nil, &unnamedError{nameOf(user), answers.Unwrap()}
		}
		return conn, err
	}
}

// joined is what errors.Join makes of several.
type joined interface {
	error
	Unwrap() []error
}

// unnamedError is why no sentinel named the server. What they answered is no answer of a server's: it is not
// unwrapped.
type unnamedError struct {
	user    string
	answers []error
}

func (e *unnamedError) Error() string {
	var said []string
	for _, answer := range e.answers {
		text := e.says(answer)
		if !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	return "no sentinel names the primary: " + strings.Join(said, "; ")
}

// says is one answer for people.
func (e *unnamedError) says(answer error) string {
	switch text := answer.Error(); {
	case errors.Is(answer, redis.Nil):
		return "this master_name is not known there"
	case isRefusal(answer):
		return fmt.Sprintf("user %s is refused: %s", e.user, text)
	case strings.Contains(text, "unknown command 'sentinel'"):
		return "who answers is a server, not a sentinel"
	default:
		return text
	}
}

// isRefusal says whether Redis refuses who asks.
func isRefusal(err error) bool {
	return slices.ContainsFunc([]string{"NOAUTH", "WRONGPASS", "NOPERM"}, func(p string) bool { return redis.HasErrorPrefix(err, p) })
}

// Unwrap returns what is no answer of Redis's, such as that nobody listens.
func (e *unnamedError) Unwrap() []error {
	return slices.DeleteFunc(slices.Clone(e.answers), refused)
}
