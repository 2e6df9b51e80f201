package integration

import (
	_ "embed"
	"encoding/binary"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

//go:embed testdata/clock.c
var clockSource []byte

// Clock is the wall clock of a redis-server that [StartStill] started. By it keys lapse, and scripts tell the time;
// what the server does by itself many times a second goes by another clock, and goes on.
type Clock struct {
	t    testing.TB
	file *os.File // which the server has mapped
}

// StartStill starts a server as [StartRedis] does, for which it is the time at, and stays that until the clock is
// set. It takes Linux, a redis-server that is linked dynamically and a C compiler; without the test is skipped, or
// fails where the variable CI is true.
func StartStill(t testing.TB, at time.Time, options ...string) (*Redis, *Clock) {
	t.Helper()
	r := newServer(t, options)
	if runtime.GOOS != "linux" {
		t.Skip("the clock of a redis-server is replaced on Linux alone")
	}
	cc := program(t, "cc", "a C compiler is not installed: `make setup` installs one, or sudo apt-get install gcc libc6-dev")
	source, library := r.file("clock.c"), r.file("clock.so")
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("compile the clock: %v: %s", err, out)
	}
	c := newClock(t, r.file("clock"))
	c.Set(at)
	r.run = append([]string{"env", "WALL_CLOCK=" + c.file.Name(), "LD_PRELOAD=" + library}, r.run...)
	if err := r.launch(); err != nil {
		t.Fatal(err)
	}
	if now := r.Client().Time(t.Context()).Val(); !now.Equal(at) {
		t.Fatalf("it is %s for the server, want %s: its clock was not replaced", now, at)
	}
	return r, c
}

func newClock(t testing.TB, name string) *Clock {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return &Clock{t, file}
}

// Set sets the clock to a time, later or earlier, of which it knows the microseconds.
func (c *Clock) Set(at time.Time) {
	c.t.Helper()
	now := binary.NativeEndian.AppendUint64(nil, uint64(at.UnixMicro()))
	if _, err := c.file.WriteAt(now, 0); err != nil {
		c.t.Fatal(err)
	}
}
