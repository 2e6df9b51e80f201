package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mutant is one way to break the code.
type mutant struct {
	of, says string // what it is for, and what it does
	from     string // file:line
	tests    []test
	changes  []change
}

func (m *mutant) String() string { return m.of + ": " + m.says }

// test is one that must fail.
type test struct {
	folder, name string
	env, flags   []string
	says         string // what it must print, if not ""
}

func (t test) String() string { return filepath.Base(t.folder) + "." + t.name }

// change takes the place of lines that stand once in a file.
type change struct{ file, old, new string }

// readMutants reads the *.mutants files of a folder.
func readMutants(folder string) ([]*mutant, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.mutants"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no *.mutants in %s: %w", folder, err)
	}
	var all []*mutant
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		some, err := parseMutants(filepath.Base(name), text)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// parseMutants reads blocks, apart by empty lines; lines that begin with # are comments.
func parseMutants(name string, text []byte) ([]*mutant, error) {
	var all []*mutant
	var m *mutant
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		var err error
		switch {
		case line == "":
			m = nil
		case strings.HasPrefix(line, "#"):
		case m == nil:
			m = &mutant{from: fmt.Sprintf("%s:%d", name, n)}
			all = append(all, m)
			err = m.head(line)
		default:
			err = m.line(line)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	for _, m := range all {
		if len(m.tests) == 0 || len(m.changes) == 0 {
			return nil, fmt.Errorf("%s: %s: want a change, and a test that it is caught by", m.from, m)
		}
	}
	return all, lines.Err()
}

func (m *mutant) head(line string) error {
	var ok bool
	if m.of, m.says, ok = strings.Cut(line, ": "); !ok {
		return fmt.Errorf("%q: want what the mutant is for, a colon, and what it does", line)
	}
	return nil
}

func (m *mutant) line(line string) error {
	if test, ok := strings.CutPrefix(line, "caught by "); ok {
		return m.caughtBy(test)
	}
	if file, ok := strings.CutPrefix(line, "in "); ok {
		m.changes = append(m.changes, change{file: file})
		return nil
	}
	if !strings.ContainsAny(line[:1], "-+ ") || len(m.changes) == 0 {
		return fmt.Errorf("%q: want \"caught by\" a test, \"in\" a file, or after that a line that begins with -, + or a space", line)
	}
	c := &m.changes[len(m.changes)-1]
	if line[0] != '+' {
		c.old += line[1:] + "\n"
	}
	if line[0] != '-' {
		c.new += line[1:] + "\n"
	}
	return nil
}

func (m *mutant) caughtBy(line string) error {
	line, says, _ := strings.Cut(line, " says ")
	words := strings.Fields(line)
	if len(words) < 2 {
		return fmt.Errorf("%q: want a folder and a test", line)
	}
	t := test{folder: words[0], name: words[1], says: says}
	for _, word := range words[2:] {
		if strings.HasPrefix(word, "-") {
			t.flags = append(t.flags, word)
		} else {
			t.env = append(t.env, word)
		}
	}
	m.tests = append(m.tests, t)
	return nil
}

// files returns the files that m changes, by name, as it leaves them.
func (m *mutant) files(root string) (map[string]string, error) {
	texts := make(map[string]string)
	for _, c := range m.changes {
		text, read := texts[c.file]
		if !read {
			bytes, err := os.ReadFile(filepath.Join(root, c.file))
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", m.from, m, err)
			}
			text = string(bytes)
		}
		if c.old == c.new {
			return nil, fmt.Errorf("%s: %s: the lines for %s are the same afterwards", m.from, m, c.file)
		}
		before, after, n := cut(text, c.old)
		if n != 1 {
			return nil, fmt.Errorf("%s: %s: %s has these lines %d times, want once:\n%s", m.from, m, c.file, n, c.old)
		}
		texts[c.file] = before + c.new + after
	}
	return texts, nil
}

// cut returns what stands before and after lines, the first time, and how often they are there.
func cut(text, lines string) (before, after string, n int) {
	at := 0 // where a line begins
	for line := range strings.Lines(text) {
		if strings.HasPrefix(text[at:], lines) {
			if n++; n == 1 {
				before, after = text[:at], text[at+len(lines):]
			}
		}
		at += len(line)
	}
	return before, after, n
}
