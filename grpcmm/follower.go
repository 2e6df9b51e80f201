package grpcmm

import (
	"context"
	"iter"
	"slices"

	"google.golang.org/grpc/resolver"

	"github.com/redismm/matchmaker/core"
)

// follower tells one channel of its topic's hosts. What is not set by Build belongs to follow.
type follower struct {
	wanted wanted
	cc     resolver.ClientConn
	end    context.CancelFunc
	ended  chan struct{}

	told []seat // empty if there were none
}

// follow tells the channel what it needs to know of each view. The views go on whatever fails, so there is
// nothing to try again.
func (f *follower) follow(views iter.Seq[*core.View]) {
	defer close(f.ended)
	for v := range views {
		f.tell(v)
	}
}

func (f *follower) tell(v *core.View) {
	members, err := f.wanted.among(v)
	if err != nil {
		if v.Stale == nil && len(f.told) > 0 { // else the last known stand
			f.told = nil
			_ = f.cc.UpdateState(nobody()) // that it is refused says nothing new
		}
		f.cc.ReportError(err)
		return
	}
	if now := seats(members); !slices.Equal(now, f.told) {
		f.told = now
		_ = f.cc.UpdateState(state(now))
	}
}

// ResolveNow does nothing: whatever is known has been told.
func (*follower) ResolveNow(resolver.ResolveNowOptions) {}

// Close ends the following, and returns when the channel will not be told anything any more.
func (f *follower) Close() {
	f.end()
	<-f.ended
}
