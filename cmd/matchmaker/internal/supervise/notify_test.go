package supervise

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// systemd is a socket that services are told to notify.
func systemd(t *testing.T) (path string, next func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return path, func() string {
		t.Helper()
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		message := make([]byte, 4096)
		n, err := conn.Read(message)
		if err != nil {
			t.Fatal("nobody tells: ", err)
		}
		return string(message[:n])
	}
}

func TestSystemdIsTold(t *testing.T) {
	t.Parallel()
	path, next := systemd(t)
	n, rest := NotifierOf([]string{"A=b", "NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=20000", "WATCHDOG_PID=" + strconv.Itoa(os.Getpid()), "C=d=e"})
	if want := []string{"A=b", "C=d=e"}; !slices.Equal(rest, want) {
		t.Errorf("what is left of the environment is %q, want %q", rest, want)
	}
	n.Tell("READY=1", "STATUS=works")
	if got := next(); got != "READY=1\nSTATUS=works" {
		t.Errorf("told %q", got)
	}
	ctx, stop := context.WithCancel(t.Context())
	lived, ended := make(chan struct{}, 100), make(chan struct{})
	go func() { defer close(ended); n.KeepAlive(ctx, func() { lived <- struct{}{} }) }()
	for range 3 {
		if got := next(); got != "WATCHDOG=1" {
			t.Errorf("told %q", got)
		}
		<-lived
	}
	stop()
	<-ended
}

func TestWhoIsNotAskedTellsNothing(t *testing.T) {
	t.Parallel()
	for _, environ := range [][]string{nil, {"NOTIFY_SOCKET="}, {"WATCHDOG_USEC=1000"}, {"NOTIFY_SOCKET=/no/such/socket"},
		{"NOTIFY_SOCKET=/no/such/socket", "WATCHDOG_USEC=1000", "WATCHDOG_PID=1"}, {"NOTIFY_SOCKET=/no/such/socket", "WATCHDOG_USEC=soon"}} {
		n, _ := NotifierOf(environ)
		n.Tell("READY=1")
		n.KeepAlive(t.Context(), func() { t.Errorf("%s: asked whether it lives", strings.Join(environ, " ")) })
	}
}
