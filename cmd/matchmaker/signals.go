package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stopping returns a context that ends with ctx and at the first SIGTERM, SIGINT or SIGHUP, and one that ends at a
// SIGINT after that. A SIGHUP that is ignored, as nohup does, stays so. Call release when both are done with.
func stopping(ctx context.Context) (stopped, forced context.Context, release func()) {
	stopped, stop := context.WithCancel(ctx)
	forced, force := context.WithCancel(context.WithoutCancel(ctx))
	released := make(chan struct{})
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
					force()
					return
				}
				stop()
			case <-released:
				return
			}
		}
	}()
	return stopped, forced, func() {
		signal.Stop(signals)
		close(released)
		stop()
		force()
	}
}

// exitInterrupted is the exit code of a command that a SIGINT ended.
const exitInterrupted = 128 + int(syscall.SIGINT)
