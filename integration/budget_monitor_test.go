package integration_test

import (
	"bufio"
	"context"
	"fmt"
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
	t      *testing.T
	redis  *redis.Client
	conn   net.Conn
	mark   string
	begins chan struct{}
	heard  chan *traffic
	began  time.Time
}

// listenTo hears every command of a Redis from now on.
func listenTo(t *testing.T, r *integration.Redis) *monitor {
	t.Helper()
	m := &monitor{t: t, redis: r.Client(), mark: fmt.Sprintf("mark-%d", time.Now().UnixNano()),
		begins: make(chan struct{}), heard: make(chan *traffic, 1)}
	var err error
	if m.conn, err = net.Dial("tcp", r.Addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.conn.Close() })
	if _, err = m.conn.Write([]byte("MONITOR\r\n")); err != nil {
		t.Fatal(err)
	}
	go m.hear()
	m.tell("begin")
	select {
	case <-m.begins:
	case <-time.After(soon):
		t.Fatalf("MONITOR shows nothing within %s", soon)
	}
	m.began = time.Now()
	return m
}

// stop returns what was executed since listenTo returned.
func (m *monitor) stop() *traffic {
	m.t.Helper()
	took := time.Since(m.began)
	m.tell("end")
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

// tell sends a command that the monitor knows again.
func (m *monitor) tell(word string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	if err := m.redis.Echo(ctx, m.mark+word).Err(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *monitor) hear() {
	heard := &traffic{names: make(map[string]int)}
	lines := bufio.NewReaderSize(m.conn, 1<<20)
	begun := false
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		switch {
		case strings.Contains(line, m.mark+"begin"):
			begun = true
			close(m.begins)
		case strings.Contains(line, m.mark+"end"):
			m.heard <- heard
			return
		case begun:
			heard.take(line)
		}
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
