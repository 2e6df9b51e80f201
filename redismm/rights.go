package redismm

import (
	"strings"

	"github.com/redis/go-redis/v9"
)

// right is a command that Redis has to let a process use, and what is sent to find out.
type right struct {
	// rule is the command as ACLs have it.
	rule string
	// try returns the command, which does no harm to a topic of the doctor's. It is nil for what is tried
	// otherwise: the connection itself needs it, or the doctor's subscription does.
	try func(k keys, topic string) []any
	// cluster says that only clients of a cluster need it.
	cluster bool
}

// rights are all that a process needs, whatever it does: scripts are refused what their user may not do.
var rights = []right{
	{rule: "eval", try: func(k keys, topic string) []any { return []any{"eval", "return 1", 1, k.set(topic)} }},
	{rule: "evalsha", try: func(k keys, topic string) []any { return []any{"evalsha", glanceScript.sha, 1, k.set(topic)} }},
	{rule: "get", try: tryLiveness("get")},
	{rule: "mget", try: tryLiveness("mget")},
	{rule: "set", try: tryLiveness("set", "doctor", "PX", 1000)},
	{rule: "del", try: tryLiveness("del")},
	{rule: "exists", try: tryLiveness("exists")},
	{rule: "pexpire", try: tryLiveness("pexpire", 1000)},
	{rule: "pexpireat", try: tryLiveness("pexpireat", 1)},
	{rule: "pttl", try: tryLiveness("pttl")},
	{rule: "sadd", try: trySet("sadd", "doctor")},
	{rule: "srem", try: trySet("srem", "doctor")},
	{rule: "scard", try: trySet("scard")},
	{rule: "smembers", try: trySet("smembers")},
	{rule: "sismember", try: trySet("sismember", "doctor")},
	{rule: "smismember", try: trySet("smismember", "doctor")},
	{rule: "srandmember", try: trySet("srandmember", -1)},
	{rule: "hset", try: tryDrains("hset", "doctor", "0")},
	{rule: "hget", try: tryDrains("hget", "doctor")},
	{rule: "hmget", try: tryDrains("hmget", "doctor")},
	{rule: "hgetall", try: tryDrains("hgetall")},
	{rule: "hdel", try: tryDrains("hdel", "doctor")},
	{rule: "time", try: tryAlone("time")},
	{rule: "ping", try: tryAlone("ping")},
	{rule: "publish", try: func(k keys, topic string) []any { return []any{"publish", k.channel(topic), "doctor"} }},
	{rule: "subscribe"},
	{rule: "unsubscribe", try: tryAlone("unsubscribe", "doctor")},
	{rule: "select"}, // a database other than 0
	{rule: "cluster|slots", try: tryAlone("cluster", "slots"), cluster: true},
	{rule: "asking", try: tryAlone("asking"), cluster: true},
}

func tryAlone(words ...any) func(keys, string) []any {
	return func(keys, string) []any { return words }
}

func tryLiveness(command string, more ...any) func(keys, string) []any {
	return func(k keys, topic string) []any { return append([]any{command, k.liveness(topic, "doctor")}, more...) }
}

func trySet(command string, more ...any) func(keys, string) []any {
	return func(k keys, topic string) []any { return append([]any{command, k.set(topic)}, more...) }
}

func tryDrains(command string, more ...any) func(keys, string) []any {
	return func(k keys, topic string) []any { return append([]any{command, k.drains(topic)}, more...) }
}

// denial is what an error of Redis says that the user lacks.
type denial int

const (
	nothingDenied denial = iota
	commandDenied
	keyDenied
	channelDenied
)

// denied reads a NOPERM, whose words differ from release to release.
func denied(err error) denial {
	if err == nil || !redis.HasErrorPrefix(err, "NOPERM") {
		return nothingDenied
	}
	switch text := err.Error(); {
	case strings.Contains(text, "channel") && !strings.Contains(text, "' command"):
		return channelDenied
	case strings.Contains(text, "key") && !strings.Contains(text, "' command"):
		return keyDenied
	}
	return commandDenied
}
