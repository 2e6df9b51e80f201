package redismm

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/topic.lua
var topicLua string

//go:embed lua/ticket.lua
var ticketLua string

//go:embed lua/upsert.lua
var upsertLua string

//go:embed lua/touch.lua
var touchLua string

//go:embed lua/leave.lua
var leaveLua string

//go:embed lua/remove.lua
var removeLua string

//go:embed lua/expire.lua
var expireLua string

//go:embed lua/ack.lua
var ackLua string

//go:embed lua/drain.lua
var drainLua string

//go:embed lua/suspect.lua
var suspectLua string

//go:embed lua/prune.lua
var pruneLua string

//go:embed lua/glance.lua
var glanceLua string

//go:embed lua/lease.lua
var leaseLua string

//go:embed lua/giveup.lua
var giveUpLua string

//go:embed lua/now.lua
var nowLua string

//go:embed lua/snapshot.lua
var snapshotLua string

//go:embed lua/lives.lua
var livesLua string

//go:embed lua/pick.lua
var pickLua string

//go:embed lua/oslo.lua
var osloLua string

//go:embed lua/oslo_beat.lua
var osloBeatLua string

//go:embed lua/oslo_leave.lua
var osloLeaveLua string

//go:embed lua/oslo_ack.lua
var osloAckLua string

//go:embed lua/oslo_alive.lua
var osloAliveLua string

//go:embed lua/oslo_pick.lua
var osloPickLua string

var (
	upsertScript  = newScript(topicLua+upsertLua, true)
	touchScript   = newScript(touchLua, true)
	leaveScript   = newScript(topicLua+leaveLua, true)
	removeScript  = newScript(topicLua+removeLua, true)
	expireScript  = newScript(topicLua+expireLua, true)
	ackScript     = newScript(ackLua, true)
	drainScript   = newScript(topicLua+drainLua, true)
	suspectScript = newScript(topicLua+suspectLua, true)
	pruneScript   = newScript(topicLua+pruneLua, true)
	leaseScript   = newScript(leaseLua, true)

	ticketScript   = newScript(ticketLua, false)
	glanceScript   = newScript(glanceLua, false)
	snapshotScript = newScript(snapshotLua, false)
	livesScript    = newScript(livesLua, false)
	pickScript     = newScript(pickLua, false)

	osloBeatScript  = newScript(osloLua+osloBeatLua, true)
	osloLeaveScript = newScript(osloLua+osloLeaveLua, true)
	osloAckScript   = newScript(osloLua+osloAckLua, true)
	// Who is dead may be taken out of a set twice.
	osloAliveScript = newScript(osloLua+osloAliveLua, false)
	osloPickScript  = newScript(osloLua+osloPickLua, false)
)

// script is a text that Redis executes. One that writes is never sent again by go-redis, whatever becomes of
// the first sending; a cluster's redirection, after which it was not executed, is followed.
type script struct {
	text, sha string
	writes    bool
}

func newScript(text string, writes bool) *script {
	return &script{text, redis.NewScript(text).Hash(), writes}
}

// once is a command that is not sent again, nor those with it in a pipeline. Where one of several commands is refused
// with TRYAGAIN and another is sent on with ASK, a client of a cluster repeats all of them beside the one that was sent on,
// and writes the replies of both to that one at once.
type once struct{ redis.Cmder }

func (once) NoRetry() bool { return true }

// existing adds EXISTS of several keys to a pipeline with others.
func existing(ctx context.Context, pipe redis.Pipeliner, keys []string) *redis.IntCmd {
	words := []any{"exists"}
	for _, k := range keys {
		words = append(words, k)
	}
	cmd := redis.NewIntCmd(ctx, words...)
	pipe.Process(ctx, once{cmd})
	return cmd
}

// queue adds the call to a pipeline, its script by its hash or whole. With others of several keys it is not sent again.
func (c *call) queue(ctx context.Context, pipe redis.Pipeliner, whole, others bool) *redis.Cmd {
	words := make([]any, 0, 3+len(c.keys)+len(c.more)+len(c.args))
	if whole {
		words = append(words, "eval", c.script.text)
	} else {
		words = append(words, "evalsha", c.script.sha)
	}
	words = append(words, len(c.keys)+len(c.more))
	for _, k := range c.keys {
		words = append(words, k)
	}
	words = append(append(words, c.more...), c.args...)
	cmd := redis.NewCmd(ctx, words...)
	cmd.SetFirstKeyPos(3)
	if c.script.writes || others {
		pipe.Process(ctx, once{cmd})
	} else {
		pipe.Process(ctx, cmd)
	}
	return cmd
}

// call is one script in a pipeline, and its reply.
type call struct {
	script *script
	keys   []string
	more   []any // keys after those, strings
	args   []any
	reply  any
	err    error
	at     time.Time // of the reply
}

// pipeline is what runs many calls in one round trip: a client, or one connection of it.
type pipeline interface{ Pipeline() redis.Pipeliner }

// run makes the calls in one round trip. Those that Redis does not know, and only those, are sent again with
// their text; a script that was executed is never sent twice. Each call has its own error.
func run(ctx context.Context, client pipeline, calls []*call) {
	send(ctx, client, calls, false)
	var unknown []*call
	for _, c := range calls {
		if redis.HasErrorPrefix(c.err, "NOSCRIPT") {
			unknown = append(unknown, c)
		}
	}
	if len(unknown) > 0 {
		send(ctx, client, unknown, true)
	}
}

func send(ctx context.Context, client pipeline, calls []*call, whole bool) {
	pipe := client.Pipeline()
	cmds := make([]*redis.Cmd, len(calls))
	for i, c := range calls {
		cmds[i] = c.queue(ctx, pipe, whole, len(calls) > 1)
	}
	_, failed := pipe.Exec(ctx)
	now := time.Now()
	for i, c := range calls { // each command has its own error, but for those that no connection was had for
		c.at = now
		if c.reply, c.err = cmds[i].Result(); c.reply == nil && c.err == nil {
			c.err = failed
		}
	}
}

// one makes a single call.
func one(ctx context.Context, client pipeline, script *script, keys []string, args ...any) (any, error) {
	c := &call{script: script, keys: keys, args: args}
	run(ctx, client, []*call{c})
	return c.reply, c.err
}

var errReply = errors.New("redis answered a script with something it does not return")

// texts returns the reply, a list of at least n strings.
func (c *call) texts(n int) ([]string, error) {
	if c.err != nil {
		return nil, c.err
	}
	list, err := texts(c.reply)
	if err == nil && len(list) < n {
		err = fmt.Errorf("%w: a list of %d, want %d", errReply, len(list), n)
	}
	return list, err
}

// texts reads a reply that is a list of strings.
func texts(reply any) ([]string, error) {
	list, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("%w: %T", errReply, reply)
	}
	out := make([]string, len(list))
	for i, x := range list {
		switch x := x.(type) {
		case string:
			out[i] = x
		case nil:
		default:
			return nil, fmt.Errorf("%w: %T", errReply, x)
		}
	}
	return out, nil
}
