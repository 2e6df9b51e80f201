package bench

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/naming/endpoints"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/integration/crew"
)

func init() { crew.Enlist(new(Server)) }

// Server is an etcd in a process of its own.
type Server struct{ etcd *embed.Etcd }

// Start starts it, with its data in a directory, and says where it listens. It does not wait for its disk, which is
// to its advantage: what it keeps would not outlive the machine.
func (s *Server) Start(dir string, addr *string) error {
	c := embed.NewConfig()
	any := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	c.Dir, c.LogLevel, c.UnsafeNoFsync = dir, "fatal", true
	c.ListenClientUrls, c.ListenPeerUrls = []url.URL{any}, []url.URL{any}
	e, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	<-e.Server.ReadyNotify()
	s.etcd, *addr = e, e.Clients[0].Addr().String()
	return nil
}

// Spent is the CPU time that the process took until now, in seconds.
func (s *Server) Spent(_ int, seconds *float64) error {
	*seconds = self()
	return nil
}

// named is a service of etcd's naming package, whose hosts have a lease each.
type named struct {
	client *clientv3.Client
	of     endpoints.Manager
	spent  spent
	leases []clientv3.LeaseID
}

func startEtcd(t *testing.T, service string) *named {
	t.Helper()
	process := integration.StartCrew(t)
	var addr string
	must(t, process.Tell("Start", t.TempDir(), &addr))
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{addr}, DialTimeout: 5 * time.Second})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	m, err := endpoints.NewManager(c, service)
	must(t, err)
	return &named{client: c, of: m, spent: func() float64 {
		var seconds float64
		must(t, process.Tell("Spent", 0, &seconds))
		return seconds
	}}
}

// add registers hosts, each with a lease of its own.
func (n *named) add(ctx context.Context, rs []core.Registration) error {
	for _, r := range rs {
		lease, err := n.client.Grant(ctx, int64(ttl.Seconds()))
		if err != nil {
			return err
		}
		n.leases = append(n.leases, lease.ID)
		at := endpoints.Endpoint{Addr: r.Addr, Metadata: map[string]any{"zone": r.Zone, "labels": r.Labels}}
		if err := n.of.AddEndpoint(ctx, r.Topic+"/"+r.Host, at, clientv3.WithLease(lease.ID)); err != nil {
			return err
		}
	}
	return nil
}

// list reads the prefix and decodes what is there.
func (n *named) list(ctx context.Context) (int, error) {
	all, err := n.of.List(ctx)
	return len(all), err
}

// beat renews every lease, one after the other.
func (n *named) beat(ctx context.Context) error {
	for _, id := range n.leases {
		if _, err := n.client.KeepAliveOnce(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// freeAddress is one of the loopback interface on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
