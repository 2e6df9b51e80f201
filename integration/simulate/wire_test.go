package simulate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
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

// link is a connection of a process to the registry.
type link struct {
	of         *wire
	client     *end
	up, down   *stream
	subscribes atomic.Bool
}

// freeze stops what is on its way, in both directions; it arrives when it goes on.
func (l *link) freeze() {
	l.up.freeze()
	l.down.freeze()
}

func (l *link) thaw() {
	l.up.thaw()
	l.down.thaw()
}

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

// reset breaks it, and what was on its way is lost.
func (l *link) reset() {
	for _, s := range []*stream{l.up, l.down} {
		s.change(func() { s.broken, s.data = syscall.ECONNRESET, nil })
	}
}

// network is how processes reach the registry.
type network struct {
	mini   *miniredis.Miniredis
	sent   atomic.Int64 // commands
	turned atomic.Int64 // away, at the door

	mu      sync.Mutex
	links   []*link
	sweeps  map[string]*wire  // who renewed the lease of a topic last
	swept   map[string]func() // to be told when somebody does again
	refuses bool
	stalls  bool // it accepts connections, and does nothing more
}

// wire is how one process does.
type wire struct {
	net *network
	cut atomic.Bool // no new connections
}

// Dial opens a connection; it is the Dialer of a client.
func (w *wire) Dial(context.Context, string, string) (net.Conn, error) {
	n := w.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refuses || w.cut.Load() {
		n.turned.Add(1)
		return nil, syscall.ECONNREFUSED
	}
	l := &link{of: w, up: newStream(), down: newStream()}
	l.up.after = n.stalls
	l.client = &end{in: l.down, out: l.up, sends: l.sends}
	n.links = append(n.links, l)
	n.mini.Server().ServeConn(&end{in: l.up, out: l.down, closed: func() { n.forget(l) }})
	return l.client, nil
}

func (n *network) forget(l *link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links = slices.DeleteFunc(n.links, func(o *link) bool { return o == l })
}

var (
	nextCommand = []byte("\r\n*")
	subscribe   = []byte("subscribe")
	lease       = []byte("}:w\r\n")
	renew       = []byte("$7\r\npexpire\r\n")
	obtain      = []byte("$3\r\nset\r\n")
)

// sends counts commands, and notes who subscribes, and who sweeps.
func (l *link) sends(b []byte) {
	count := bytes.Count(b, nextCommand)
	if len(b) > 0 && b[0] == '*' {
		count++
	}
	l.of.net.sent.Add(int64(count))
	if !l.subscribes.Load() && bytes.Contains(b[:min(len(b), 40)], subscribe) {
		l.subscribes.Store(true)
	}
	if before, _, found := bytes.Cut(b, lease); found && (bytes.Contains(before, renew) || bytes.Contains(before, obtain)) {
		_, topic, _ := bytes.Cut(before, []byte("mm:{"))
		l.of.net.sweep(string(topic), l.of)
	}
}

// sweep notes that a process sweeps a topic.
func (n *network) sweep(topic string, w *wire) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sweeps[topic] = w
	if swept := n.swept[topic]; swept != nil {
		delete(n.swept, topic)
		swept()
	}
}

// leaderless calls f for each topic that a process sweeps, which it does no longer. What f returns is called
// when somebody does again.
func (n *network) leaderless(w *wire, f func(topic string) (swept func())) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for topic, by := range n.sweeps {
		if by == w {
			delete(n.sweeps, topic)
			n.swept[topic] = f(topic)
		}
	}
}

// those returns the open connections that are wanted.
func (n *network) those(wanted func(*link) bool) []*link {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []*link
	for _, l := range n.links {
		if wanted(l) {
			found = append(found, l)
		}
	}
	return found
}

func everyLink(*link) bool        { return true }
func subscription(l *link) bool   { return l.subscribes.Load() }
func (w *wire) owns(l *link) bool { return l.of == w }

// refuse turns new connections away, or does no longer.
func (n *network) refuse(yes bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuses = yes
}

// stall stops the registry: it accepts connections and does nothing more. It returns how many it stopped.
func (n *network) stall() int {
	n.mu.Lock()
	n.stalls = true
	n.mu.Unlock()
	all := n.those(everyLink)
	for _, l := range all {
		l.up.freeze()
	}
	return len(all)
}

// goOn lets it do what it was asked meanwhile.
func (n *network) goOn() {
	n.mu.Lock()
	n.stalls = false
	n.mu.Unlock()
	for _, l := range n.those(everyLink) {
		l.up.thaw()
	}
}

// die closes every connection of a process for ever, as the kernel does for one that was killed.
func (w *wire) die() {
	w.cut.Store(true)
	for _, l := range w.net.those(w.owns) {
		l.client.Close()
	}
}
