package core_test

import (
	"context"
	"fmt"
	"net"
	"net/rpc"
	"strings"
	"sync"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

// Worker is a process that takes messages, here by the standard library's RPC.
type Worker struct {
	host string
	mu   sync.Mutex
	todo []string
}

// Add takes a job.
func (w *Worker) Add(job string, by *string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.todo = append(w.todo, job)
	*by = w.host
	return nil
}

// Forget drops a job.
func (w *Worker) Forget(job string, by *string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, j := range w.todo {
		if j == job {
			w.todo = append(w.todo[:i], w.todo[i+1:]...)
			*by = w.host
		}
	}
	return nil
}

// startWorkers starts workers and registers them under a topic.
func startWorkers(mm *core.HeartbeatMatchMaker, topic string, hosts ...string) (stop func()) {
	var listeners []net.Listener
	for _, host := range hosts {
		server := rpc.NewServer()
		server.Register(&Worker{host: host})
		lis := listen()
		go accept(server, lis)
		listeners = append(listeners, lis)
		mm.Register(context.Background(), core.Registration{Topic: topic, Host: host, Addr: lis.Addr().String()})
	}
	return func() {
		for _, lis := range listeners {
			lis.Close()
		}
	}
}

// send sends a message to each host that a key resolves to, and returns who answered.
func send(mm *core.HeartbeatMatchMaker, key, method, job string) string {
	routes, err := mm.Resolve(context.Background(), key)
	if err != nil {
		return err.Error()
	}
	var answers []string
	for _, route := range routes {
		worker, err := rpc.Dial("tcp", route.Member.Addr)
		if err != nil {
			return err.Error()
		}
		defer worker.Close()
		var by string
		if err := worker.Call("Worker."+method, job, &by); err != nil {
			return err.Error()
		}
		if by != "" {
			answers = append(answers, by)
		}
	}
	return strings.Join(answers, ", ")
}

// A pool of workers: each job goes to the next of them by the topic's key, and what concerns all goes to every
// one by the fanout key.
func Example_workerPool() {
	mm, err := core.NewHeartbeat(coretest.NewMemory(), core.HeartbeatConfig{Policy: core.RoundRobinFrom(0)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mm.Close()
	defer startWorkers(mm, "resize", "node1", "node2", "node3")()
	for _, job := range []string{"a.png", "b.png", "c.png", "d.png"} {
		fmt.Println(job, "is with", send(mm, "resize", "Add", job))
	}
	fmt.Println("b.png was dropped by", send(mm, "fanout~resize", "Forget", "b.png"))
	// Output:
	// a.png is with node1
	// b.png is with node2
	// c.png is with node3
	// d.png is with node1
	// b.png was dropped by node2
}

// A message to one host, by its direct key: who holds something is asked for it again.
func Example_directMessage() {
	mm, err := core.NewHeartbeat(coretest.NewMemory(), core.HeartbeatConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mm.Close()
	defer startWorkers(mm, "resize", "node1", "node2", "node3")()
	holder := send(mm, "resize", "Add", "a.png") // any of them
	fmt.Println(send(mm, core.DirectKey("resize", holder), "Forget", "a.png") == holder)
	// Output:
	// true
}

// accept serves until lis is closed.
func accept(server *rpc.Server, lis net.Listener) {
	for {
		conn, err := lis.Accept()
		if err != nil {
			return
		}
		go server.ServeConn(conn)
	}
}

func listen() net.Listener {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return lis
}
