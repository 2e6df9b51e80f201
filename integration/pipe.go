package integration

import (
	"net"
	"slices"
	"sync"
)

// buffered is a pipe that is written to without waiting.
type buffered struct {
	net.Conn
	queue chan []byte
	ended chan struct{}
	end   func()
}

// Buffer wraps what the Dial of a miniredis returns, so that it is written to without waiting, as a socket
// is: go-redis holds a mutex while it writes to a subscription, and reads nothing meanwhile.
func Buffer(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	b := &buffered{Conn: conn, queue: make(chan []byte, 1024), ended: make(chan struct{})}
	b.end = sync.OnceFunc(func() { close(b.ended) })
	go b.pass()
	return b, nil
}

func (b *buffered) pass() {
	for {
		select {
		case text := <-b.queue:
			if _, err := b.Conn.Write(text); err != nil {
				return
			}
		case <-b.ended:
			return
		}
	}
}

func (b *buffered) Write(text []byte) (int, error) {
	select {
	case b.queue <- slices.Clone(text):
		return len(text), nil
	case <-b.ended:
		return 0, net.ErrClosed
	}
}

func (b *buffered) Close() error {
	b.end()
	return b.Conn.Close()
}
