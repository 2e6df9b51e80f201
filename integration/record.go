package integration

import (
	"context"
	"sync"
	"testing"
	"time"
)

// Sample is one answer: when it was asked for, when it came, and what it was.
type Sample[A any] struct {
	Asked, Answered time.Time
	Answer          A
}

// Recorder asks the same question again and again until Stop.
type Recorder[A any] struct {
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	samples []Sample[A]
}

// Record asks every so often, each question in turn, and ends with the test at the latest. ask may be called
// while the test's own goroutine goes on; its ctx ends with the recording.
func Record[A any](t testing.TB, every time.Duration, ask func(ctx context.Context) A) *Recorder[A] {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Recorder[A]{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			asked := time.Now()
			answer := ask(ctx)
			if ctx.Err() != nil {
				return // the answer may only say that the recording ended
			}
			r.mu.Lock()
			r.samples = append(r.samples, Sample[A]{asked, time.Now(), answer})
			r.mu.Unlock()
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { r.Stop() })
	return r
}

// Stop ends the recording and returns it. It may be called twice.
func (r *Recorder[A]) Stop() []Sample[A] {
	r.cancel()
	<-r.ended
	return r.Samples()
}

// Samples returns what was recorded until now.
func (r *Recorder[A]) Samples() []Sample[A] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.samples[:len(r.samples):len(r.samples)]
}

// Eventually waits until cond holds, asking every 10 ms, and ends the test if it does not within d.
func Eventually(t testing.TB, d time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(d); ; time.Sleep(10 * time.Millisecond) {
		if cond() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", d, what)
		}
	}
}
