package supervise

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Notifier tells systemd how this process is, as sd_notify(3) does. The zero Notifier tells nobody.
type Notifier struct {
	socket string
	alive  time.Duration // the longest silence that systemd puts up with; 0 is any
}

// notified are the variables by which systemd says where to tell it, and how often.
var notified = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}

// NotifierOf returns who is to be told by the environment, and the environment without it: a command that is
// supervised does not speak for its supervisor.
func NotifierOf(environ []string) (n Notifier, rest []string) {
	of := make(map[string]string)
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		for _, v := range notified {
			if name == v {
				of[v] = value
			}
		}
		if _, ours := of[name]; !ours {
			rest = append(rest, e)
		}
	}
	n.socket = of["NOTIFY_SOCKET"]
	micros, err := strconv.ParseInt(of["WATCHDOG_USEC"], 10, 64)
	if pid := of["WATCHDOG_PID"]; err == nil && micros > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.alive = time.Duration(micros) * time.Microsecond
	}
	return n, rest
}

// Tell sends assignments such as READY=1 in one message. Whoever does not listen misses it.
func (n Notifier) Tell(lines ...string) {
	if n.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write([]byte(strings.Join(lines, "\n")))
}

// KeepAlive tells systemd twice in each of its intervals that this process is alive, until ctx ends: each time after
// lives has returned, so that a process which hangs is silent. It returns at once if nobody asked for that.
func (n Notifier) KeepAlive(ctx context.Context, lives func()) {
	if n.socket == "" || n.alive == 0 {
		return
	}
	tick := time.NewTicker(n.alive / 2)
	defer tick.Stop()
	for {
		lives()
		n.Tell("WATCHDOG=1")
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
