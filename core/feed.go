package core

import (
	"context"
	"iter"
	"sync"
)

// Feed hands the newest view to any number of readers. The zero Feed is ready; all methods may be called at
// once.
type Feed struct {
	mu   sync.Mutex
	view *View
	next chan struct{} // closed by the Set that follows; nil while nobody waits
}

// Set makes v the newest view.
func (f *Feed) Set(v *View) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.view = v
	if f.next != nil {
		close(f.next)
		f.next = nil
	}
}

// Last returns the newest view and a channel that is closed when a newer one is there. The view is nil
// before the first Set.
func (f *Feed) Last() (*View, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == nil {
		f.next = make(chan struct{})
	}
	return f.view, f.next
}

// Views yields the newest view, then each newer one that the reader is fast enough to see, until ctx ends.
func (f *Feed) Views(ctx context.Context) iter.Seq[*View] {
	return func(yield func(*View) bool) {
		for ctx.Err() == nil {
			v, newer := f.Last()
			if v != nil && !yield(v) {
				return
			}
			select {
			case <-newer:
			case <-ctx.Done():
			}
		}
	}
}
