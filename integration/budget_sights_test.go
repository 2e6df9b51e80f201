package integration_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
)

// Watching says which topic to watch, and which members to note.
type Watching struct {
	Topic, Prefix string
	N             int
}

// Sighting is that a watcher's view began to show a host otherwise.
type Sighting struct {
	Host string
	What Shown
	At   int64
}

// Shown is how a view shows a host.
type Shown uint8

// How a view shows a host.
const (
	Gone Shown = iota
	Held
	Present
)

// Watch watches with every matchmaker, and returns when each has a view of N members.
func (c *Crew) Watch(w Watching, _ *int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return c.everyHand(func(_ int, h *core.HeartbeatMatchMaker) error {
		go c.follow(h, w)
		_, err := h.Live().WaitFor(ctx, w.Topic, w.N)
		return err
	})
}

// follow notes what becomes of hosts, and how few members a view has.
func (c *Crew) follow(h *core.HeartbeatMatchMaker, w Watching) {
	was := make(map[string]Shown)
	most := 0
	for v := range h.Live().Watch(context.Background(), w.Topic) {
		at := time.Now().UnixNano()
		now := make(map[string]Shown)
		from, to := among(v.Members, w.Prefix)
		for i := from; i < to; i++ {
			now[v.Members[i].Host] = Present
			if v.Members[i].Held {
				now[v.Members[i].Host] = Held
			}
		}
		var changes []Sighting
		for host, what := range now {
			if old, ok := was[host]; !ok || old != what {
				changes = append(changes, Sighting{host, what, at})
			}
		}
		for host := range was {
			if _, ok := now[host]; !ok {
				changes = append(changes, Sighting{host, Gone, at})
			}
		}
		was = now
		most = max(most, len(v.Members))
		c.note(changes, most-len(v.Members))
	}
}

// among returns where the hosts with a prefix begin and end: views are in the order of hosts.
func among(members []*core.Member, prefix string) (from, to int) {
	if prefix == "" {
		return 0, 0
	}
	from = len(members)
	for from > 0 && members[from-1].Host >= prefix {
		from--
	}
	to = from
	for to < len(members) && strings.HasPrefix(members[to].Host, prefix) {
		to++
	}
	return from, to
}

func (c *Crew) note(changes []Sighting, missing int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.picks.Missing = max(c.picks.Missing, missing)
	if len(changes) == 0 {
		return
	}
	c.noted = append(c.noted, changes...)
	if c.more != nil {
		close(c.more)
		c.more = nil
	}
}

// Await returns when n sightings are noted that nobody has asked for.
func (c *Crew) Await(n int, _ *int) error {
	late := time.After(30 * time.Second)
	for {
		c.mu.Lock()
		have := len(c.noted)
		if c.more == nil {
			c.more = make(chan struct{})
		}
		more := c.more
		c.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-more:
		case <-late:
			return fmt.Errorf("%d changes were seen within 30 s, want %d", have, n)
		}
	}
}

// Sightings returns what was noted since the last call.
func (c *Crew) Sightings(_ int, out *[]Sighting) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	*out, c.noted = c.noted, nil
	return nil
}

// Bare says which channel to listen to, and with how many connections.
type Bare struct {
	URL, Channel string
	N            int
}

// Listen subscribes without a matchmaker. What is heard is noted as the sighting of a host of that name.
func (c *Crew) Listen(b Bare, _ *int) error {
	options, err := redis.ParseURL(b.URL)
	if err != nil {
		return err
	}
	for range b.N {
		sub := redis.NewClient(options).Subscribe(context.Background(), b.Channel)
		if _, err := sub.Receive(context.Background()); err != nil {
			return err
		}
		go func() {
			for {
				m, err := sub.ReceiveMessage(context.Background())
				if err != nil {
					return
				}
				at := time.Now().UnixNano()
				host, _, _ := strings.Cut(m.Payload, " ")
				c.note([]Sighting{{host, Present, at}}, 0)
			}
		}()
	}
	return nil
}

// Pinging says to which server to send PINGs, over how many connections, and how often over each.
type Pinging struct {
	Addr  string
	N     int
	Every time.Duration
}

// Ping sends PINGs until the process ends.
func (c *Crew) Ping(p Pinging, _ *int) error {
	for range p.N {
		conn, err := net.Dial("tcp", p.Addr)
		if err != nil {
			return err
		}
		go func() {
			time.Sleep(rand.N(p.Every))
			pong := make([]byte, len("+PONG\r\n"))
			for tick := time.NewTicker(p.Every); ; <-tick.C {
				if _, err := conn.Write([]byte("PING\r\n")); err != nil {
					return
				}
				if _, err := io.ReadFull(conn, pong); err != nil {
					return
				}
			}
		}()
	}
	return nil
}
