package core

import (
	"context"
	"errors"
)

// Service is something that takes work until it is stopped.
type Service struct {
	// Serve takes work. It returns nil once Stop was called, else why it ended.
	Serve func() error
	// Stop refuses new work and returns when what is in flight is done. When ctx ends first it cuts that off,
	// and says so.
	Stop func(ctx context.Context) error
	// Farewell is how long stopping may take.
	Farewell
}

// Serve runs a service and keeps registrations for as long as it does, with heartbeats. When ctx ends, the
// host retires, as Retire says, and Serve returns Retire's error. A service that ends by itself leaves at once,
// and Serve returns why it ended.
//
// The registry need not be there: what cannot be told now is tried again by every heartbeat. A registration
// that is refused is an [ErrInvalid], or of a [Choosy] backend an [ErrUnsupported], and nothing was served.
func (h *HeartbeatMatchMaker) Serve(ctx context.Context, s Service, rs ...Registration) error {
	if err := h.check(rs); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	_ = h.Register(ctx, rs...) // kept, and tried again by every heartbeat
	h.StartHeartbeat()
	select {
	case err := <-ended:
		hurried, cancel := context.WithCancel(ctx)
		cancel()
		return errors.Join(err, h.Retire(hurried, s.Farewell, func(context.Context) error { return nil }, rs...))
	case <-ctx.Done():
	}
	err := h.Retire(context.WithoutCancel(ctx), s.Farewell, s.Stop, rs...)
	return errors.Join(err, <-ended)
}
