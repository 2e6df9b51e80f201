package redismm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// registry is an empty Redis under test: miniredis in a synctest bubble, where time passes at once, or a
// topology of redis-servers. Its methods fail the test.
type registry struct {
	*testing.T
	mini   *miniredis.Miniredis // nil on a redis-server
	on     integration.Topology // nil on miniredis
	server *integration.Redis   // the one of these that keeps compute
	wire   *wire
	raw    *redis.Client // of that server, for what no process of ours would do
	config core.HeartbeatConfig
	// patience is how long clients wait for a reply; 0 as long as they do by default.
	patience time.Duration
}

// compute is the topic of most tests.
const compute = "compute"

// onBoth runs a test on miniredis and on a redis-server; or, as one of TestOnEachTopology, on that.
func onBoth(t *testing.T, f func(r *registry)) {
	if on := topologyOf(t); on != nil {
		f(spreadOver(t, on))
		return
	}
	t.Run("miniredis", func(t *testing.T) { onMiniredis(t, f) })
	t.Run("redis-server", func(t *testing.T) { onServer(t, f) })
}

func onMiniredis(t *testing.T, f func(r *registry)) {
	if topologyOf(t) != nil {
		t.Skip("takes hours, which pass on miniredis alone")
	}
	synctest.Test(t, func(t *testing.T) { f(bubbled(t)) })
}

// inRealTime runs a test on miniredis outside a bubble: go-redis holds a mutex while a subscription connects,
// which keeps a bubble's time from passing when nobody answers.
func inRealTime(t *testing.T, f func(r *registry)) {
	t.Parallel()
	f(timed(t))
}

func onServer(t *testing.T, f func(r *registry)) {
	if on := topologyOf(t); on != nil {
		f(spreadOver(t, on))
		return
	}
	t.Parallel()
	f(served(t))
}

// bubbled is a registry for a test in a bubble.
func bubbled(t *testing.T) *registry {
	t.Helper()
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	t.Cleanup(func() {
		m.Close()
		time.Sleep(2 * time.Second) // for a pool that dialled in vain
	})
	dial := func() (net.Conn, error) { return integration.Buffer(m.Dial()) }
	return newRegistry(&registry{T: t, mini: m, wire: &wire{dial: dial}, config: core.HeartbeatConfig{Freq: core.DefaultFreq}})
}

// quick is a heartbeat to be waited for.
var quick = core.HeartbeatConfig{Freq: 250 * time.Millisecond, TTL: time.Second}

func timed(t *testing.T) *registry {
	t.Helper()
	m := miniredis.RunT(t)
	ctx, cancel := context.WithCancel(context.Background())
	var going sync.WaitGroup
	going.Go(func() { age(ctx, m) })
	t.Cleanup(func() { cancel(); going.Wait() })
	dial := func() (net.Conn, error) { return net.Dial("tcp", m.Addr()) }
	return newRegistry(&registry{T: t, mini: m, wire: &wire{dial: dial, silent: silence(t)}, config: quick})
}

// age lets keys expire. ClockTTL would do it at each command, which takes long where there are many keys.
func age(ctx context.Context, m *miniredis.Miniredis) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case now := <-tick.C:
			m.FastForward(now.Sub(last))
			last = now
		case <-ctx.Done():
			return
		}
	}
}

func served(t *testing.T) *registry {
	t.Helper()
	server := integration.StartRedis(t)
	dial := func() (net.Conn, error) { return net.Dial("tcp", server.Addr) }
	return newRegistry(&registry{T: t, on: server, server: server, wire: &wire{dial: dial, silent: silence(t)}, config: quick})
}

// silence is the address of a server that accepts connections and says nothing.
func silence(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) // the kernel accepts
	return l.Addr().String()
}

func newRegistry(r *registry) *registry {
	var err error
	if r.config, err = r.config.Complete(); err != nil {
		r.Fatal(err)
	}
	if r.server != nil {
		r.raw = r.server.Client()
	} else {
		r.raw = r.client(r.wire).(*redis.Client)
	}
	return r
}

// wire is how clients reach Redis, and what may go wrong on the way.
type wire struct {
	dial   func() (net.Conn, error) // to the one server that there is, else nil
	silent string                   // where new connections lead while it is dark
	lose   atomic.Bool              // replies, and the connections they came on
	dark   atomic.Bool              // nobody answers on new connections
	down   atomic.Bool              // no new connections
	mute   atomic.Bool              // what is published is not handed over
}

type lossy struct {
	net.Conn
	wire *wire
}

func (w *wire) Dial(context.Context, string, string) (net.Conn, error) { return w.through(w.dial) }

// over is a dialer that finds its way to one of several servers, and that which may go wrong on it.
func (w *wire) over(d dial) dial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		return w.through(func() (net.Conn, error) { return d(ctx, network, addr) })
	}
}

func (w *wire) through(dial func() (net.Conn, error)) (net.Conn, error) {
	if w.down.Load() {
		return nil, errors.New("connection refused")
	}
	if w.dark.Load() {
		return net.Dial("tcp", w.silent)
	}
	conn, err := dial()
	if err != nil {
		return nil, err
	}
	return &lossy{conn, w}, nil
}

func (c *lossy) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	for err == nil && c.wire.mute.Load() && bytes.Contains(b[:n], []byte("\r\nmessage\r\n")) {
		n, err = c.Conn.Read(b)
	}
	if c.wire.lose.Load() {
		c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *registry) client(w *wire) redis.UniversalClient {
	r.Helper()
	c := r.clientOver(w)
	r.Cleanup(func() { c.Close() })
	return c
}

func (r *registry) clientOver(w *wire) redis.UniversalClient {
	r.Helper()
	if w.dial != nil {
		options := &redis.Options{Addr: "registry.test:6379", Dialer: w.Dial, ContextTimeoutEnabled: true, ReadTimeout: r.patience}
		quiet(options)
		return redis.NewClient(options)
	}
	to, err := parseDSN(r.on.DSN())
	if err != nil {
		r.Fatal(err)
	}
	switch {
	case to.sentinels != nil:
		to.sentinels.ReadTimeout = r.patience
		c := redis.NewFailoverClient(to.sentinels)
		c.Options().Dialer = w.over(c.Options().Dialer) // which asks the sentinels
		return c
	case to.cluster != nil:
		to.cluster.ReadTimeout, to.cluster.Dialer = r.patience, w.over(dialer(0, nil))
		return redis.NewClusterClient(to.cluster)
	}
	to.one.ReadTimeout, to.one.Dialer = r.patience, w.over(dialer(0, nil))
	return redis.NewClient(to.one)
}

// store is the registry as one more process opens it.
func (r *registry) store() *Store { r.Helper(); return r.storeOver(r.wire) }

func (r *registry) storeOver(w *wire) *Store {
	r.Helper()
	s, err := NewStore(r.client(w), Config{HeartbeatConfig: r.config})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { s.Close() })
	return s
}

// connected is a store whose connections have said hello.
func (r *registry) connected() *Store {
	r.Helper()
	s := r.store()
	for _, c := range []redis.UniversalClient{s.read, s.write} {
		if _, err := c.Pipelined(r.Context(), func(p redis.Pipeliner) error { return p.Exists(r.Context(), keysOf.set(compute)).Err() }); err != nil {
			r.Fatal(err)
		}
	}
	return s
}

func claimOf(host string) *core.Claim {
	return &core.Claim{Registration: core.Registration{Topic: compute, Host: host}}
}

func claimsOf(hosts ...string) []*core.Claim {
	claims := make([]*core.Claim, len(hosts))
	for i, h := range hosts {
		claims[i] = claimOf(h)
	}
	return claims
}

type writing func(ctx context.Context, ttl time.Duration, claims []*core.Claim) ([]core.Outcome, error)

func (r *registry) call(verb string, f writing, want core.Outcome, claims []*core.Claim) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	outcomes, err := f(ctx, r.config.TTL, claims)
	if err != nil {
		r.Fatalf("%s: %v", verb, err)
	}
	for i, got := range outcomes {
		if got != want {
			r.Fatalf("%s of %s: %s, want %s", verb, claims[i].Host, got, want)
		}
	}
}

func (r *registry) registers(s *Store, want core.Outcome, claims ...*core.Claim) {
	r.Helper()
	r.call("register", s.BackendRegister, want, claims)
}

func (r *registry) beats(s *Store, want core.Outcome, claims ...*core.Claim) {
	r.Helper()
	r.call("beat", s.AckAlive, want, claims)
}

func (r *registry) leaves(s *Store, want core.Outcome, claims ...*core.Claim) {
	r.Helper()
	r.call("leave", s.BackendUnregister, want, claims)
}

// joined registers one host from a process of its own, and returns both.
func (r *registry) joined(host string) (*Store, *core.Claim) {
	r.Helper()
	s, c := r.store(), claimOf(host)
	r.registers(s, core.Joined, c)
	return s, c
}

// version is what Redis holds of the topic's version.
func (r *registry) version() version {
	r.Helper()
	fields, err := r.raw.HMGet(r.Context(), keysOf.version(compute), "e", "s", "c", "n").Result()
	if err != nil {
		r.Fatal(err)
	}
	return versionOf(fields)
}

// keysOf spells the keys of the registry under test.
var keysOf, _ = newKeys("", 0)

// do makes a command that no process of ours would make, and returns its reply as text.
func (r *registry) do(args ...any) string {
	r.Helper()
	reply, err := r.raw.Do(r.Context(), args...).Result()
	if err != nil && err != redis.Nil {
		r.Fatalf("%v: %v", args, err)
	}
	text, _ := reply.(string)
	return text
}

// saved is a copy of all keys, as a replica that lags has it.
type saved []func(pipe redis.Pipeliner)

func (r *registry) save() saved {
	r.Helper()
	ctx := r.Context()
	var all saved
	for _, key := range r.raw.Keys(ctx, "*").Val() {
		ttl := r.raw.PTTL(ctx, key).Val()
		switch kind := r.raw.Type(ctx, key).Val(); kind {
		case "string":
			text := r.raw.Get(ctx, key).Val()
			all = append(all, func(p redis.Pipeliner) { p.Set(ctx, key, text, ttl) })
		case "set":
			members := r.raw.SMembers(ctx, key).Val()
			all = append(all, func(p redis.Pipeliner) { p.SAdd(ctx, key, members); p.PExpire(ctx, key, ttl) })
		case "hash":
			fields := r.raw.HGetAll(ctx, key).Val()
			all = append(all, func(p redis.Pipeliner) { p.HSet(ctx, key, fields); p.PExpire(ctx, key, ttl) })
		default:
			r.Fatalf("key %q is a %s", key, kind)
		}
	}
	return all
}

// rollBack puts a copy in the place of everything, as a failover to a replica that lags does.
func (r *registry) rollBack(to saved) {
	r.Helper()
	_, err := r.raw.TxPipelined(r.Context(), func(p redis.Pipeliner) error {
		p.FlushDB(r.Context())
		for _, put := range to {
			put(p)
		}
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
}

// stall stops Redis; what it is asked meanwhile it does when it goes on, which the returned function lets it.
func (r *registry) stall() (goOn func()) {
	if r.server != nil {
		r.server.Pause()
		return r.server.Resume
	}
	stopped := make(chan struct{})
	r.mini.Server().SetPreHook(func(*server.Peer, string, ...string) bool { <-stopped; return false })
	return sync.OnceFunc(func() { close(stopped) })
}

// pass lets time pass, in a bubble until all is done that is due.
func (r *registry) pass(d time.Duration) {
	time.Sleep(d)
	if r.mini != nil {
		synctest.Wait()
	}
}

// until waits for a condition.
func (r *registry) until(what string, holds func() bool) {
	r.Helper()
	within := max(10*time.Second, 10*r.config.TTL)
	for deadline := time.Now().Add(within); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("not within %s: %s", within, what)
		}
	}
}

// lapsed waits until a liveness key is gone.
func (r *registry) lapsed(host string) {
	r.Helper()
	r.until(host+" lapsed", func() bool {
		return r.raw.Exists(r.Context(), keysOf.liveness(compute, host)).Val() == 0
	})
}

// process is a process that keeps registrations, and what it reported.
type process struct {
	*core.HeartbeatMatchMaker
	mu     sync.Mutex
	events []core.Event
}

func (r *registry) process(w *wire, hosts ...string) *process {
	r.Helper()
	p := new(process)
	c := r.config
	c.Observe = func(e core.Event) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.events = append(p.events, e)
	}
	var err error
	if p.HeartbeatMatchMaker, err = core.NewHeartbeat(r.storeOver(w), c); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { p.Close() })
	for _, h := range hosts {
		if err := p.Register(r.Context(), core.Registration{Topic: compute, Host: h}); err != nil {
			r.Fatal(err)
		}
	}
	p.StartHeartbeat()
	return p
}

func (p *process) reported(k core.EventKind) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, e := range p.events {
		if e.Kind == k {
			n++
		}
	}
	return n
}

// sights are all views that a watcher was shown.
type sights struct {
	*registry
	mu    sync.Mutex
	views []*core.View
}

// watch watches the topic until the test ends. It returns with the first view.
func (r *registry) watch(from core.Watcher) *sights {
	r.Helper()
	w := &sights{registry: r}
	ctx, cancel := context.WithCancel(r.Context())
	var going sync.WaitGroup
	going.Go(func() {
		for v := range from.Watch(ctx, compute) {
			w.mu.Lock()
			w.views = append(w.views, v)
			w.mu.Unlock()
		}
	})
	r.Cleanup(func() { cancel(); going.Wait() })
	r.until("a first view", func() bool { return len(w.all()) > 0 })
	return w
}

func (w *sights) all() []*core.View {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.views)
}

func (w *sights) last() *core.View {
	all := w.all()
	return all[len(all)-1]
}

// shown spells a view: hosts in order, with ~ who is held and with ! who drains.
func shown(v *core.View) string {
	var hosts []string
	for _, m := range v.Members {
		host := m.Host
		if m.State == core.Draining {
			host += "!"
		}
		if m.Held {
			host += "~"
		}
		hosts = append(hosts, host)
	}
	return strings.Join(hosts, " ")
}

// shows waits for a view, and returns it.
func (w *sights) shows(want string) *core.View {
	w.Helper()
	deadline := time.Now().Add(max(10*time.Second, 10*w.config.TTL))
	for shown(w.last()) != want {
		if time.Now().After(deadline) {
			w.Fatalf("last shown is %q, want %q; %s", shown(w.last()), want, w.story())
		}
		time.Sleep(2 * time.Millisecond)
	}
	return w.last()
}

// alwaysShowed fails the test if a view did not show a host, held or not, since one did.
func (w *sights) alwaysShowed(hosts ...string) {
	w.Helper()
	for _, h := range hosts {
		was := false
		for _, v := range w.all() {
			is := slices.ContainsFunc(v.Members, func(m *core.Member) bool { return m.Host == h })
			if was && !is {
				w.Fatalf("%s was not always shown; %s", h, w.story())
			}
			was = was || is
		}
	}
}

// neverShowed fails the test if a view showed an instance.
func (w *sights) neverShowed(instance string) {
	w.Helper()
	for _, v := range w.all() {
		if slices.ContainsFunc(v.Members, func(m *core.Member) bool { return m.Instance == instance }) {
			w.Fatalf("instance %s was shown; %s", instance, w.story())
		}
	}
}

func (w *sights) story() string {
	var views []string
	for _, v := range w.all() {
		views = append(views, "["+shown(v)+"]")
	}
	return "all views: " + strings.Join(views, " ")
}
