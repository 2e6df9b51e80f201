package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestCompletionScriptsAreOfTheirShell(t *testing.T) {
	t.Parallel()
	for shell, begins := range map[string]string{"bash": "# bash completion V2 for matchmaker", "zsh": "#compdef matchmaker", "fish": "# fish completion for matchmaker"} {
		r := matchmaker("completion", shell).with("MATCHMAKER_TIMEOUT=soon").run(t)
		if r.code != 0 || r.err != "" || !strings.HasPrefix(r.out, begins) {
			t.Errorf("%s: exit code %d, %s, begins %.80q", shell, r.code, r.err, r.out)
		}
		path, err := exec.LookPath(shell)
		if err != nil { // not every machine has each
			if os.Getenv("CI") == "true" {
				t.Errorf("%s is not installed: `make setup` installs it", shell)
			}
			continue
		}
		check := exec.Command(path, "-n")
		check.Stdin = strings.NewReader(r.out)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s does not parse it: %s", shell, out)
		}
	}
	for _, args := range [][]string{{"completion"}, {"completion", "tcsh"}, {"completion", "bash", "zsh"}} {
		if r := matchmaker(args...).run(t); r.code != exitUsage || !strings.Contains(r.err, "completion wants bash, zsh or fish, not ") {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

// What a completion script asks; the shell then leaves out what does not begin as it was typed.
func TestCommandsAndFlagsComplete(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typed []string
		want  string
	}{
		{[]string{"res"}, "resolve"},
		{[]string{"help", "doc"}, "doctor"},
		{[]string{"completion", "f"}, "fish"},
		{[]string{"ls", "--backend", "loc"}, "localhost"},
		{[]string{"ls", "--log-level", "w"}, "warn"},
		{[]string{"doctor", "--wat"}, "--watch"},
		{[]string{"watch", "--format", "ha"}, "haproxy"},
		{[]string{"ls", ""}, ":4"},
	} {
		r := matchmaker(append([]string{"__completeNoDesc"}, c.typed...)...).with("MATCHMAKER_TIMEOUT=soon").run(t)
		if r.code != 0 || !strings.Contains("\n"+r.out, "\n"+c.want+"\n") || !strings.Contains(r.out, ":4\n") {
			t.Errorf("%q does not complete to %q and no files: exit code %d, %s%s", c.typed, c.want, r.code, r.out, r.err)
		}
	}
}
