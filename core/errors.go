package core

import (
	"errors"
	"fmt"
)

// kind is an error that belongs to a broader one, so that errors.Is answers for both.
type kind struct {
	text string
	of   error
}

func (k *kind) Error() string        { return k.text }
func (k *kind) Is(target error) bool { return target == k.of }

// The answers of a lookup that found nothing. Each but [ErrUnavailable] is an ErrNoMatch for errors.Is.
var (
	// ErrNoMatch says that a match could not be found. The original named it MatchMakerException; its
	// lookups answered an empty list.
	ErrNoMatch = errors.New("match could not be found")
	// ErrNoBinding says that no binding accepts the key.
	ErrNoBinding error = &kind{"no binding accepts the key", ErrNoMatch}
	// ErrNoHosts says that the topic is known and nobody is there.
	ErrNoHosts error = &kind{"no live hosts", ErrNoMatch}
	// ErrUnknownTopic says that the topic was never heard of, or not for a day.
	ErrUnknownTopic error = &kind{"topic was never heard of", ErrNoMatch}
	// ErrUnavailable says that nobody can tell now: the registry cannot be reached, or contradicts itself
	// because it lost data. It is never an ErrNoMatch.
	ErrUnavailable = errors.New("cannot tell")
)

// The answers of the other verbs.
var (
	// ErrInvalid says that an argument is refused; the message names the field, the value and what would be
	// right. Nothing was kept.
	ErrInvalid = errors.New("invalid")
	// ErrUnsupported says that this backend cannot do what was asked.
	ErrUnsupported = errors.New("not possible on this backend")
	// ErrNotRegistered says that the registration named is not there.
	ErrNotRegistered = errors.New("not registered")
	// ErrSuperseded says that a newer instance holds the place; this one stands by.
	ErrSuperseded = errors.New("superseded by a newer instance")
)

// LookupError is what a failed [MatchMaker.Resolve] returns: the key, and why.
type LookupError struct {
	Key string
	Err error
}

func (e *LookupError) Error() string { return fmt.Sprintf("resolve %q: %v", e.Key, e.Err) }

// Unwrap returns the reason.
func (e *LookupError) Unwrap() error { return e.Err }

// InvalidError is an [ErrInvalid] in its parts, for who shows them apart.
type InvalidError struct{ Field, Value, Want string }

func (e *InvalidError) Error() string {
	return fmt.Sprintf("%v %s %q: %s", ErrInvalid, e.Field, e.Value, e.Want)
}

// Unwrap returns [ErrInvalid].
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// Invalid returns an [InvalidError] that names the field, the value and what would be right.
func Invalid(field, value, want string) error { return &InvalidError{field, value, want} }
