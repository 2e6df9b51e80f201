package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/checks"
	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
)

// settings are what flags and variables set, by one rule: the flag --redis-url and the variable
// MATCHMAKER_REDIS_URL set the same; the flag beats the variable, the variable beats the default.
type settings struct {
	RedisURL      string        `env:"REDIS_URL"`
	Backend       string        `env:"BACKEND"`
	Ringfile      string        `env:"RINGFILE"`
	Prefix        string        `env:"PREFIX"`
	Layout        string        `env:"LAYOUT"`
	HeartbeatFreq time.Duration `env:"HEARTBEAT_FREQ"`
	HeartbeatTTL  time.Duration `env:"HEARTBEAT_TTL"`
	Timeout       time.Duration `env:"TIMEOUT"`
	JSON          bool          `env:"JSON"`
	LogLevel      string        `env:"LOG_LEVEL"`
	Register      registrations `env:"REGISTER"` // of sidecar alone

	// Of sidecar and run; the first of register too.
	Advertise     string        `env:"ADVERTISE"`
	CheckInterval time.Duration `env:"CHECK_INTERVAL"`
	CheckTimeout  time.Duration `env:"CHECK_TIMEOUT"`
	CheckRise     int           `env:"CHECK_RISE"`
	CheckFall     int           `env:"CHECK_FALL"`

	// Of sidecar and run.
	Listen    string `env:"LISTEN"`
	ListenOps string `env:"LISTEN_OPS"`
	ListenDNS string `env:"LISTEN_DNS"`
	DNSDomain string `env:"DNS_DOMAIN"`
	DNSNear   string `env:"DNS_NEAR"`
}

const variablePrefix = "MATCHMAKER_"

func (s *settings) flags(f *pflag.FlagSet) {
	f.StringVar(&s.RedisURL, "redis-url", "redis://127.0.0.1:6379/0",
		"the `URL` of Redis: redis://, rediss:// or unix://; \"embedded:\" starts one inside sidecar or run, to try things, \"embedded:6390\" on that port")
	f.StringVar(&s.Backend, "backend", "redis", "who answers, by `name`: redis, ring, localhost or stub")
	f.StringVar(&s.Ringfile, "ringfile", "", "the `file` of the ring backend: JSON, topic to list of hosts")
	f.StringVar(&s.Prefix, "prefix", "mm", "a `word` that all keys in Redis begin with")
	f.StringVar(&s.Layout, "layout", redismm.LayoutMatchmaker,
		"how Redis keeps the registry, by `name`: matchmaker, or oslo for one shared with oslo.messaging's matchmaker")
	f.DurationVar(&s.HeartbeatFreq, "heartbeat-freq", core.DefaultFreq, "the time between heartbeats")
	f.DurationVar(&s.HeartbeatTTL, "heartbeat-ttl", 0,
		"how long a host stays registered without a heartbeat (default 3 times the interval)")
	f.DurationVar(&s.Timeout, "timeout", 2*time.Second, "how long a command that asks once may take as a whole")
	f.BoolVar(&s.JSON, "json", false, "one JSON object per line instead of text, in logs too")
	f.StringVar(&s.LogLevel, "log-level", "info", "the least `level` that is logged to stderr: debug, info, warn, error or off")
}

// checkFlags are the flags of commands that check what they vouch for.
func (s *settings) checkFlags(f *pflag.FlagSet) {
	f.DurationVar(&s.CheckInterval, "check-interval", checks.DefaultInterval, "the time between two checks")
	f.DurationVar(&s.CheckTimeout, "check-timeout", checks.DefaultTimeout, "how long one check may take")
	f.IntVar(&s.CheckRise, "check-rise", checks.DefaultRise, "how many passes in a `row` make a failing host up again")
	f.IntVar(&s.CheckFall, "check-fall", checks.DefaultFall, "how many failures in a `row` make a host failing")
}

func (s *settings) pace() checks.Pace {
	return checks.Pace{Interval: s.CheckInterval, Timeout: s.CheckTimeout, Rise: s.CheckRise, Fall: s.CheckFall}
}

// variables turns the environment into a map. An empty variable is as if it were not there.
func variables(env []string) map[string]string {
	vs := make(map[string]string, len(env))
	for _, e := range env {
		if name, value, _ := strings.Cut(e, "="); value != "" {
			vs[name] = value
		}
	}
	return vs
}

func variableOf(flag string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func flagOf(variable string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, variablePrefix), "_", "-"))
}

// unset finds the variables of flags that were not given, and remembers the last that it found.
type unset struct {
	flags *pflag.FlagSet
	env   map[string]string
	last  string
}

func (u *unset) Lookup(name string) (string, bool) {
	flag := u.flags.Lookup(flagOf(name))
	if flag == nil || flag.Changed {
		return "", false
	}
	value, ok := u.env[variablePrefix+name]
	if ok {
		u.last = variablePrefix + name
	}
	return value, ok
}

// given says whether a flag or its variable was.
func (a *app) given(flag string) bool {
	f := a.cmd.Flags().Lookup(flag)
	return f != nil && f.Changed || a.env[variableOf(flag)] != ""
}

// origin says where the value of a setting came from.
func (a *app) origin(flag string) string {
	f := a.cmd.Flags().Lookup(flag)
	switch variable := variableOf(flag); {
	case f != nil && f.Changed:
		return "--" + flag
	case a.env[variable] != "":
		return variable
	}
	return "the default of --" + flag
}

// complete adds the environment to the flags of cmd and checks both.
func (a *app) complete(cmd *cobra.Command) error {
	a.cmd = cmd
	if f := cmd.Flags().Lookup("listen"); f != nil && !f.Changed { // whose default is not that of every command
		a.Listen = f.DefValue
	}
	vars := &unset{flags: cmd.Flags(), env: a.env}
	err := envconfig.ProcessWith(cmd.Context(), &envconfig.Config{
		Target: &a.settings, Lookuper: vars, DefaultOverwrite: true,
	})
	if err != nil {
		return a.unreadable(vars.last, err)
	}
	return a.check()
}

// unreadable refuses the value of a variable.
func (a *app) unreadable(variable string, err error) error {
	want := err
	switch a.cmd.Flags().Lookup(flagOf(variable)).Value.Type() {
	case "duration":
		want = errors.New("want a time such as 500ms, 2s or 1m30s")
	case "int":
		want = errors.New("want a whole number")
	case "bool":
		want = errors.New("want true or false")
	default: // envconfig puts the name of the Go field before it
		if inner := errors.Unwrap(err); inner != nil {
			want = inner
		}
	}
	return usagef("%s is %q: %w", variable, a.env[variable], want)
}

func (a *app) check() error {
	refuse := func(flag string, err error) error { return usageError{fmt.Errorf("%s: %w", a.origin(flag), err)} }
	if !slices.Contains(backends, a.Backend) {
		return refuse("backend", core.Invalid("backend", a.Backend, "want redis, ring, localhost or stub"))
	}
	if !slices.Contains(layouts, a.Layout) {
		return refuse("layout", core.Invalid("layout", a.Layout, "want matchmaker or oslo"))
	}
	if _, err := (core.HeartbeatConfig{Freq: a.HeartbeatFreq}).Complete(); err != nil {
		return refuse("heartbeat-freq", err)
	}
	whole, err := core.HeartbeatConfig{Freq: a.HeartbeatFreq, TTL: a.HeartbeatTTL}.Complete()
	if err != nil {
		return refuse("heartbeat-ttl", err)
	}
	a.HeartbeatFreq, a.HeartbeatTTL = whole.Freq, whole.TTL
	if a.Timeout <= 0 {
		return refuse("timeout", core.Invalid("timeout", a.Timeout.String(), "want more than 0, such as 2s"))
	}
	if flag, err := a.pace().Check(); err != nil {
		return refuse(flag, err)
	}
	level, err := logLevel(a.LogLevel)
	if err != nil {
		return refuse("log-level", err)
	}
	a.log = newLogger(a.stderr, a.JSON).Level(level)
	return nil
}

func logLevel(name string) (zerolog.Level, error) {
	if name == "off" {
		return zerolog.Disabled, nil
	}
	level, err := zerolog.ParseLevel(name)
	if err != nil || !slices.Contains([]string{"debug", "info", "warn", "error"}, name) {
		return level, core.Invalid("log level", name, "want debug, info, warn, error or off")
	}
	return level, nil
}

// bounded gives a command that asks once its time, less what the process itself needs to begin and end.
func (a *app) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	a.asksOnce = true
	return context.WithTimeout(ctx, a.Timeout-min(a.Timeout/20, 50*time.Millisecond))
}
