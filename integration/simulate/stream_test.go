package simulate

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// stream is one direction of a connection. Whoever writes never waits, as on a socket with a large buffer.
type stream struct {
	news chan struct{} // something below has changed

	mu     sync.Mutex
	data   []byte
	frozen int   // by how many
	after  bool  // it freezes once something was read
	ended  error // once the data is read
	broken error // at once
	until  time.Time
}

func newStream() *stream { return &stream{news: make(chan struct{}, 1)} }

// change changes the stream and wakes who reads.
func (s *stream) change(f func()) {
	s.mu.Lock()
	f()
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (s *stream) write(b []byte) (err error) {
	s.change(func() {
		if err = errors.Join(s.broken, s.ended); err == nil {
			s.data = append(s.data, b...)
		}
	})
	return err
}

func (s *stream) read(b []byte) (int, error) {
	for {
		s.mu.Lock()
		n, err := s.take(b)
		until := s.until
		s.mu.Unlock()
		if n > 0 || err != nil {
			return n, err
		}
		if !s.wait(until) {
			return 0, os.ErrDeadlineExceeded
		}
	}
}

// take returns what can be read now. The caller holds mu.
func (s *stream) take(b []byte) (int, error) {
	switch {
	case s.broken != nil:
		return 0, s.broken
	case s.frozen > 0:
		return 0, nil
	case len(s.data) == 0:
		return 0, s.ended
	}
	n := copy(b, s.data)
	if s.data = s.data[n:]; len(s.data) == 0 {
		s.data = nil
	}
	if s.after {
		s.after, s.frozen = false, s.frozen+1
	}
	return n, nil
}

// wait returns true when something has changed, and false at until.
func (s *stream) wait(until time.Time) bool {
	if until.IsZero() {
		<-s.news
		return true
	}
	left := time.Until(until)
	if left <= 0 {
		return false
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-s.news:
		return true
	case <-timer.C:
		return false
	}
}

// end is one end of a connection.
type end struct {
	in, out *stream
	closed  func()
	sends   func([]byte)
}

func (e *end) Read(b []byte) (int, error) { return e.in.read(b) }

func (e *end) Write(b []byte) (int, error) {
	if e.sends != nil {
		e.sends(b)
	}
	if err := e.out.write(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (e *end) Close() error {
	e.out.change(func() { e.out.ended = io.EOF })
	e.in.change(func() { e.in.broken = net.ErrClosed })
	if e.closed != nil {
		e.closed()
	}
	return nil
}

func (e *end) LocalAddr() net.Addr               { return &net.UnixAddr{Name: "simulated", Net: "unix"} }
func (e *end) RemoteAddr() net.Addr              { return &net.UnixAddr{Name: "simulated", Net: "unix"} }
func (e *end) SetWriteDeadline(time.Time) error  { return nil }
func (e *end) SetDeadline(t time.Time) error     { return e.SetReadDeadline(t) }
func (e *end) SetReadDeadline(t time.Time) error { e.in.change(func() { e.in.until = t }); return nil }

func (s *stream) freeze() { s.change(func() { s.frozen++ }) }

func (s *stream) thaw() {
	s.change(func() {
		if s.after {
			s.after = false
		} else {
			s.frozen = max(0, s.frozen-1)
		}
	})
}
