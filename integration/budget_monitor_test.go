package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// traffic is what a Redis executed between two moments, as its MONITOR shows it. MONITOR leaves out HELLO,
// AUTH and what administers.
type traffic struct {
	sent   []int64        // when clients sent a command, by Redis's clock, in microseconds
	inside []int64        // when a script called one
	names  map[string]int // of what clients sent
	lease  int            // attempts at a sweeper's lease
	took   time.Duration
}

// monitor is a connection that hears every command.
type monitor struct {
	t     *testing.T
	redis *redis.Client
	conn  net.Conn
	mark  string // of the last command
	heard chan *traffic
	began time.Time
}

// listenTo hears every command of a Redis from now on.
func listenTo(t *testing.T, r *integration.Redis) *monitor {
	t.Helper()
	return listenFrom(t, r, func() {})
}

// listenFrom hears every command of a Redis from the moment that it answers, which do brings about.
func listenFrom(t *testing.T, r *integration.Redis, do func()) *monitor {
	t.Helper()
	m := &monitor{t: t, redis: r.Client(), mark: fmt.Sprintf("mark-%d", time.Now().UnixNano()), heard: make(chan *traffic, 1)}
	opened := make(chan net.Conn, 1)
	go func() { opened <- openMonitor(r.Addr) }()
	do()
	if m.conn = <-opened; m.conn == nil {
		t.Fatalf("MONITOR is not answered at %s within %s", r.Addr, soon)
	}
	t.Cleanup(func() { m.conn.Close() })
	m.began = time.Now()
	go m.hear()
	return m
}

// openMonitor tries until MONITOR is answered, and returns nil if it is not soon.
func openMonitor(addr string) net.Conn {
	for end := time.Now().Add(soon); time.Now().Before(end); time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			continue
		}
		ok := make([]byte, len("+OK\r\n"))
		if _, err = conn.Write([]byte("MONITOR\r\n")); err == nil {
			_, err = io.ReadFull(conn, ok)
		}
		if err == nil && string(ok) == "+OK\r\n" {
			return conn
		}
		conn.Close()
	}
	return nil
}

// stop returns what was executed since listenTo returned.
func (m *monitor) stop() *traffic {
	m.t.Helper()
	took := time.Since(m.began)
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	if err := m.redis.Echo(ctx, m.mark).Err(); err != nil {
		m.t.Fatal(err)
	}
	select {
	case heard := <-m.heard:
		m.conn.Close()
		heard.took = took
		return heard
	case <-time.After(time.Minute):
		m.t.Fatal("MONITOR does not come to the end")
		return nil
	}
}

func (m *monitor) hear() {
	heard := &traffic{names: make(map[string]int)}
	lines := bufio.NewReaderSize(m.conn, 1<<20)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if strings.Contains(line, m.mark) {
			m.heard <- heard
			return
		}
		heard.take(line)
	}
}

// take reads a line such as: +1700000000.123456 [0 127.0.0.1:4000] "get" "key"
func (h *traffic) take(line string) {
	stamp, rest, ok := strings.Cut(strings.TrimPrefix(line, "+"), " [")
	from, command, ok2 := strings.Cut(rest, `] "`)
	at, err := strconv.ParseInt(strings.Replace(stamp, ".", "", 1), 10, 64)
	if !ok || !ok2 || err != nil {
		return
	}
	if strings.HasSuffix(from, " lua") {
		h.inside = append(h.inside, at)
		return
	}
	h.sent = append(h.sent, at)
	name, rest, _ := strings.Cut(command, `"`)
	h.names[strings.ToLower(name)]++
	if key, _, _ := strings.Cut(strings.TrimPrefix(rest, ` "`), `"`); name == "get" && strings.HasSuffix(key, "}:w") {
		h.lease++
	}
}

// rate is commands in a second.
func rate(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

// worst returns the most that was in any one second.
func worst(at []int64) int {
	slices.Sort(at) // scripts and clients are stamped apart
	most, from := 0, 0
	for i, x := range at {
		for at[from] <= x-time.Second.Microseconds() {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// String is how often each command was sent in a second, the most frequent first.
func (h *traffic) String() string {
	names := slices.SortedFunc(maps.Keys(h.names), func(a, b string) int { return h.names[b] - h.names[a] })
	var said []string
	for _, n := range names[:min(len(names), 9)] {
		said = append(said, fmt.Sprintf("%s %.1f", n, rate(h.names[n], h.took)))
	}
	return strings.Join(said, ", ")
}

// spent is what Redis says of itself.
type spent struct {
	commands, cpu float64 // executed, scripts' own included; seconds
	at            time.Time
}

func spentBy(t *testing.T, c *redis.Client) spent {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	text, err := c.Info(ctx, "stats", "cpu").Result()
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string]float64)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			said[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return spent{said["total_commands_processed"], said["used_cpu_sys"] + said["used_cpu_user"], time.Now()}
}

// since returns commands in a second, and the share of a core, in percent.
func (s spent) since(before spent) (commands, cpu float64) {
	d := s.at.Sub(before.at).Seconds()
	return (s.commands - before.commands) / d, 100 * (s.cpu - before.cpu) / d
}

// settle waits until a topic of n members is at rest: connections are made, and what registered last is not
// followed by whole tellings any more, of which each batch sends one after every change.
func settle(t *testing.T, r *integration.Redis, n int, beat core.HeartbeatConfig) {
	t.Helper()
	time.Sleep(2 * beat.Freq)
	for range 10 {
		heard := listenTo(t, r)
		time.Sleep(beat.Freq)
		if sent := heard.stop(); sent.names["sadd"] <= n/20 {
			return
		}
	}
	t.Fatalf("more than %d of %d members tell all in each of 10 intervals: the topic is not at rest", n/20, n)
}
