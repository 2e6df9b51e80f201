package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// longest bounds a run of tests. One that hangs has judged nothing.
const longest = 5 * time.Minute

// call is one run of the go command: the tests of a package that want the same.
type call struct {
	folder     string
	env, flags []string
	tests      []test
}

// calls puts tests together, each once.
func calls(tests []test) []*call {
	var all []*call
	for _, t := range tests {
		i := slices.IndexFunc(all, func(c *call) bool {
			return c.folder == t.folder && slices.Equal(c.env, t.env) && slices.Equal(c.flags, t.flags)
		})
		if i < 0 {
			i = len(all)
			all = append(all, &call{folder: t.folder, env: t.env, flags: t.flags})
		}
		if !slices.ContainsFunc(all[i].tests, func(o test) bool { return o.name == t.name }) {
			all[i].tests = append(all[i].tests, t)
		}
	}
	return all
}

// pattern matches the tests of the call.
func (c *call) pattern() string {
	var names []string
	for _, t := range c.tests {
		names = append(names, t.name)
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

// run runs the tests of a call in the tree at root, with an overlay if it is not "", and returns what they print.
func (c *call) run(ctx context.Context, root, overlay string) string {
	args := []string{"test", "-v", "-vet=off", "-count=1", "-timeout", longest.String(), "-run", c.pattern()}
	// Flags of the go command stand before the package, those of tests after it.
	ofTests := slices.IndexFunc(c.flags, func(f string) bool { return f != "-race" && f != "-short" })
	if ofTests < 0 {
		ofTests = len(c.flags)
	}
	args = slices.Concat(args, c.flags[:ofTests], []string{"./" + c.folder}, c.flags[ofTests:])
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(append(os.Environ(), "CI=true"), c.env...) // without what a test wants it fails, and does not skip
	if overlay != "" {
		cmd.Env = append(cmd.Env, "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay)) // for what tests build, too
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		out = fmt.Appendf(out, "\n%s: %v\n", cmd, err)
	}
	return string(out)
}

// overlay writes the files that a mutant changes into dir, and the file that tells the go command so.
func (m *mutant) overlay(root, dir string) (string, error) {
	files, err := m.files(root)
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for name, text := range files {
		to := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, name)] = to
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, text, 0o600)
}

var crash = regexp.MustCompile(`(?m)^(panic|fatal error): .*`)

// passes returns why a test did not pass, or "".
func passes(t test, out string) string {
	if strings.Contains(out, "\n--- PASS: "+t.name+" ") {
		return ""
	}
	return fmt.Sprintf("%s does not pass without a mutant:\n%s", t, out)
}

// catches returns why a test did not catch a mutant, or "". One that says what it is to say has judged, whatever
// becomes of the others.
func catches(t test, out string) string {
	switch panics := crash.FindString(out); {
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		return "it does not compile:\n" + out
	case panics != "" && (t.says == "" || !strings.Contains(out, t.says)):
		return fmt.Sprintf("%s judged nothing: %s", t, panics)
	case !strings.Contains(out, "\n--- FAIL: "+t.name+" "):
		return fmt.Sprintf("%s does not fail", t)
	case !strings.Contains(out, t.says):
		return fmt.Sprintf("%s fails and does not say %q", t, t.says)
	}
	return ""
}
