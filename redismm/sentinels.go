package redismm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

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
