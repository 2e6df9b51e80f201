package main

import (
	"context"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/supervise"
	"github.com/redismm/matchmaker/core"
)

// attended is a command that runs and the host that is kept for it.
type attended struct {
	*app
	mm     *core.HeartbeatMatchMaker
	fronts *listeners
	child  *supervise.Child
	host   kept
	told   chan struct{}  // closed when the command is told to stop
	more   chan os.Signal // that the command gets after that
	drain  time.Duration  // how long it may take then
}

// attend keeps the host and passes signals on until the command has ended and the host has left. The first
// SIGTERM or SIGINT, or the end of ctx, retires the host; a SIGINT after that hurries.
func (c *attended) attend(ctx context.Context, signals <-chan os.Signal) {
	stay, leave := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup // that nothing is registered or announced as failing while it retires
	beside.Go(func() { c.vouch(stay, c.mm, []kept{c.host}) })
	living, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	go c.systemd.KeepAlive(living, func() { c.mm.Registrations() })
	retiring, hurry := context.WithCancel(context.WithoutCancel(ctx))
	defer hurry()
	retired, asked, ended := make(chan struct{}), ctx.Done(), c.child.Done()
	var by os.Signal // that retires
	retire := func(s os.Signal) {
		asked, by = nil, s
		leave()
		go func() {
			defer close(retired)
			c.systemd.Tell("STOPPING=1")
			c.fronts.Leaving(retiring)
			beside.Wait()
			c.retire(retiring, s)
		}()
	}
	for {
		select {
		case s := <-signals:
			switch stops := s == syscall.SIGTERM || s == syscall.SIGINT; {
			case !stops:
				c.child.Signal(s)
			case by == nil && ended == nil: // the host leaves already
				by = s
			case by == nil:
				retire(s)
			case s == syscall.SIGINT:
				c.log.Warn().Msg("a second SIGINT; ending at once")
				hurry()
				if ended == nil {
					return
				}
			case s != by:
				by = s
				c.more <- s
			}
		case <-asked:
			retire(syscall.SIGTERM)
		case <-ended:
			ended = nil
			c.log.Info().Int("code", c.child.Code()).Msg("the command has ended; leaving")
			if by == nil {
				asked = nil
				retire(nil)
			} else if !closed(c.told) {
				hurry() // nothing is left to wait for
			}
		case <-retired:
			return
		}
	}
}

// retire takes the host out of service in core's order, of which the command's end is a part. Without a signal
// the command has ended already.
func (c *attended) retire(ctx context.Context, s os.Signal) {
	f := core.Farewell{Drain: c.drain}
	known, all := false, []core.Registration(nil)
	for _, s := range c.mm.Registrations() { // of those that came over HTTP too
		known = known || s.Standing != "pending"
		all = append(all, s.Member.Registration)
	}
	if s == nil || !known {
		f.Propagation = -1 // nobody has work for it
	} else {
		c.log.Info().Str("topic", c.host.Topic).Str("host", c.host.Host).Stringer("signal", s).Msg("draining")
	}
	if err := c.mm.Retire(ctx, f, func(ctx context.Context) error { c.stop(ctx, s); return nil }, all...); err != nil {
		c.log.Warn().Str("error", c.redact(err.Error())).Msg("could not leave; the registration lapses")
	}
}

// stop tells the command to stop and waits until it has, or kills it when ctx ends.
func (c *attended) stop(ctx context.Context, s os.Signal) {
	close(c.told)
	if s != nil {
		c.child.Signal(s)
	}
	for waiting := true; waiting; {
		select {
		case also := <-c.more:
			c.child.Signal(also)
		case <-c.child.Done():
			return
		case <-ctx.Done():
			waiting = false
		}
	}
	if !closed(c.child.Done()) {
		c.log.Warn().Stringer("drain_timeout", c.drain).Msg("the command is still running; killing it")
		c.child.Kill()
		<-c.child.Done()
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
