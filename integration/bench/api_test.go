package bench

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/integration/bench/figures"
	"github.com/redismm/matchmaker/integration/bench/page"
)

var apiPart = part{"api", "The HTTP API and DNS under load", `A sidecar, a process of its own, asked by 16 connections or sockets at once for 1,000 hosts that it follows; askers and sidecar share the machine's cores. ` +
	"`make api-bench` has what a change costs with 1,000 readers.", apiLoad}

var asker = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// answers says whether a URL answers 200, and reads the answer.
func answers(url string) bool {
	r, err := asker.Get(url)
	if err != nil {
		return false
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil && r.StatusCode == http.StatusOK
}

// queried is what asks for a name's addresses over a socket of its own.
func queried(t *testing.T, server, name string) func() bool {
	c, err := dns.Dial("udp", server)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return func() bool {
		q := new(dns.Msg).SetQuestion(name, dns.TypeA)
		if c.SetDeadline(time.Now().Add(time.Second)) != nil || c.WriteMsg(q) != nil {
			return false
		}
		r, err := c.ReadMsg()
		return err == nil && r.Id == q.Id && r.Rcode == dns.RcodeSuccess
	}
}

// asked asks n times in all, in as many ways at once.
func asked(t *testing.T, n int, what string, ways []func() bool) (each figures.Sample) {
	var going sync.WaitGroup
	var next atomic.Int64
	var mu sync.Mutex
	for _, ask := range ways {
		going.Go(func() {
			var mine figures.Sample
			for next.Add(1) <= int64(n) {
				began := time.Now()
				if !ask() {
					t.Error(what, " is not answered")
					return
				}
				mine = append(mine, time.Since(began).Seconds())
			}
			mu.Lock()
			defer mu.Unlock()
			each = append(each, mine...)
		})
	}
	going.Wait()
	return each
}

// askers is how many ask at once.
const askers = 16

func apiLoad(t *testing.T, p *page.Part) {
	s := start(t)
	h := keeper(t, s.URL, calm)
	must(t, h.Register(within(t), registrations("compute", 0, 1000)...))
	at, names := freeAddress(t), freeAddress(t)
	matchmaker(t, "sidecar", "--listen", at, "--listen-dns", names, "--register", "web=web1,addr=127.0.0.1:8080").With("MATCHMAKER_REDIS_URL=" + s.URL).Start(t)
	few := sized(4000, 100)
	questions := []struct {
		what string
		n    int
		ask  func(t *testing.T) func() bool
	}{
		{"GET /v1/resolve/compute", few, nil},
		{"GET /v1/resolve/compute.node00005", few, nil},
		{"GET /v1/resolve/fanout~compute", sized(200, 20), nil},
		{"GET /v1/topics/compute", sized(100, 20), nil},
		{"GET /readyz", few, nil},
		{"DNS web.matchmaker. A, 1 host", few, func(t *testing.T) func() bool { return queried(t, names, "web.matchmaker.") }},
		{"DNS compute.matchmaker. A, 1,000 hosts", few, func(t *testing.T) func() bool { return queried(t, names, "compute.matchmaker.") }},
	}
	latencies := make([]figures.Sample, len(questions))
	var works []work
	for i, q := range questions {
		var ways []func() bool
		for range askers {
			if q.ask != nil {
				ways = append(ways, q.ask(t))
			} else {
				ways = append(ways, func() bool { return answers("http://" + at + q.what[len("GET "):]) })
			}
		}
		integration.Eventually(t, longest, q.what+" is answered", ways[0])
		works = append(works, work{do: func() { latencies[i] = append(latencies[i], asked(t, q.n, q.what, ways)...) }})
	}
	table := p.Table("By 16 at once:", "what", "answers a second", "p50", "p99")
	for i, x := range interleaved(rounds(), works...) {
		table.Row(questions[i].what, page.Number(perSecond(questions[i].n, x.took).Median()), page.Seconds(latencies[i].Median()), page.Seconds(latencies[i].At(0.99)))
	}
}
