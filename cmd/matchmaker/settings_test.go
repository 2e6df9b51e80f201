package main

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/checks"
)

func TestEveryGlobalFlagHasAVariableOfItsName(t *testing.T) {
	t.Parallel()
	variables := make(map[string]bool)
	for f := range reflect.TypeFor[settings]().Fields() {
		variables[variablePrefix+f.Tag.Get("env")] = true
	}
	root := (&app{}).root()
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if !variables[variableOf(f.Name)] {
			t.Errorf("--%s has no variable %s", f.Name, variableOf(f.Name))
		}
		delete(variables, variableOf(f.Name))
	})
	sidecar, _, err := root.Find([]string{"sidecar"})
	if err != nil {
		t.Fatal(err)
	}
	for v := range variables {
		if sidecar.Flags().Lookup(flagOf(v)) == nil {
			t.Errorf("%s has no flag --%s, global or of sidecar", v, flagOf(v))
		}
	}
}

func TestAFlagBeatsItsVariableAndThatTheDefault(t *testing.T) {
	t.Parallel()
	set := func(env []string, args ...string) settings {
		a := &app{env: variables(env)}
		root := a.root()
		var got settings
		root.AddCommand(&cobra.Command{Use: "probe", Run: func(*cobra.Command, []string) { got = a.settings }})
		root.SetArgs(append([]string{"probe"}, args...))
		if err := root.ExecuteContext(context.Background()); err != nil {
			t.Fatal(err)
		}
		return got
	}
	checked := func(s settings) settings { // what a command without flags of its own has beside
		s.Advertise, s.Listen, s.ListenOps, s.ListenDNS, s.DNSDomain = "auto", defaultListen, listenOff, listenOff, "matchmaker"
		s.CheckInterval, s.CheckTimeout, s.CheckRise, s.CheckFall = checks.DefaultInterval, checks.DefaultTimeout, checks.DefaultRise, checks.DefaultFall
		return s
	}
	defaults := settings{RedisURL: "redis://127.0.0.1:6379/0", Backend: "redis", Prefix: "mm", Layout: "matchmaker", LogLevel: "info",
		HeartbeatFreq: 5 * time.Second, HeartbeatTTL: 15 * time.Second, Timeout: 2 * time.Second}
	env := []string{"MATCHMAKER_REDIS_URL=redis://a", "MATCHMAKER_BACKEND=ring", "MATCHMAKER_RINGFILE=/ring", "MATCHMAKER_PREFIX=p", "MATCHMAKER_LAYOUT=oslo",
		"MATCHMAKER_HEARTBEAT_FREQ=1s", "MATCHMAKER_HEARTBEAT_TTL=4s", "MATCHMAKER_TIMEOUT=3s", "MATCHMAKER_JSON=true",
		"MATCHMAKER_LOG_LEVEL=warn", "MATCHMAKER_REGISTER=not for this command,", "MATCHMAKER_LISTEN=nor this"}
	fromEnv := settings{RedisURL: "redis://a", Backend: "ring", Ringfile: "/ring", Prefix: "p", Layout: "oslo", HeartbeatFreq: time.Second,
		HeartbeatTTL: 4 * time.Second, Timeout: 3 * time.Second, JSON: true, LogLevel: "warn"}
	flags := []string{"--redis-url=redis://b", "--backend=stub", "--ringfile=/other", "--prefix=q", "--layout=matchmaker", "--heartbeat-freq=2s",
		"--heartbeat-ttl=5s", "--timeout=4s", "--json=false", "--log-level=error"}
	fromFlags := settings{RedisURL: "redis://b", Backend: "stub", Ringfile: "/other", Prefix: "q", Layout: "matchmaker", HeartbeatFreq: 2 * time.Second,
		HeartbeatTTL: 5 * time.Second, Timeout: 4 * time.Second, LogLevel: "error"}
	empty := []string{"MATCHMAKER_REDIS_URL=", "MATCHMAKER_TIMEOUT=", "MATCHMAKER_JSON="}
	for _, c := range []struct {
		what string
		got  settings
		want settings
	}{
		{"defaults", set(nil), defaults},
		{"empty variables", set(empty), defaults},
		{"variables", set(env), fromEnv},
		{"flags and variables", set(env, flags...), fromFlags},
	} {
		if want := checked(c.want); !reflect.DeepEqual(c.got, want) {
			t.Errorf("%s:\n%+v, want\n%+v", c.what, c.got, want)
		}
	}
}

func TestTheTTLIsThreeTimesTheInterval(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	r := matchmaker("register", "a", "b", "--heartbeat-freq", "20s").at(m).run(t)
	if r.out != "registered a.b for 1m0s\n" {
		t.Errorf("%q %s", r.out, r.err)
	}
}

func TestAnErrorNamesWhereTheValueCameFrom(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{
		"MATCHMAKER_TIMEOUT=soon":           `MATCHMAKER_TIMEOUT is "soon": want a time such as 500ms, 2s or 1m30s`,
		"MATCHMAKER_TIMEOUT=-1s":            `MATCHMAKER_TIMEOUT: invalid timeout "-1s": want more than 0, such as 2s`,
		"MATCHMAKER_JSON=ja":                `MATCHMAKER_JSON is "ja": want true or false`,
		"MATCHMAKER_BACKEND=etcd":           `MATCHMAKER_BACKEND: invalid backend "etcd": want redis, ring, localhost or stub`,
		"MATCHMAKER_LOG_LEVEL=loud":         `MATCHMAKER_LOG_LEVEL: invalid log level "loud": want debug, info, warn, error or off`,
		"MATCHMAKER_LOG_LEVEL=trace":        `MATCHMAKER_LOG_LEVEL: invalid log level "trace": want debug, info, warn, error or off`,
		"MATCHMAKER_HEARTBEAT_FREQ=1ms":     `MATCHMAKER_HEARTBEAT_FREQ: invalid heartbeat freq "1ms": want at least 10ms`,
		"MATCHMAKER_HEARTBEAT_TTL=9s":       `MATCHMAKER_HEARTBEAT_TTL: invalid heartbeat ttl "9s": want at least twice`,
		"MATCHMAKER_PREFIX=A":               `MATCHMAKER_PREFIX: invalid prefix "A"`,
		"MATCHMAKER_LAYOUT=nova":            `MATCHMAKER_LAYOUT: invalid layout "nova": want matchmaker or oslo`,
		"MATCHMAKER_REDIS_URL=http://a":     `MATCHMAKER_REDIS_URL: invalid redis url "http`,
		"MATCHMAKER_REDIS_URL=redis://a?b=": `MATCHMAKER_REDIS_URL: invalid redis url`,
	} {
		if r := matchmaker("ls").with(variable).run(t); r.code != exitUsage || !strings.HasPrefix(r.err, "matchmaker: "+want) {
			t.Errorf("%s: exit code %d\n%swant %s", variable, r.code, r.err, want)
		}
	}
	r := matchmaker("sidecar").with("MATCHMAKER_REGISTER=a=b,colour=red").run(t)
	if want := `matchmaker: MATCHMAKER_REGISTER is "a=b,colour=red": registration "a=b,colour=red": invalid field "colour"`; r.code != exitUsage || !strings.HasPrefix(r.err, want) {
		t.Errorf("exit code %d\n%swant %s", r.code, r.err, want)
	}
	r = matchmaker("ls", "--backend", "ring", "--ringfile", "/no/such").run(t)
	if r.code != exitUsage || !strings.Contains(r.err, "/no/such") || !strings.Contains(r.err, "--ringfile") {
		t.Errorf("exit code %d, %s", r.code, r.err)
	}
}
