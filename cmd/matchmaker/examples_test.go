package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Each example of help is a command line: its command and its flags exist, and it is used rightly.
func TestEveryExampleOfHelpIsACommandThatParses(t *testing.T) {
	t.Parallel()
	tried := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		examples := exampleLines(c.Example)
		if len(examples) == 0 && c.Name() != "help" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for _, line := range examples {
			tried++
			tryExample(t, line)
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit((&app{}).root())
	if tried < 20 {
		t.Errorf("%d examples were tried", tried)
	}
}

func exampleLines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if _, line, ok := strings.Cut(strings.TrimSpace(line), "matchmaker "); ok {
			lines = append(lines, line)
		}
	}
	return lines
}

// tryExample parses the words of a line up to what explains it, or a shell does with it.
func tryExample(t *testing.T, line string) {
	t.Helper()
	line, _, _ = strings.Cut(line, "   ")
	for _, end := range []string{" | ", " && ", " > ", " < ", ")"} {
		line, _, _ = strings.Cut(line, end)
	}
	words := strings.Fields(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(line, "quoted"))
	a := &app{}
	root := a.root()
	root.SetOut(new(bytes.Buffer))
	c, rest, err := root.Find(words)
	if err != nil || c == root {
		t.Errorf("matchmaker %s: no such command: %v", line, err)
		return
	}
	if err := c.ParseFlags(rest); err != nil {
		t.Errorf("matchmaker %s: %v", line, err)
		return
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		t.Errorf("matchmaker %s: %v", line, err)
	}
}
