package redismm

import (
	"regexp"
	"strconv"

	"github.com/redismm/matchmaker/core"
)

// keys is the one place that knows the spelling of keys. Topics hold no braces, so the hash tag ends where
// the topic ends: all keys of a topic are in one slot, and no two names share a key.
type keys struct {
	prefix string
	db     int
}

const defaultPrefix = "mm"

var prefixes = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func newKeys(prefix string, db int) (keys, error) {
	if prefix == "" {
		prefix = defaultPrefix
	}
	if !prefixes.MatchString(prefix) {
		return keys{}, core.Invalid("prefix", prefix, "want 1 to 32 of a-z, 0-9 and -")
	}
	return keys{prefix, db}, nil
}

func (k keys) set(topic string) string            { return k.prefix + ":{" + topic + "}" }
func (k keys) liveness(topic, host string) string { return k.set(topic) + "@" + host }
func (k keys) version(topic string) string        { return k.set(topic) + ":v" }
func (k keys) drains(topic string) string         { return k.set(topic) + ":d" }
func (k keys) sweeper(topic string) string        { return k.set(topic) + ":w" }
func (k keys) topics() string                     { return k.prefix + ":topics" }

// channel carries the database number, since publishing ignores it.
func (k keys) channel(topic string) string {
	return k.prefix + "/" + strconv.Itoa(k.db) + ":{" + topic + "}:ev"
}
