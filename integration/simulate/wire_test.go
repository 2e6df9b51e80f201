package simulate

import (
	"bytes"
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/alicebob/miniredis/v2"
)

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
