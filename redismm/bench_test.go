package redismm

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// benchStore opens a store under a prefix of its own at MATCHMAKER_BENCH_REDIS_URL, or at a redis-server that
// is started without writing to disk.
func benchStore(b *testing.B, c core.HeartbeatConfig) *Store {
	b.Helper()
	url := os.Getenv("MATCHMAKER_BENCH_REDIS_URL")
	if url == "" {
		url = integration.StartRedis(b, "appendonly no").URL
	}
	s, err := OpenStore(url, Config{HeartbeatConfig: c, Prefix: "bench-" + strings.ToLower(newNonce()[:10])})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		keys := s.read.Scan(context.Background(), 0, s.keys.prefix+":*", 1000).Iterator()
		pipe := s.read.Pipeline()
		for keys.Next(context.Background()) {
			if pipe.Unlink(context.Background(), keys.Val()); pipe.Len() == 1000 {
				pipe.Exec(context.Background())
			}
		}
		pipe.Exec(context.Background())
		s.Close()
	})
	return s
}

// whole is a backend whose beats can be made to tell everything.
type whole struct {
	*Store
	always bool
}

func (w *whole) AckAlive(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error) {
	if w.always {
		for _, c := range claims {
			memoOf(c).acked = nil
		}
	}
	return w.Store.AckAlive(ctx, ttl, claims)
}

// BenchmarkRound is a round of heartbeats for 100,000 registrations in topics of 1,000, beside what nobody
// could do faster: a PEXPIRE of each key, in pipelines of 512. Medians of five each, in turns.
func BenchmarkRound(b *testing.B) {
	const topics, hosts, turns = 100, 1000, 5
	backend := &whole{Store: benchStore(b, core.HeartbeatConfig{Freq: time.Minute})}
	h, err := core.NewHeartbeat(backend, backend.config.HeartbeatConfig)
	if err != nil {
		b.Fatal(err)
	}
	var all []core.Registration
	var keys []string
	for t := range topics {
		for n := range hosts {
			r := core.Registration{Topic: fmt.Sprintf("topic%d", t), Host: fmt.Sprintf("node%d", n), Addr: "10.0.0.1:8080", Zone: "a"}
			all = append(all, r)
			keys = append(keys, backend.keys.liveness(r.Topic, r.Host))
		}
	}
	ctx := context.Background()
	began := time.Now()
	if err := h.Register(ctx, all...); err != nil {
		b.Fatal(err)
	}
	registered := time.Since(began)
	round := func(always bool) time.Duration {
		backend.always = always
		began := time.Now()
		if err := h.SendHeartbeats(ctx); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	round(true)
	var quick, full, bare []time.Duration
	for b.Loop() {
		for range turns {
			quick = append(quick, round(false))
			full = append(full, round(true))
			bare = append(bare, pexpire(b, backend.Store, keys))
		}
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(registered), "register-ms")
	b.ReportMetric(ms(median(bare)), "pexpire-ms")
	b.ReportMetric(ms(median(quick)), "round-ms")
	b.ReportMetric(ms(median(full)), "whole-round-ms")
	b.ReportMetric(float64(median(quick))/float64(median(bare)), "round/pexpire")
	b.ReportMetric(float64(median(full))/float64(median(bare)), "whole-round/pexpire")
}

func pexpire(b *testing.B, s *Store, keys []string) time.Duration {
	b.Helper()
	ctx := context.Background()
	began := time.Now()
	for some := range slices.Chunk(keys, batchSize) {
		cmds, err := s.write.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, k := range some {
				p.PExpire(ctx, k, s.config.TTL)
			}
			return nil
		})
		if err != nil || !cmds[len(cmds)-1].(*redis.BoolCmd).Val() {
			b.Fatal("pexpire: ", err)
		}
	}
	return time.Since(began)
}

func median(of []time.Duration) time.Duration {
	slices.Sort(of)
	return of[len(of)/2]
}

// BenchmarkJoin is the time from a Register to the view of another process that shows it, in a topic of 1,000.
func BenchmarkJoin(b *testing.B) {
	s := benchStore(b, core.HeartbeatConfig{Freq: time.Minute})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var claims []*core.Claim
	for n := range 1000 {
		claims = append(claims, claimOf(fmt.Sprintf("node%d", n)))
	}
	if _, err := s.BackendRegister(ctx, s.config.TTL, claims); err != nil {
		b.Fatal(err)
	}
	watching, err := NewStore(s.read, Config{HeartbeatConfig: s.config.HeartbeatConfig, Prefix: s.keys.prefix})
	if err != nil {
		b.Fatal(err)
	}
	defer watching.Close()
	var f core.Feed
	go func() {
		for v := range watching.Watch(ctx, compute) {
			f.Set(v)
		}
	}()
	until := func(n int) {
		for v, newer := f.Last(); v == nil || len(v.Members) != n; v, newer = f.Last() {
			<-newer
		}
	}
	until(1000)
	var took []time.Duration
	for b.Loop() {
		c := claimOf("joining")
		began := time.Now()
		if _, err := s.BackendRegister(ctx, s.config.TTL, []*core.Claim{c}); err != nil {
			b.Fatal(err)
		}
		until(1001)
		took = append(took, time.Since(began))
		if _, err := s.BackendUnregister(ctx, s.config.TTL, []*core.Claim{c}); err != nil {
			b.Fatal(err)
		}
		until(1000)
		time.Sleep(gather)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(median(took).Microseconds())/1000, "join-ms")
}
