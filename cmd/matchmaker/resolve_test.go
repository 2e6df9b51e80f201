package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// instances hides what differs from run to run.
var instances = regexp.MustCompile(`"instance":"[^"]{20,}"|"ttl_seconds":1[0-9.]+`)

func steady(text string) string {
	return instances.ReplaceAllStringFunc(text, func(s string) string {
		name, _, _ := strings.Cut(s, ":")
		return name + ":?"
	})
}

func ringFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ring.json")
	text := `{"compute": ["c", "a", {"host": "b", "addr": "10.0.0.2:80", "zone": "east", "weight": 2}], "none": []}`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestResolveAnswersOnEachBackend(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	matchmaker("register", "compute", "node1", "--zone", "east").at(m).run(t)
	ring := "--ringfile=" + ringFile(t)
	for _, c := range []struct {
		args []string
		out  string
		code int
	}{
		{[]string{"--backend=stub", "resolve", "compute", "a.b", "fanout~c"}, "compute\na.b\nfanout~c\n", 0},
		{[]string{"--backend=stub", "resolve", "compute", "--json"}, `{"key":"compute","routes":[{"key":"compute","host":null}]}` + "\n", 0},
		{[]string{"--backend=localhost", "resolve", "compute", "fanout.c", "a.b"}, "localhost\nlocalhost\nb\n", 0},
		{[]string{"--backend=localhost", "resolve", "a", "--json"}, `{"key":"a","routes":[{"key":"a.localhost","host":"localhost"}]}` + "\n", 0},
		{[]string{"--backend=ring", ring, "resolve", "compute", "compute", "fanout~compute"}, "c\na\nc\na\nb\n", 0},
		{[]string{"--backend=ring", ring, "resolve", "none", "compute", "nosuch"}, "c\n", 3},
		{[]string{"--backend=ring", ring, "resolve", "none", "--json"},
			`{"key":"none","routes":[],"error":"resolve \"none\": no live hosts for topic \"none\""}` + "\n", 3},
		{[]string{"resolve", "compute", "fanout~compute", "compute.node9"}, "node1\nnode1\nnode9\n", 0},
		{[]string{"resolve", "compute", "compute.node9", "--json"},
			`{"key":"compute","routes":[{"key":"compute.node1","host":"node1","member":{"topic":"compute","host":"node1","zone":"east","state":"up","instance":?}}]}` + "\n" +
				`{"key":"compute.node9","routes":[{"key":"compute.node9","host":"node9"}]}` + "\n", 0},
		{[]string{"resolve", "nosuch", "--json"},
			`{"key":"nosuch","routes":[],"error":"resolve \"nosuch\": topic was never heard of: \"nosuch\""}` + "\n", 3},
	} {
		r := matchmaker(c.args...).at(m).run(t)
		if steady(r.out) != c.out || r.code != c.code {
			t.Errorf("%q: exit code %d, want %d\n%swant\n%s%s", c.args, r.code, c.code, steady(r.out), c.out, r.err)
		}
	}
}

func TestOfSeveralKeysTheHighestExitCodeCounts(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	matchmaker("register", "a", "b").at(m).run(t)
	r := matchmaker("resolve", "a", "nosuch", "a.b").at(m).run(t)
	if r.code != exitNoMatch || r.out != "b\nb\n" || r.err != "matchmaker: resolve \"nosuch\": topic was never heard of: \"nosuch\"\n" {
		t.Errorf("%+v", r)
	}
	stopped := matchmaker("resolve", "a.b", "a", "nosuch.x", "--timeout=100ms").at(m)
	m.Close()
	if r := stopped.run(t); r.code != exitCannotTell {
		t.Errorf("%+v", r)
	}
}

func TestALineOfStdinIsAnsweredBeforeTheNextIsRead(t *testing.T) {
	t.Parallel()
	keys, stdin := io.Pipe()
	answers, stdout := io.Pipe()
	ended := make(chan int, 1)
	args := []string{"--backend=ring", "--ringfile=" + ringFile(t), "resolve", "-"}
	go func() {
		ended <- run(t.Context(), args, nil, keys, stdout, io.Discard)
		stdout.Close()
	}()
	lines := bufio.NewScanner(answers)
	for i, want := range []string{"c", "a", "b", "c"} { // the round robin moves on
		fmt.Fprint(stdin, "compute\n")
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("answer %d is %q, want %q", i, lines.Text(), want)
		}
	}
	stdin.Close()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestStdinMayHaveEmptyLinesAndEndWithoutOne(t *testing.T) {
	t.Parallel()
	c := matchmaker("--backend=stub", "resolve", "first", "-", "last")
	c.stdin = "\r\n\na b\r\n\nc"
	if r := c.run(t); r.out != "first\na b\nc\nlast\n" || r.code != 0 {
		t.Errorf("%+v", r)
	}
}

// failing is a stdout that is gone.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestAnAnswerThatCannotBePrintedIsAnError(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	matchmaker("register", "a", "b").at(m).run(t)
	for _, args := range [][]string{{"resolve", "a"}, {"resolve", "a", "--json"}, {"ls"}, {"ls", "--json"}, {"ls", "a"}, {"alive", "a", "b"}} {
		var errs bytes.Buffer
		code := run(t.Context(), args, []string{"MATCHMAKER_REDIS_URL=" + urlOf(m)}, strings.NewReader(""), failing{}, &errs)
		if code != exitFailed || !strings.Contains(errs.String(), io.ErrClosedPipe.Error()) {
			t.Errorf("%q: exit code %d, %s", args, code, &errs)
		}
	}
}
