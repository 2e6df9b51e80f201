package httpmm_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
	"github.com/redismm/matchmaker/httpmm"
)

// startServer runs a server until stop is called, which returns when it has ended. In a program of its own, ctx
// ends with a signal, as signal.NotifyContext has it, and Serve is the last line of main.
func startServer(mm *core.HeartbeatMatchMaker, host string) (stop func()) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := httpmm.Service(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s from %s", r.URL.Path, host)
	})}, lis)
	s.Propagation = 100 * time.Millisecond // 2 s, if nothing is said

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := mm.Serve(ctx, s, core.Registration{Topic: "web", Host: host, Addr: lis.Addr().String()}); err != nil {
			log.Print(err)
		}
	}()
	return func() { cancel(); <-ended }
}

// The host of a URL is a topic; who answers is one of its hosts.
func Example() {
	mm, err := core.NewHeartbeat(coretest.NewMemory(), core.HeartbeatConfig{}) // redismm.Open, where there is a Redis
	if err != nil {
		log.Fatal(err)
	}
	defer mm.Close()
	stop1 := startServer(mm, "node1")
	mm.Live().WaitFor(context.Background(), "web", 1)

	client := &http.Client{Transport: httpmm.NewTransport(mm.Live(), nil)}
	defer client.CloseIdleConnections()
	fetch := func(url string) {
		resp, err := client.Get(url)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		fmt.Println(string(body), err)
	}
	fetch("http://web/hello")

	stop2 := startServer(mm, "node2")
	mm.Live().WaitFor(context.Background(), "web", 2)
	stop1() // returns when nobody is sent there any more
	fetch("http://web/hello")
	stop2()
	for v := range mm.Live().Watch(context.Background(), "web") { // until the news is here
		if len(v.Members) == 0 {
			break
		}
	}
	fetch("http://web/hello")
	// Output:
	// /hello from node1 <nil>
	// /hello from node2 <nil>
	// Get "http://web/hello": no live hosts for topic "web"
}
