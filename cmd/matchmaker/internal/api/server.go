package api

import (
	"errors"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/redismm/matchmaker/core"
)

// NewServer returns a server that lets nobody take long: for the head of a request 5 s, for the whole 10 s, for
// the answer 15 s, streams of changes excepted; 2 minutes between requests. Heads are at most 16 KiB.
func NewServer(h http.Handler, complaints *log.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          complaints,
	}
}

// Here listens where only this machine comes: at host:port of the loopback interface, or at a socket, whose path has
// a slash. The error is a [core.ErrInvalid] for any other address.
//
// A socket is for its owner and group; one that is left over from a process that died is replaced.
func Here(at string) (net.Listener, error) {
	if strings.Contains(at, "/") {
		return socket(at)
	}
	host, _, err := net.SplitHostPort(at)
	ip, _ := netip.ParseAddr(host)
	if err != nil || host != "localhost" && !ip.IsLoopback() {
		return nil, core.Invalid("address", at, "want a loopback address such as 127.0.0.1:7766, or the path of a socket")
	}
	return net.Listen("tcp", at)
}

// Anywhere listens at any host:port.
func Anywhere(at string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(at); err != nil {
		return nil, core.Invalid("address", at, "want host:port, or :port for all interfaces")
	}
	return net.Listen("tcp", at)
}

func socket(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && leftOver(path) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		l, err = net.Listen("unix", path)
	}
	if err == nil {
		if err = os.Chmod(path, 0o660); err != nil {
			l.Close()
		}
	}
	return l, err
}

// leftOver says whether a path is a socket at which nobody listens.
func leftOver(path string) bool {
	if about, err := os.Lstat(path); err != nil || about.Mode().Type() != fs.ModeSocket {
		return false
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
