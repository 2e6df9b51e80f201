package coretest

import (
	"context"
	"iter"
	"runtime"
	"time"

	"github.com/redismm/matchmaker/core"
)

// Nowhere is a registry that never heard of any topic, and remembers none that it was asked for.
type Nowhere struct{ *Memory }

// Members returns a view of nobody.
func (Nowhere) Members(_ context.Context, topic string) (*core.View, error) {
	return &core.View{Topic: topic, AsOf: time.Now()}, nil
}

// Watch yields a view of nobody, once.
func (n Nowhere) Watch(ctx context.Context, topic string) iter.Seq[*core.View] {
	return func(yield func(*core.View) bool) {
		if v, _ := n.Members(ctx, topic); yield(v) {
			<-ctx.Done()
		}
	}
}

// InUse is how many bytes are in use, on the heap and the stacks of goroutines, of what is not garbage.
func InUse() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc + s.StackInuse
}
