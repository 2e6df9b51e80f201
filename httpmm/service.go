package httpmm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/redismm/matchmaker/core"
)

// Service is a server on a listener, for [core.HeartbeatMatchMaker.Serve]; over TLS if the server has a TLSConfig,
// which then holds the certificates. It stops gracefully: requests that are in flight when it stops may end, and
// are cut off when the service's Drain is over.
func Service(s *http.Server, lis net.Listener) core.Service {
	return core.Service{
		Serve: func() error {
			err := serve(s, lis)
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return err
		},
		Stop: func(ctx context.Context) error {
			err := s.Shutdown(ctx)
			if err == nil {
				return nil
			}
			return errors.Join(fmt.Errorf("requests in flight were cut off: %w", err), s.Close())
		},
	}
}

func serve(s *http.Server, lis net.Listener) error {
	if s.TLSConfig != nil {
		return s.ServeTLS(lis, "", "")
	}
	return s.Serve(lis)
}
