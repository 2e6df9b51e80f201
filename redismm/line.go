package redismm

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// lines are the connections of the clients that a store made. They are cut when it is closed: go-redis would
// wait for a server that does not answer as long as its timeouts are, whatever becomes of the context.
type lines struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu   sync.Mutex
	open map[*line]struct{} // nil once they are cut
}

func newLines(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *lines {
	return &lines{dial: dial, open: make(map[*line]struct{})}
}

const dialTimeout = 5 * time.Second

// dialer dials as go-redis does by itself, and ends with the context over TLS too.
func dialer(options *redis.Options) func(ctx context.Context, network, addr string) (net.Conn, error) {
	timeout := options.DialTimeout
	if timeout == 0 {
		timeout = dialTimeout
	}
	plain := &net.Dialer{Timeout: timeout, KeepAlive: 5 * time.Minute}
	if options.TLSConfig != nil {
		return (&tls.Dialer{NetDialer: plain, Config: options.TLSConfig}).DialContext
	}
	return plain.DialContext
}

// Dial opens a line; it is the Dialer of a client.
func (l *lines) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := l.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	opened := &line{Conn: conn, of: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		conn.Close()
		return nil, net.ErrClosed
	}
	l.open[opened] = struct{}{}
	if raw, ok := conn.(syscall.Conn); ok {
		return &rawLine{opened, raw}, nil
	}
	return opened, nil
}

// cut closes every line, and those that are opened from now on.
func (l *lines) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for opened := range l.open {
		opened.Conn.Close()
	}
	l.open = nil
}

type line struct {
	net.Conn
	of *lines
}

func (c *line) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	if err := c.Conn.Close(); !errors.Is(err, net.ErrClosed) { // it may have been cut
		return err
	}
	return nil
}

// rawLine lets go-redis look whether the other side has closed it.
type rawLine struct {
	*line
	raw syscall.Conn
}

func (c *rawLine) SyscallConn() (syscall.RawConn, error) { return c.raw.SyscallConn() }
