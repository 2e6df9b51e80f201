package bench

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/integration/bench/figures"
)

// soon bounds whatever is done once.
const soon = 5 * time.Minute

// spent is the CPU time that somebody took until now, in seconds.
type spent func() float64

// nobody took any that is counted.
func nobody() float64 { return 0 }

// self is what this process took.
func self() float64 {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

// spentBy is what a redis-server took, as it says itself.
func spentBy(t testing.TB, c *redis.Client) spent {
	return func() float64 {
		t.Helper()
		said := info(t, c, "cpu")
		return said["used_cpu_user"] + said["used_cpu_sys"]
	}
}

// info is the figures of some sections of INFO.
func info(t testing.TB, c *redis.Client, sections ...string) map[string]float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	text, err := c.Info(ctx, sections...).Result()
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string]float64)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			said[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return said
}

// series is what each round took, in seconds: by the clock, of a server's CPU and of this process's.
type series struct{ took, server, client figures.Sample }

// work is something to measure.
type work struct {
	do     func()
	before func() // not measured; nil for nothing
	server spent
}

// interleaved does all works in turns: each once unmeasured, then n times. What is collected as garbage is collected
// before each, at nobody's cost.
func interleaved(n int, works ...work) []series {
	all := make([]series, len(works))
	for round := range n + 1 {
		for i, w := range works {
			if w.before != nil {
				w.before()
			}
			if w.server == nil {
				w.server = nobody
			}
			runtime.GC()
			server, client, began := w.server(), self(), time.Now()
			w.do()
			took := time.Since(began).Seconds()
			client, server = self()-client, w.server()-server
			if round > 0 {
				all[i].took = append(all[i].took, took)
				all[i].server, all[i].client = append(all[i].server, server), append(all[i].client, client)
			}
		}
	}
	return all
}

// quick are the options of a redis-server that keeps nothing on disk.
const quick = "appendonly no"

// server is a redis-server, what it took, and a client of one connection.
type server struct {
	*integration.Redis
	client *redis.Client
	spent  spent
}

func start(t testing.TB, options ...string) *server {
	t.Helper()
	r := integration.StartRedis(t, append([]string{quick}, options...)...)
	c := r.Client()
	return &server{r, c, spentBy(t, c)}
}

// must ends the benchmark on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
