package grpcmm

import (
	"context"
	"errors"
	"fmt"
	"net"

	"google.golang.org/grpc"

	"github.com/redismm/matchmaker/core"
)

// Service is a server on a listener, for [core.HeartbeatMatchMaker.Serve]. It stops gracefully: calls and streams
// that are open when it stops may end, and are cut off when the service's Drain is over.
func Service(s *grpc.Server, lis net.Listener) core.Service {
	return core.Service{
		Serve: func() error {
			err := s.Serve(lis)
			if errors.Is(err, grpc.ErrServerStopped) { // before it had begun
				return nil
			}
			return err
		},
		Stop: func(ctx context.Context) error {
			ended := make(chan struct{})
			go func() {
				s.GracefulStop()
				close(ended)
			}()
			select {
			case <-ended:
				return nil
			case <-ctx.Done():
			}
			s.Stop() // a handler that does not heed its context is left behind
			return fmt.Errorf("calls in flight were cut off: %w", context.Cause(ctx))
		},
	}
}
