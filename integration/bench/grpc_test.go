package bench

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/grpcmm"
	"github.com/redismm/matchmaker/integration/bench/figures"
	"github.com/redismm/matchmaker/integration/bench/page"
)

var grpcPart = part{"grpc", "gRPC", `A host registers, until the resolver of another process has told its channel the new list of addresses; through Redis. What the balancer then
does is gRPC's own.`, grpcUpdates}

// channel stands for a gRPC channel: it notes how many endpoints it was told.
type channel struct{ told chan int }

func (c channel) UpdateState(s resolver.State) error {
	c.told <- len(s.Endpoints)
	return nil
}
func (channel) ReportError(error)                                    {}
func (channel) NewAddress([]resolver.Address)                        {}
func (channel) NewServiceConfig(string)                              {}
func (channel) ParseServiceConfig(string) *serviceconfig.ParseResult { return nil }

// shows waits until n endpoints are told.
func (c channel) shows(t *testing.T, n int) {
	t.Helper()
	late := time.After(longest)
	for {
		select {
		case told := <-c.told:
			if told == n {
				return
			}
		case <-late:
			t.Fatalf("no list of %d endpoints is told", n)
		}
	}
}

func grpcUpdates(t *testing.T, p *page.Part) {
	s := start(t)
	h := keeper(t, s.URL, calm)
	table := p.Table("From Register to the channel's new list:", "hosts of the topic", "p50", "p99", "the latest", "joins")
	var points []figures.Point
	for _, n := range []int{10, 100, 1000, sized(10_000, 2000)} {
		topic := topicOf(n)
		must(t, h.Register(within(t), registrations(topic, 0, n)...))
		reader := keeper(t, s.URL, calm)
		target, err := url.Parse("matchmaker:///" + topic)
		must(t, err)
		c := channel{make(chan int, 100)}
		r, err := grpcmm.NewBuilder(reader.Live()).Build(resolver.Target{URL: *target}, c, resolver.BuildOptions{})
		must(t, err)
		c.shows(t, n)
		time.Sleep(300 * time.Millisecond) // the subscription is confirmed
		var seen figures.Sample
		for range sized(50, 5) {
			began := time.Now()
			must(t, h.Register(t.Context(), core.Registration{Topic: topic, Host: "probe", Addr: "10.0.0.1:9000"}))
			c.shows(t, n+1)
			seen = append(seen, time.Since(began).Seconds())
			must(t, h.Unregister(t.Context(), topic, "probe"))
			c.shows(t, n)
			time.Sleep(30 * time.Millisecond)
		}
		r.Close()
		_, most := seen.Spread()
		table.Row(page.Number(float64(n)), page.Seconds(seen.Median()), page.Seconds(seen.At(0.99)), page.Seconds(most), fmt.Sprint(len(seen)))
		points = append(points, figures.Point{Size: float64(n), Cost: seen.Median()})
	}
	p.Fit(figures.Law{What: "a join until a gRPC channel is told", With: "hosts of the topic", Power: 1}, points...)
}
