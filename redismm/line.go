package redismm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// lines are the connections of the clients that a store made. They are cut when it is closed: go-redis would
// wait for a server that does not answer as long as its timeouts are, whatever becomes of the context.
//
// Where sentinels say which server is meant, all lines lead to that: once a dial comes to another, the lines
// to the one before are cut. What is still answered there may be old, and who listens there hears nothing.
type lines struct {
	dial dial
	one  bool // server at a time
	// aside are lines that are cut with these, or nil.
	aside *lines

	mu   sync.Mutex
	open map[*line]struct{} // nil once they are cut
	to   string             // where the last was dialled
}

type dial = func(ctx context.Context, network, addr string) (net.Conn, error)

func newLines(dial dial, one bool) *lines {
	return &lines{dial: dial, one: one, open: make(map[*line]struct{})}
}

const dialTimeout = 5 * time.Second

// dialer dials as go-redis does by itself, and ends with the context over TLS too.
func dialer(timeout time.Duration, secure *tls.Config) dial {
	if timeout == 0 {
		timeout = dialTimeout
	}
	plain := &net.Dialer{Timeout: timeout, KeepAlive: 5 * time.Minute}
	if secure != nil {
		both := &tls.Dialer{NetDialer: plain, Config: secure}
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := both.DialContext(ctx, network, addr)
			if op := (*net.OpError)(nil); err != nil && !(errors.As(err, &op) && op.Op == "dial") {
				return nil, fmt.Errorf("TLS handshake: %w", err)
			}
			return conn, err
		}
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
	if to := conn.RemoteAddr(); to != nil && l.one {
		if l.to != "" && l.to != to.String() {
			l.cutOpen()
		}
		l.to = to.String()
	}
	l.open[opened] = struct{}{}
	if raw, ok := conn.(syscall.Conn); ok {
		return &rawLine{opened, raw}, nil
	}
	return opened, nil
}

// leadTo is the address of the one server to which all lines lead, "" where they need not, or none does yet.
func (l *lines) leadTo() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to
}

// cut closes every line, and those that are opened from now on.
func (l *lines) cut() {
	if l.aside != nil {
		l.aside.cut()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cutOpen()
	l.open = nil
}

// cutOpen closes every line. The caller holds mu.
func (l *lines) cutOpen() {
	for opened := range l.open {
		opened.Conn.Close()
		delete(l.open, opened)
	}
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
