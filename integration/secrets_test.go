package integration_test

import (
	"context"
	"slices"
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
	hidesPassword(t, dsns, []string{meant, written, "Sw0rd"}, right)
}

// The forms of several servers, and passwords that are not before the host.
func TestPasswordOfEachFormOfURLAppearsInNoOutput(t *testing.T) {
	t.Parallel()
	const meant, written = "Sw0rd/fish@x", "Sw0rd%2Ffish%40x"
	user := []string{"user alice on >" + meant + " ~* &* +@all", "user default off"}
	r, gone := integration.StartRedis(t, user...), integration.StartRedis(t)
	gone.Kill()
	sentinel := integration.StartSentinel(t, append(user, "sentinel requirepass "+meant+"2")...)
	file, wrong := integration.PasswordFile(t, meant), integration.PasswordFile(t, meant+"x")
	right := []string{
		"redis://alice:" + written + "@" + r.Addr + "/0",
		"redis://alice@" + r.Addr + "/0?password_file=" + file,
		sentinel.As("alice", meant),
	}
	dsns := map[string]string{
		sentinel.As("alice", meant+"x"):                                                           "WRONGPASS",
		strings.Replace(sentinel.As("alice", meant), "x2@", "x3@", 1):                             "user default is refused: WRONGPASS",
		"redis://alice@" + r.Addr + "/0?password_file=" + wrong:                                   "WRONGPASS",
		"redis://alice:" + written + "@" + r.Addr + "/0?password_file=" + wrong:                   "not both",
		"redis://alice@" + r.Addr + "/0?password_file=/no/such/file":                              "password_file",
		"redis://" + gone.Addr + "/0?master_name=mm&username=alice&password=" + written:           gone.Addr,
		"redis://:" + written + "@" + gone.Addr + "/0?master_name=mm&password=" + written:         gone.Addr,
		"redis://" + gone.Addr + "/0?master_name=mm&pasword=" + written:                           "",
		"redis+sentinel://" + gone.Addr + "/0?password=" + written:                                "master_name",
		"redis+sentinel://" + gone.Addr + "/zero?master_name=mm&password=" + written:              "",
		"redis://" + gone.Addr + "/0?master_name=mm&password=" + written + "&dial_timeout=" + "x": "",
		"redis+cluster://alice:" + written + "@" + r.Addr:                                         "cluster support disabled",
		"redis+cluster://alice:" + written + "x@" + r.Addr:                                        "WRONGPASS",
		"redis://alice:" + written + "@" + gone.Addr + "?addr=" + gone.Addr:                       gone.Addr,
		"redis://alice:" + written + "@" + gone.Addr + "/7?addr=" + gone.Addr:                     "database 0",
		"redis://alice@" + gone.Addr + "?addr=" + gone.Addr + "&password=" + written:              "",
	}
	for _, dsn := range right {
		dsns[dsn] = ""
	}
	hidesPassword(t, dsns, []string{meant, written, "Sw0rd"}, right...)
}

// hidesPassword runs commands with each DSN, which must say what its value is, and fails the test if any shows
// a secret, or if one with a DSN that is not right exits with neither 2 nor 4; a doctor may say that it is bad.
func hidesPassword(t *testing.T, dsns map[string]string, secrets []string, right ...string) {
	t.Helper()
	hides := func(what string, out string) {
		t.Helper()
		for _, secret := range secrets {
			if strings.Contains(out, secret) {
				t.Errorf("%s shows the password: %s", what, out)
				return
			}
		}
	}
	commands := [][]string{{"resolve", "compute", "--json"}, {"register", "compute", "node1"}, {"alive", "compute", "node1"},
		{"doctor", "--watch", "1ms"}}
	for dsn, says := range dsns {
		for _, c := range commands {
			args := append(c, "--log-level", "debug", "--timeout", "300ms")
			got := integration.Matchmaker(args...).With("MATCHMAKER_REDIS_URL=" + dsn).Run(t)
			hides(strings.Join(c, " ")+" with "+dsn, got.Out+got.Err)
			if !slices.Contains(right, dsn) && got.Code != 2 && got.Code != 4 && !strings.Contains(got.Out, "BAD   access") && !strings.Contains(got.Out, "BAD   sentinels") {
				t.Errorf("%v with %s: %v, want exit code 2 or 4", c, dsn, got)
			}
			if !strings.Contains(got.Err+got.Out, says) {
				t.Errorf("%v with %s: %v does not say %q", c, dsn, got, says)
			}
		}
		got := integration.Matchmaker("ls", "--redis-url", dsn, "--timeout", "300ms").Run(t)
		hides("ls with --redis-url "+dsn, got.Out+got.Err)
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
