package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/grpcmm"
	"github.com/redismm/matchmaker/httpmm"
	"github.com/redismm/matchmaker/redismm"
)

// A server is a process of its own: this binary again, which serves what its variable says until SIGTERM, as a
// program of a user does.
const serverVariable = "INTEGRATION_SERVER"

func init() {
	if os.Getenv(serverVariable) == "" {
		return
	}
	logging.Disable() // an outage is no news here
	if err := serveUntilSignal(os.Getenv(serverVariable)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serving says what a server is.
type serving struct {
	URL, Topic, Host string
	HTTP             bool
	Supervised       bool // by the command run; it is HTTP then
	Freq             time.Duration
	Farewell         core.Farewell
}

func serveUntilSignal(text string) error {
	var s serving
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	mm, err := redismm.Open(ctx, s.URL, redismm.Config{HeartbeatConfig: core.HeartbeatConfig{Freq: s.Freq}})
	if err != nil {
		return err
	}
	defer mm.Close()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	service := s.service(lis)
	service.Farewell = s.Farewell
	fmt.Println("serving")
	return mm.Serve(ctx, service, core.Registration{Topic: s.Topic, Host: s.Host, Addr: lis.Addr().String()})
}

// work is how long a request takes, so that some are always in flight.
const work = 5 * time.Millisecond

func (s serving) service(lis net.Listener) core.Service {
	if s.HTTP {
		return httpmm.Service(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			time.Sleep(work)
		})}, lis)
	}
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, healthy{})
	return grpcmm.Service(server, lis)
}

type healthy struct {
	healthpb.UnimplementedHealthServer
}

func (healthy) Check(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	time.Sleep(work)
	return new(healthpb.HealthCheckResponse), nil
}

// command starts a server.
func (s serving) command(t *testing.T) *exec.Cmd {
	t.Helper()
	if s.Supervised {
		return s.supervised(t)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), serverVariable+"="+string(text))
	return c
}

// server is such a process.
type server struct {
	t     *testing.T
	is    serving
	cmd   *exec.Cmd
	ended chan error
}

// startServer starts a server, and returns when it serves. It is killed with the test.
func startServer(t *testing.T, is serving) *server {
	t.Helper()
	s := &server{t: t, is: is, cmd: is.command(t), ended: make(chan error, 1)}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	go func() { s.ended <- s.cmd.Wait() }()
	t.Cleanup(s.kill)
	if err != nil || strings.TrimSpace(said) != "serving" {
		t.Fatalf("the server of %s says %q, %v", is.Host, said, err)
	}
	return s
}

// kill ends the process with SIGKILL, and whom it supervises. It may be called after its end.
func (s *server) kill() {
	select {
	case err := <-s.ended: // its number may be another's by now
		s.ended <- err
		return
	default:
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	s.ended <- <-s.ended
}

// stop ends the process with SIGTERM, and returns when it has ended as it should.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-s.ended:
		s.ended <- err
		if err != nil {
			s.t.Errorf("the server of %s ended with %v", s.is.Host, err)
		}
	case <-time.After(time.Minute):
		s.t.Fatalf("the server of %s has not ended a minute after SIGTERM", s.is.Host)
	}
}

// startServers starts servers at once.
func startServers(t *testing.T, all []serving) []*server {
	t.Helper()
	servers := make([]*server, len(all))
	var starting sync.WaitGroup
	for i, is := range all {
		starting.Go(func() { servers[i] = startServer(t, is) })
	}
	starting.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return servers
}
