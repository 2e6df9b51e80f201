package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// Kill ends the server with SIGKILL, and a child of it that rewrites its files, and returns when it has ended. It may be
// called twice.
func (r *Redis) Kill() { r.child.killAll() }

// Stop ends the server with SIGTERM, and returns when it has ended.
func (r *Redis) Stop() {
	r.t.Helper()
	r.signal(syscall.SIGTERM)
	if !r.child.endsWithin(startTimeout) {
		r.t.Fatalf("redis-server %d did not end within %s of SIGTERM", r.Pid(), startTimeout)
	}
}

// Restart kills the server if it runs, and starts it at the same address with its data.
func (r *Redis) Restart() {
	r.t.Helper()
	r.Kill()
	if err := r.start(); err != nil {
		r.t.Fatalf("restart: %v", err)
	}
}

// RestartEmpty kills the server if it runs, and starts it at the same address without data.
func (r *Redis) RestartEmpty() {
	r.t.Helper()
	r.Kill()
	r.Forget()
	r.Restart()
}

// Forget removes the data of a server that was killed or stopped.
func (r *Redis) Forget() {
	r.t.Helper()
	var err error
	for _, pattern := range []string{"appendonly*", "*.rdb"} {
		files, gerr := filepath.Glob(r.file(pattern))
		err = errors.Join(err, gerr)
		for _, f := range files {
			err = errors.Join(err, os.RemoveAll(f))
		}
	}
	if err != nil {
		r.t.Fatalf("remove the data of redis-server: %v", err)
	}
}

// Pause stops the server with SIGSTOP: connections stay open and nothing answers.
func (r *Redis) Pause() {
	r.t.Helper()
	r.signal(syscall.SIGSTOP)
	Eventually(r.t, startTimeout, fmt.Sprintf("redis-server %d is stopped", r.Pid()), func() bool {
		return r.answers(20*time.Millisecond) != nil
	})
}

// Resume lets a paused server go on with SIGCONT, and returns when it answers.
func (r *Redis) Resume() {
	r.t.Helper()
	r.signal(syscall.SIGCONT)
	if err := r.answers(startTimeout); err != nil {
		r.t.Fatalf("redis-server %d does not answer after SIGCONT: %v", r.Pid(), err)
	}
}

// FlushAll removes all data of all databases.
func (r *Redis) FlushAll() {
	r.t.Helper()
	r.tell("FLUSHALL", func(ctx context.Context, c *redis.Client) error {
		var left *redis.IntCmd
		_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.FlushAll(ctx)
			left = p.DBSize(ctx)
			return nil
		})
		if err == nil && left.Val() != 0 {
			err = errors.New("keys are left")
		}
		return err
	})
}

func (r *Redis) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.child.signal(s); err != nil {
		r.t.Fatalf("%v of redis-server %d: %v", s, r.Pid(), err)
	}
}
