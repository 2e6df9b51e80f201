package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stopping returns a context that ends with ctx and at the first SIGTERM, SIGINT or SIGHUP, and a channel that is
// closed by a SIGINT after that. A SIGHUP that is ignored, as nohup does, stays so. Call release when both are done with.
func stopping(ctx context.Context) (stopped context.Context, forced <-chan struct{}, release func()) {
	stopped, stop := context.WithCancel(ctx)
	force, released := make(chan struct{}), make(chan struct{})
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		for {
			select {
			case s := <-signals:
				if stopped.Err() != nil && s == syscall.SIGINT {
					close(force)
					return
				}
				stop()
			case <-released:
				return
			}
		}
	}()
	return stopped, force, func() {
		signal.Stop(signals)
		close(released)
		stop()
	}
}

// exitInterrupted is the exit code of a command that a SIGINT ended.
const exitInterrupted = 128 + int(syscall.SIGINT)
