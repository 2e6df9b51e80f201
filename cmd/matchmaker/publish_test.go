package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// holds waits until a file holds a text.
func holds(t *testing.T, path, want string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s holds %q", path, want), func() bool {
		text, _ := os.ReadFile(path)
		return strings.Contains(string(text), want)
	})
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func lines(t *testing.T, path string) int { t.Helper(); return strings.Count(read(t, path), "\n") }

func TestAFileFollowsATopic(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	dir := t.TempDir()
	path, reloads := filepath.Join(dir, "web.conf"), filepath.Join(dir, "reloads")
	b := matchmaker("watch", "web", "--format", "nginx", "--out", path, "--reload", "cat "+path+" >> "+reloads+"; echo - >> "+reloads,
		"--heartbeat-freq=100ms", "--heartbeat-ttl=1s").at(m).start(t)
	b.err.says(t, "nobody is there", "for want of --allow-empty")
	if _, err := os.Stat(path); err == nil {
		t.Fatal("a file is written of nobody")
	}
	first := sidecar("--register", "web=x,addr=10.0.0.1:80,weight=3", "--register", "web=bad,addr=a;b:80").at(m).start(t)
	holds(t, path, "upstream web {\n    server 10.0.0.1:80 weight=3; # x\n}\n")
	b.err.says(t, `"host":"bad","addr":"a;b:80"`, "left out of the file", `"hosts":1`)
	second := sidecar("--register", "web=y,addr=10.0.0.2:80").at(m).start(t)
	holds(t, path, "10.0.0.2:80")
	second.end(t)
	eventually(t, "y is out of the file", func() bool { return !strings.Contains(read(t, path), "10.0.0.2") })
	was := read(t, path)
	m.SetError("LOADING for a test")
	b.err.says(t, "Redis cannot be asked; the file stays as it is")
	m.SetError("")
	b.err.says(t, "Redis can be asked again")
	first.end(t)
	eventually(t, "it says again that nobody is there", func() bool { return strings.Count(b.err.String(), "nobody is there") == 2 })
	if read(t, path) != was {
		t.Errorf("of nobody, and in an outage, it became %q", read(t, path))
	}
	if n, written := strings.Count(read(t, reloads), "-\n"), strings.Count(b.err.String(), `"message":"written"`); n != written || n < 3 {
		t.Errorf("%d reloads of a file that was written %d times, want 3 at least", n, written)
	}
	if code := b.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
}

func TestAFileOfNobodyIsWrittenIfThatIsAllowed(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{"nginx": "server 127.0.0.1:1 down;", "haproxy": "backend web\n", "file_sd": "[]\n"} {
		m := startRedis(t)
		path := filepath.Join(t.TempDir(), "f")
		matchmaker("watch", "web", "--format", format, "--out", path, "--allow-empty").at(m).start(t)
		holds(t, path, want)
	}
}

// A registry that has lost its data never heard of the topic, nor has one that is asked for a mistyped name.
func TestAFileIsNotEmptiedForATopicNeverHeardOf(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("whoever was there"), 0o644); err != nil {
		t.Fatal(err)
	}
	b := matchmaker("watch", "web", "--format", "file_sd", "--out", path, "--allow-empty").at(m).start(t)
	b.err.says(t, "never heard of", "the file is left as it is")
	if got := read(t, path); got != "whoever was there" {
		t.Errorf("it became %q", got)
	}
	if r := matchmaker("register", "web", "x", "--addr", "10.0.0.1:80").at(m).run(t); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	eventually(t, "the file names the host", func() bool { return strings.Contains(read(t, path), "10.0.0.1:80") })
	if r := matchmaker("unregister", "web", "x").at(m).run(t); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	holds(t, path, "[]\n")
}

// What does not pass the check is not put into place, and tried again; so is a reload that fails.
func TestAFileIsCheckedBeforeItIsReplaced(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	dir := t.TempDir()
	path, ok, loads := filepath.Join(dir, "it's.json"), filepath.Join(dir, "ok"), filepath.Join(dir, "loads")
	if err := os.WriteFile(path, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	matchmaker("register", "web", "x", "--addr=10.0.0.1:80", "--heartbeat-ttl=60s").at(m).run(t)
	b := matchmaker("watch", "web", "--format=file_sd", "--out", path, "--check", "grep -q 10.0.0.1 {} && test -e "+ok+" || { echo no such luck with {}; exit 7; }",
		"--reload", "echo x >> "+loads+"; test $(wc -l < "+loads+") -gt 2").at(m).start(t)
	b.err.says(t, "no such luck with {}", "exit status 7")
	time.Sleep(2 * time.Second) // it is tried again, and again
	if n := strings.Count(b.err.String(), "trying again"); n != 1 {
		t.Errorf("the same is reported %d times", n)
	}
	if got := read(t, path); got != "old" {
		t.Errorf("it was replaced by %q", got)
	}
	if err := os.WriteFile(ok, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "__meta_matchmaker_host")
	b.err.says(t, `reload \"echo x`, `"message":"mended"`)
	if n := lines(t, loads); n != 3 {
		t.Errorf("%d reloads, want 3, of which two fail", n)
	}
	if at, err := os.Stat(path); err != nil || at.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", at.Mode(), err)
	}
	b.end(t)
	// It is as it should be, so it is not written, and whoever reads it is told once.
	old, _ := os.Stat(path)
	again := matchmaker("watch", "web", "--format=file_sd", "--out", path, "--check", "false", "--reload", "echo x >> "+loads).at(m).start(t)
	eventually(t, "a reload at the start", func() bool { return lines(t, loads) == 4 })
	matchmaker("ack", "web", "x", "--heartbeat-ttl=60s").at(m).run(t)
	again.end(t)
	if now, _ := os.Stat(path); !os.SameFile(old, now) || strings.Contains(again.err.String(), "written") {
		t.Errorf("it was replaced by the same: %s", &again.err)
	}
}

// A file is a link to another, in another directory.
func TestAFileIsKeptWhereItsLinkLeads(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	real, link := filepath.Join(t.TempDir(), "real"), filepath.Join(t.TempDir(), "link")
	if err := os.WriteFile(real, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	matchmaker("register", "web", "x", "--addr=10.0.0.1:80", "--heartbeat-ttl=60s").at(m).run(t)
	matchmaker("watch", "web", "--format=haproxy", "--name=be", "--out", link).at(m).start(t)
	holds(t, real, "backend be\n    server x 10.0.0.1:80 weight 1\n")
	if at, err := os.Lstat(link); err != nil || at.Mode().Type() != os.ModeSymlink {
		t.Error("the link is none any more")
	}
}

// Many changes at once are one replacement, and changes without end do not put it off for ever.
func TestAFileWaitsForQuietButNotForLong(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	path := filepath.Join(t.TempDir(), "f")
	register := func(m *miniredis.Miniredis, i int) {
		matchmaker("register", "web", fmt.Sprint("x", i), "--addr=10.0.0.1:80", "--heartbeat-ttl=60s").at(m).run(t)
	}
	register(m, 0)
	b := matchmaker("watch", "web", "--format=file_sd", "--out", path, "--quiet=1s").at(m).start(t)
	holds(t, path, `"x0"`)
	began, n, pause := time.Now(), 0, time.Duration(0)
	for strings.Count(b.err.String(), `"message":"written"`) < 2 && time.Since(began) < 20*time.Second {
		n++
		last := time.Now()
		register(m, n)
		time.Sleep(50 * time.Millisecond)
		pause = max(pause, time.Since(last))
	}
	if took := time.Since(began); took < 4*time.Second && pause < 800*time.Millisecond || took > 15*time.Second {
		t.Errorf("written %s after the first of %d changes that never paused, want 5s", took, n)
	}
}

func TestAFileThatCannotBeKeptIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for args, want := range map[string]string{
		"watch web --format json --out " + path:                       `invalid --format "json": want nginx, haproxy, file_sd`,
		"watch web --out " + path:                                     `invalid --format "": want nginx`,
		"watch web --format nginx":                                    "--format wants --out FILE",
		"watch --format nginx --out " + path:                          "--out wants one topic, not nothing",
		"watch a b --format nginx --out " + path:                      `--out wants one topic, not ["a" "b"]`,
		"watch a;b --format nginx --out " + path:                      `invalid name "a;b": want letters`,
		"watch a --name a{ --format haproxy --out " + path:            `invalid name "a{": want letters`,
		"watch a --format nginx --out " + dir:                         "want a regular file",
		"watch a --format nginx --out " + dir + "/no/f":               "no such file or directory",
		"watch a --format nginx --quiet -1s --out " + path:            `invalid --quiet "-1s"`,
		"watch a --reload true":                                       "--reload wants --format and --out",
		"watch a --format nginx --out /dev/null":                      "want a regular file",
		"watch a --format nginx --backend stub --out " + path:         "stub",
		"watch a --format nginx --redis-url embedded: --out " + path:  "embedded",
		"watch a --format nginx --redis-url embedded:1 --out " + path: "embedded",
	} {
		if r := matchmaker(strings.Fields(args)...).run(t); r.code != exitUsage || !strings.Contains(r.err, want) {
			t.Errorf("%s: exit code %d, %s, want %s", args, r.code, r.err, want)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it is made")
	}
}
