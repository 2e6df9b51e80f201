package integration

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// Kill ends the server with SIGKILL, and returns when it has ended. It may be called twice.
func (r *Redis) Kill() { r.child.kill() }

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
	if !r.start() {
		r.t.Fatalf("redis-server did not come back at %s within %s; its log:\n%s", r.Addr, startTimeout, r.log())
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
	files, err := filepath.Glob(filepath.Join(r.dir, "appendonly*"))
	for _, f := range files {
		err = errors.Join(err, os.RemoveAll(f))
	}
	if err != nil {
		r.t.Fatalf("remove the data of redis-server: %v", err)
	}
}

// Pause stops the server with SIGSTOP: connections stay open and nothing answers.
func (r *Redis) Pause() { r.t.Helper(); r.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on with SIGCONT.
func (r *Redis) Resume() { r.t.Helper(); r.signal(syscall.SIGCONT) }

// FlushAll removes all data of all databases.
func (r *Redis) FlushAll() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c := r.connect()
	defer c.Close()
	if err := c.FlushAll(ctx).Err(); err != nil {
		r.t.Fatalf("FLUSHALL at %s: %v", r.Addr, err)
	}
}

func (r *Redis) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.child.signal(s); err != nil {
		r.t.Fatalf("%v of redis-server %d: %v", s, r.Pid(), err)
	}
}
