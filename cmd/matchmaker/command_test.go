package main

import (
	"runtime/debug"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHelpExplainsEveryCommandWithAnExample(t *testing.T) {
	t.Parallel()
	overview := matchmaker("help").run(t)
	for _, name := range inHelp {
		r := matchmaker("help", name).run(t)
		if r.code != 0 || r.err != "" {
			t.Errorf("help %s: exit code %d, %s", name, r.code, r.err)
		}
		short, rest, _ := strings.Cut(r.out, "\n\n")
		if !strings.Contains(overview.out, "  "+name+strings.Repeat(" ", 12-len(name))+short+"\n") {
			t.Errorf("help does not list %s with %q", name, short)
		}
		paragraph, rest, _ := strings.Cut(rest, "\n\n")
		if len(paragraph) < 50 && name != "demo" {
			t.Errorf("help %s has the paragraph %q", name, paragraph)
		}
		_, examples, _ := strings.Cut(rest, "Examples:\n")
		if !strings.Contains(examples, "  matchmaker ") && !strings.Contains(examples, " matchmaker "+name) {
			t.Errorf("help %s has no example", name)
		}
		if same := matchmaker(name, "--help").run(t); same != r {
			t.Errorf("%s --help is not help %s:\n%s", name, name, same.out)
		}
		for line := range strings.Lines(overview.out + r.out) {
			if n := utf8.RuneCountInString(line); n > 121 || strings.TrimRight(line, " \n") != strings.TrimSuffix(line, "\n") {
				t.Errorf("help %s: %d characters in line %q", name, n, line)
			}
		}
	}
	for _, c := range (&app{}).root().Commands() {
		if !strings.Contains(overview.out, "\n  "+c.Name()+" ") && c.Name() != "help" {
			t.Errorf("help does not list %s", c.Name())
		}
	}
	if bare := matchmaker().run(t); bare != overview {
		t.Errorf("without arguments: exit code %d and\n%s%s", bare.code, bare.out, bare.err)
	}
}

func TestHelpNeedsNoValidEnvironment(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"help"}, {"help", "ls"}, {"ls", "--help"}, {"--version"}, {}} {
		if r := matchmaker(args...).with("MATCHMAKER_TIMEOUT=soon").run(t); r.code > 0 && len(args) > 0 || r.code > 2 {
			t.Errorf("%q: exit code %d, %s", args, r.code, r.err)
		}
	}
}

func TestVersionIsOneLine(t *testing.T) {
	t.Parallel()
	r := matchmaker("--version").run(t)
	if r.code != 0 || !strings.HasPrefix(r.out, "matchmaker ") || strings.Count(r.out, "\n") != 1 {
		t.Errorf("exit code %d, %q", r.code, r.out)
	}
}

func TestVersionNamesTheCommitThatItWasBuiltFrom(t *testing.T) {
	t.Parallel()
	built := func(module string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: module}, Settings: settings}
	}
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	changed := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for want, got := range map[string]string{
		"v1.2.0 (go":                              describeBuild("v1.2.0", built("v1.1.0")),
		"v0.0.0-20260102030405-0123456789ab (go":  describeBuild("", built("v0.0.0-20260102030405-0123456789ab", commit)),
		"v1.1.0 (go":                              describeBuild("", built("v1.1.0")),
		"development (go":                         describeBuild("", built("(devel)")),
		"development (commit 0123456789ab, go":    describeBuild("", built("", commit)),
		"v1 (commit 0123456789ab and changes, go": describeBuild("v1", built("", commit, changed)),
	} {
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q…", got, want)
		}
	}
}

func TestWrongUseIsOneLineAndWhereToLook(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says string
		see  string
	}{
		{[]string{"reslove"}, `there is no command "reslove"; did you mean resolve?`, "matchmaker help"},
		{[]string{"help", "reslove"}, `there is no command "reslove"; did you mean resolve?`, "matchmaker help"},
		{[]string{"help", "ls", "more"}, `help wants one command, not ["ls" "more"]`, "matchmaker help"},
		{[]string{"resolve"}, "resolve wants one or more keys, or -, not nothing", "matchmaker help resolve"},
		{[]string{"ls", "a", "b"}, `ls wants no more than one topic, not ["a" "b"]`, "matchmaker help ls"},
		{[]string{"ls", "--nosuch"}, "unknown flag: --nosuch", "matchmaker help ls"},
		{[]string{"--nosuch"}, "unknown flag: --nosuch", "matchmaker help"},
		{[]string{"ls", "--timeout", "soon"}, `invalid argument "soon" for "--timeout" flag`, "matchmaker help ls"},
		{[]string{"alive"}, "alive wants a topic and a host, not nothing", "matchmaker help alive"},
		{[]string{"ack", "a", "b", "c"}, `ack wants a topic and a host, not ["a" "b" "c"]`, "matchmaker help ack"},
		{[]string{"register", "a", "b", "--label", "x"}, `invalid label "x": want name=value`, "matchmaker help register"},
		{[]string{"register", "a", "b", "--addr", "x"}, `invalid addr "x": want host:port`, "matchmaker help register"},
		{[]string{"register", "fanout", "b"}, `invalid topic "fanout"`, "matchmaker help register"},
		{[]string{"register", "a", "b", "--weight", "70000"}, `invalid weight "70000"`, "matchmaker help register"},
		{[]string{"expire", "a", ""}, `invalid host "": want 1 to 255 bytes`, "matchmaker help expire"},
		{[]string{"sidecar", "--listen", "off"}, "there is nothing to register and nobody to answer: want --register", "matchmaker help sidecar"},
		{[]string{"sidecar", "--listen", ":80"}, `--listen: invalid address ":80": want a loopback address such as 127.0.0.1:7766, or the path of a socket, or off`, "matchmaker help sidecar"},
		{[]string{"sidecar", "--listen", "10.0.0.1:80"}, `--listen: invalid address "10.0.0.1:80": want a loopback`, "matchmaker help sidecar"},
		{[]string{"sidecar", "--listen-ops", "80"}, `--listen-ops: invalid address "80": want host:port`, "matchmaker help sidecar"},
		{[]string{"sidecar", "a=b"}, `sidecar wants no operands, not ["a=b"]`, "matchmaker help sidecar"},
		{[]string{"sidecar", "--register", "a=b", "--register", "a=b"}, "--register names a.b twice", "matchmaker help sidecar"},
		{[]string{"run", "true"}, "run wants --topic", "matchmaker help run"},
		{[]string{"run", "--topic", "a"}, "run wants a command to run after --, not nothing", "matchmaker help run"},
		{[]string{"demo", "--json"}, "demo tells a story; it has no --json", "matchmaker help demo"},
		{[]string{"ls", "--prefix", "A B"}, `--prefix: invalid prefix "A B"`, "matchmaker help ls"},
		{[]string{"ls", "--redis-url", "redis+sentinel://a"}, "--redis-url: invalid redis url", "matchmaker help ls"},
		{[]string{"ls", "--redis-url", "embedded:"}, `--redis-url is "embedded:"`, "matchmaker help ls"},
		{[]string{"resolve", "a", "--backend", "ring"}, "the ring backend wants --ringfile, or MATCHMAKER_RINGFILE", "matchmaker help resolve"},
	} {
		r := matchmaker(c.args...).run(t)
		line, see, _ := strings.Cut(r.err, "\n")
		if r.code != exitUsage || r.out != "" || !strings.HasPrefix(line, "matchmaker: "+c.says) || see != "see "+c.see+"\n" {
			t.Errorf("%q: exit code %d, stdout %q, stderr\n%swant 2, %q and see %s", c.args, r.code, r.out, r.err, c.says, c.see)
		}
	}
}
