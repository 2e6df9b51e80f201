package integration_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// Regression 25, on the command line: the password of the DSN, as it is written in the URL and as it is meant,
// appears in no output, whatever is wrong with the DSN or the server.
func TestPasswordAppearsInNoOutput(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t, "requirepass Sw0rd/fish@x")
	gone := integration.StartRedis(t)
	gone.Kill()
	const meant, written = "Sw0rd/fish@x", "Sw0rd%2Ffish%40x"
	right := "redis://:" + written + "@" + r.Addr + "/0"
	dsns := map[string]string{ // to part of what must be said
		right: "",
		"redis://:" + written + "x@" + r.Addr + "/0":       "WRONGPASS",
		"redis://nobody:" + written + "@" + r.Addr + "/0":  "WRONGPASS",
		"redis://:" + written + "@" + gone.Addr + "/0":     gone.Addr,
		"redis://:" + meant + "@" + r.Addr + "/0":          "",
		"redis://:" + written + "@" + r.Addr + "/zero":     "",
		"redis://:" + written + "@127.0.0.1:port/0":        "",
		"redis://:" + written + "@" + r.Addr + "/0?what=1": "",
		"redis://:" + written + "%zz@" + r.Addr + "/0":     "",
		"redis:/:" + written + "@" + r.Addr:                "",
		"http://:" + written + "@" + r.Addr:                "",
		"redis+sentinel://:" + written + "@" + r.Addr:      "",
		"unix://:" + written + "@/no/such/socket":          "",
		"rediss://:" + written + "@" + gone.Addr + "/0":    gone.Addr,
		"redis://" + gone.Addr + "/0?password=" + written:  "",
		" redis://:" + written + "@" + r.Addr + "/0":       "",
		"redis://:" + written + "@" + r.Addr + "/0 ":       "",
		"redis://:" + written + "@[::1/0":                  "",
	}
	commands := [][]string{{"resolve", "compute", "--json"}, {"register", "compute", "node1"}, {"alive", "compute", "node1"}}
	hides := func(what string, out string) {
		t.Helper()
		for _, secret := range []string{meant, written, "Sw0rd"} {
			if strings.Contains(out, secret) {
				t.Errorf("%s shows the password: %s", what, out)
				return
			}
		}
	}
	for dsn, says := range dsns {
		for _, c := range commands {
			args := append(c, "--log-level", "debug", "--timeout", "300ms")
			got := integration.Matchmaker(args...).With("MATCHMAKER_REDIS_URL=" + dsn).Run(t)
			hides(strings.Join(c, " ")+" with "+dsn, got.Out+got.Err)
			if dsn != right && got.Code != 2 && got.Code != 4 {
				t.Errorf("%v with %s: %v, want exit code 2 or 4", c, dsn, got)
			}
			if !strings.Contains(got.Err+got.Out, says) {
				t.Errorf("%v with %s: %v does not say %q", c, dsn, got, says)
			}
		}
		got := integration.Matchmaker("ls", "--redis-url", dsn, "--timeout", "300ms").Run(t)
		hides("ls with --redis-url "+dsn, got.Out+got.Err)
	}
	for dsn := range dsns {
		p := integration.Matchmaker("sidecar", "--register", "compute=node1", "--log-level", "debug",
			"--heartbeat-freq", "100ms").With("MATCHMAKER_REDIS_URL=" + dsn).Start(t)
		integration.Eventually(t, soon, "the sidecar logs, or refuses", func() bool { return p.Err() != "" })
		p.Signal(syscall.SIGTERM)
		p.Wait(soon)
		hides("sidecar with "+dsn, p.Out()+p.Err())
	}
}

// Regression 25, in the library.
func TestPasswordAppearsInNoError(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t, "requirepass Sw0rdfish")
	for _, dsn := range []string{
		"redis://:Sw0rdfishx@" + r.Addr, "redis://:Sw0rdfish@" + r.Addr + "/zero", "redis://:Sw0rdfish@host:port",
		"redis://:Sw0rdfish%zz@" + r.Addr, "Sw0rdfish@" + r.Addr, "cluster://:Sw0rdfish@" + r.Addr,
	} {
		s, err := redismm.OpenStore(dsn, redismm.Config{})
		if err == nil {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			_, err = core.New(s).Resolve(ctx, "compute")
			cancel()
			s.Close()
		}
		if err == nil || strings.Contains(err.Error(), "Sw0rd") {
			t.Errorf("with %s: %v, want an error that hides the password", dsn, err)
		}
	}
}
