package redismm

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/redismm/matchmaker/core"
)

// batchSize bounds what one script call reads and writes, and so how long it keeps Redis.
const batchSize = 512

// batch is up to batchSize claims of one topic.
type batch struct {
	topic  string
	at     []int // of the claims, in what the caller gave
	claims []*core.Claim
	was    *version // at which all were acknowledged whole; nil where they were not
	lease  lease    // as its touch saw it
}

// batches groups claims by topic and apart, in the order given, and cuts the groups to size. Claims for
// which apart answers differently are in batches of their own.
func batches(claims []*core.Claim, apart func(*core.Claim) bool) []*batch {
	type group struct {
		topic string
		apart bool
	}
	open := make(map[group]*batch)
	var all []*batch
	var last group
	var b *batch
	for i, c := range claims {
		if g := (group{c.Topic, apart(c)}); b == nil || g != last { // mostly those of a topic come together
			b, last = open[g], g
		}
		if b == nil || len(b.at) == batchSize {
			b = &batch{topic: c.Topic}
			open[last] = b
			all = append(all, b)
		}
		b.at = append(b.at, i)
		b.claims = append(b.claims, c)
	}
	return all
}

func together(*core.Claim) bool { return false }

// topicKeys are the keys of a script that writes: set, version and the liveness keys of hosts.
func (s *Store) topicKeys(topic string, hosts ...string) []string {
	ks := make([]string, 0, 2+len(hosts))
	ks = append(ks, s.keys.set(topic), s.keys.version(topic))
	all := s.keys.liveness(topic, "")
	for _, h := range hosts {
		ks = append(ks, all+h)
	}
	return ks
}

func (b *batch) hosts() []string {
	hosts := make([]string, len(b.claims))
	for i, c := range b.claims {
		hosts[i] = c.Host
	}
	return hosts
}

const (
	// pipelineSize bounds what is on its way at once over one connection, and leastPipeline is worth a trip of its own.
	pipelineSize, leastPipeline = 64, 8
)

// inPipelines makes calls, many in one round trip.
func (s *Store) inPipelines(ctx context.Context, calls []*call) { s.deliver(ctx, calls, func(int) {}) }

// deliver makes calls in pipelines, to each server in its own, and calls before for each that is about to be sent.
func (s *Store) deliver(ctx context.Context, calls []*call, before func(i int)) {
	var going sync.WaitGroup
	for _, part := range s.byNode(ctx, calls) {
		size := min(max(len(part)/4, leastPipeline), pipelineSize)
		var next atomic.Int64 // of part, in steps
		for range min(s.atOnce, (len(part)+size-1)/size) {
			going.Go(func() {
				for {
					first := int(next.Add(int64(size))) - size
					if first >= len(part) {
						return
					}
					some := part[first:min(first+size, len(part))]
					together := make([]*call, len(some))
					for j, i := range some {
						before(i)
						together[j] = calls[i]
					}
					run(ctx, s.write, together)
				}
			})
		}
	}
	going.Wait()
}

// inTime makes one call for each batch, whose third argument is when it must not be executed any more.
func (s *Store) inTime(ctx context.Context, bs []*batch, calls []*call) {
	s.deliver(ctx, calls, func(i int) {
		calls[i].args[2] = noteOf(bs[i].claims[0]).clock.notAfter(ctx, s.patience)
	})
}

// outcomes reads one outcome from each call.
func (s *Store) outcomes(calls []*call, read func(reply any) core.Outcome) ([]core.Outcome, error) {
	out := make([]core.Outcome, len(calls))
	var failed error
	for i, c := range calls {
		if c.err != nil {
			failed = s.unavailable(c.err)
			continue
		}
		out[i] = read(c.reply)
	}
	return out, failed
}
