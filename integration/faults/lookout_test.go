package faults

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/integration/faults/hand"
	"github.com/redismm/matchmaker/integration/history"
)

// lookout looks at the registry from outside: who sweeps, and how many commands it is sent.
type lookout struct {
	world   *world
	servers []*redis.Client
	end     context.CancelFunc
	going   sync.WaitGroup

	mu      sync.Mutex
	leases  map[string][]lease // by topic
	stopped []stop
	heldUp  time.Time // when the machine last held a server up
}

// lease is who sweeps a topic, from when he said so.
type lease struct {
	at     time.Time
	holder string
}

// stop is when a process could not sweep any more.
type stop struct {
	at      time.Time
	process string
}

func (w *world) lookOut() *lookout {
	ctx, end := context.WithCancel(context.Background())
	l := &lookout{world: w, end: end, leases: make(map[string][]lease)}
	for _, r := range w.on.All() {
		l.servers = append(l.servers, r.Client())
	}
	w.Cleanup(func() { end(); l.going.Wait() })
	every := func(d time.Duration, do func(context.Context)) {
		l.going.Go(func() {
			tick := time.NewTicker(d)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				do(ctx)
			}
		})
	}
	c := w.on.Dial()
	ttl := make(map[string]time.Duration)
	every(w.beat.Freq/10, func(ctx context.Context) { l.lookAtLeases(ctx, c, ttl) })
	for _, topic := range w.topics {
		ways := []*redis.Client{w.kept[topic].Client()}
		if at := w.kept[topic].At(); at != w.kept[topic].Addr { // the proxies run in this process
			through := redis.NewClient(&redis.Options{Addr: at, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
			w.Cleanup(func() { through.Close() })
			ways = append(ways, through)
		}
		for _, way := range ways {
			every(w.beat.Freq/16, func(ctx context.Context) { l.minds(ctx, way) })
		}
	}
	sent := l.sent(ctx)
	every(time.Second, func(ctx context.Context) {
		now := l.sent(ctx)
		n := 0
		for server, all := range now {
			if was, known := sent[server]; known && all >= was {
				n += all - was
			}
		}
		sent = now
		w.recorder.Sent(n)
	})
	return l
}

// minds notes when the machine did not let a server run that kept a topic at the beginning, or its proxy: it answers an
// ECHO, which nobody else sends, past all proxies or through its own, but late. One that is stopped, dead or shut off is a fault that is noted anyway.
func (l *lookout) minds(ctx context.Context, server *redis.Client) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	asked, shuts := time.Now(), l.world.shuts.Load()
	err := server.Echo(ctx, "").Err()
	if err == nil && time.Since(asked) > l.world.beat.Freq/4 && shuts%2 == 0 && shuts == l.world.shuts.Load() {
		l.world.recorder.Was(history.Event{What: history.Fault, Name: hand.HeldUp}, asked, time.Now())
		l.mu.Lock()
		l.heldUp = time.Now()
		l.mu.Unlock()
	}
}

// calm is how long ago that was last.
func (l *lookout) calm() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.heldUp)
}

// lookAtLeases notes who renewed a lease since it last looked. What cannot be seen is not noted.
func (l *lookout) lookAtLeases(ctx context.Context, c redis.UniversalClient, ttl map[string]time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, l.world.beat.Freq/2)
	defer cancel()
	for _, topic := range l.world.topics {
		key := "mm:{" + topic + "}:w"
		p := c.Pipeline()
		holder, left := p.Get(ctx, key), p.PTTL(ctx, key)
		at := time.Now()
		if _, err := p.Exec(ctx); err != nil {
			continue
		}
		if was := ttl[topic]; left.Val() > was {
			l.mu.Lock()
			l.leases[topic] = append(l.leases[topic], lease{at, holder.Val()})
			l.mu.Unlock()
		}
		ttl[topic] = left.Val()
	}
}

// own are commands that clients send, and scripts do not.
var own = []string{"eval", "evalsha", "mget", "smembers", "ping", "subscribe"}

// sent returns how many of those each server has executed since it started.
func (l *lookout) sent(ctx context.Context) map[int]int {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	all := make(map[int]int)
	for i, c := range l.servers {
		text, err := c.Info(ctx, "commandstats").Result()
		if err != nil {
			continue
		}
		for _, name := range own {
			_, rest, _ := strings.Cut(text, "cmdstat_"+name+":calls=")
			digits, _, _ := strings.Cut(rest, ",")
			n, _ := strconv.Atoi(digits)
			all[i] += n
		}
	}
	return all
}

// stops notes that a process cannot sweep from now on.
func (l *lookout) stops(process string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = append(l.stopped, stop{time.Now(), process})
}

// close ends the looking, and notes when nobody swept: since the process stopped whose lease was not renewed
// after that, until another had it. The longest that is promised is four intervals: the lease lasts two, one
// sees that it has ended, and one takes it.
func (l *lookout) close(r *history.Recorder) {
	l.end()
	l.going.Wait()
	longest := 4*l.world.beat.Freq + 3*l.world.delay
	for _, s := range l.stopped {
		for topic, leases := range l.leases {
			was, until := "", s.at.Add(longest)
			for _, x := range leases {
				if x.at.Before(s.at) {
					was = x.holder
				} else if x.at.Before(until) {
					until = x.at
					if x.holder == was {
						was = ""
					}
					break
				}
			}
			if was != "" {
				r.Was(history.Event{What: history.Unswept, Name: "who swept, " + s.process + ", stopped", Topic: topic}, s.at, until)
			}
		}
	}
}
