package api

import "sync"

// bell wakes whoever waits for something new. The zero bell is ready, and a nil one is never rung.
type bell struct {
	mu   sync.Mutex
	next chan struct{} // closed by the next ring; nil while nobody waits
}

// wait returns what is closed by the next ring. Who looks after that misses nothing.
func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

func (b *bell) ring() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}
