package redismm

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// slotted refuses commands for several topics, as a cluster behind one address does, and counts the scripts that are sent.
type slotted struct {
	counting
	packs, whole, quick int
}

type crossSlot struct{}

func (crossSlot) Error() string { return "CROSSSLOT Keys in request don't hash to the same slot" }
func (crossSlot) RedisError()   {}

func (h *slotted) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		var rest []redis.Cmder
		for _, cmd := range cmds {
			switch args := cmd.Args(); {
			case len(args) > 4 && args[1] == touchScript.sha && fmt.Sprint(args[2]) != "4":
				h.packs++
				cmd.SetErr(crossSlot{})
				continue
			case len(args) > 4 && args[1] == touchScript.sha:
				h.quick++
			case len(args) > 4 && args[1] == upsertScript.sha:
				h.whole++
			}
			rest = append(rest, cmd)
		}
		if len(rest) == 0 {
			return nil
		}
		return next(ctx, rest)
	}
}

func TestManySmallTopicsAreTouchedTogether(t *testing.T) {
	onBoth(t, func(r *registry) {
		s, claims := r.store(), make([]*core.Claim, 300)
		for i := range claims {
			claims[i] = claimOf("node1")
			claims[i].Topic = fmt.Sprint("topic", i)
		}
		beats := func() {
			r.Helper()
			out, err := s.AckAlive(r.Context(), r.config.TTL, claims)
			for i, o := range out {
				if err != nil || o != core.Kept {
					r.Fatalf("%s: %s, %v", claims[i].Topic, o, err)
				}
			}
		}
		if _, err := s.BackendRegister(r.Context(), r.config.TTL, claims); err != nil {
			r.Fatal(err)
		}
		touches := 0
		s.write.AddHook(counting(func(cmds []redis.Cmder) {
			for _, cmd := range cmds {
				if args := cmd.Args(); args[min(1, len(args)-1)] == touchScript.sha {
					touches++
				}
			}
		}))
		r.raw.Del(r.Context(), keysOf.set("topic7")) // one that needs more than a touch keeps no other from it
		beats()
		if touches != 3 { // of 128 topics with 4 keys each
			r.Errorf("%d touches, want 3", touches)
		}
		if !r.raw.SIsMember(r.Context(), keysOf.set("topic7"), "node1").Val() {
			r.Error("topic7 is not healed")
		}
	})
}

func TestATopicAtATimeIsTouchedWhereSeveralAreRefused(t *testing.T) {
	onMiniredis(t, func(r *registry) {
		s, a, b := r.store(), claimOf("node1"), claimOf("node1")
		b.Topic = "network"
		claims := []*core.Claim{a, b}
		if _, err := s.BackendRegister(r.Context(), r.config.TTL, claims); err != nil {
			r.Fatal(err)
		}
		h := new(slotted)
		s.write.AddHook(h)
		for range 3 {
			if out, err := s.AckAlive(r.Context(), r.config.TTL, claims); err != nil || out[0] != core.Kept || out[1] != core.Kept {
				r.Fatal(out, err)
			}
		}
		if h.packs != 1 || h.whole != 2 || h.quick != 4 {
			r.Errorf("%d packs, %d upserts and %d touches, want 1, 2 and 4", h.packs, h.whole, h.quick)
		}
	})
}
