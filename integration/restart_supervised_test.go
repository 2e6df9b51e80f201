package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/redismm/matchmaker/integration"
)

// An application is this binary again, which serves HTTP at the address that its variable says until SIGTERM, and
// knows nothing of a registry.
const applicationVariable = "INTEGRATION_APPLICATION"

func init() {
	at := os.Getenv(applicationVariable)
	if at == "" {
		return
	}
	if err := serveAt(at); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serveAt(at string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	lis, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(work)
	})}
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		_ = s.Shutdown(context.Background())
		ended <- http.ErrServerClosed
	}()
	fmt.Println("serving")
	if err := s.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}

// supervised starts an application under the command run.
func (s serving) supervised(t *testing.T) *exec.Cmd {
	t.Helper()
	at := "127.0.0.1:" + port(t)
	args := []string{"run", "--redis-url", s.URL, "--topic", s.Topic, "--host", s.Host, "--addr", at, "--check", "http://" + at + "/",
		"--log-level=error"}
	if s.Freq > 0 {
		args = append(args, "--heartbeat-freq", s.Freq.String())
	}
	c := exec.Command(integration.Binary(t), append(args, "--", os.Args[0])...)
	c.Env = append(os.Environ(), applicationVariable+"="+at)
	return c
}
