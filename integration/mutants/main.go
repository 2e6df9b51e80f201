package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	only := flag.String("only", "", "those alone whose first line matches this `expression`")
	atOnce := flag.Int("at-once", 2, "`number` of runs of tests at once")
	verbose := flag.Bool("v", false, "print what tests print")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	w := &works{out: os.Stdout, verbose: *verbose, turns: make(chan struct{}, max(1, *atOnce))}
	if err := w.all(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		stop()
		os.Exit(1)
	}
}

// works tries mutants out.
type works struct {
	root    string
	out     io.Writer
	verbose bool
	turns   chan struct{}

	mu sync.Mutex // for out
}

// moduleRoot is the folder of go.mod.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

const folder = "integration/mutants"

// all tries the mutants whose heads match an expression. The error says how many survived.
func (w *works) all(ctx context.Context, only string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	if w.root, err = moduleRoot(); err != nil {
		return err
	}
	all, err := readMutants(filepath.Join(w.root, folder))
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(m *mutant) bool { return !match.MatchString(m.String()) })
	if len(all) == 0 {
		return fmt.Errorf("no mutant matches %q", only)
	}
	var tests []test
	for _, m := range all {
		if _, err := m.files(w.root); err != nil {
			return err
		}
		tests = append(tests, m.tests...)
	}
	began := time.Now()
	if w.root, err = copied(w.root); err != nil {
		return err
	}
	defer os.RemoveAll(w.root)
	if err := w.sound(ctx, tests); err != nil {
		return err
	}
	w.print("%d tests pass without mutants, after %s\n", len(tests), time.Since(began).Round(time.Second))
	survived := 0
	var going sync.WaitGroup
	for _, m := range all {
		w.turns <- struct{}{}
		going.Go(func() {
			defer func() { <-w.turns }()
			if !w.try(ctx, m) {
				w.mu.Lock()
				defer w.mu.Unlock()
				survived++
			}
		})
	}
	going.Wait()
	w.print("%d mutants, %d survived, in %s\n", len(all), survived, time.Since(began).Round(time.Second))
	if survived > 0 {
		return fmt.Errorf("%d of %d mutants survived", survived, len(all))
	}
	return ctx.Err()
}

// sound says whether the tests pass without mutants.
func (w *works) sound(ctx context.Context, tests []test) error {
	var going sync.WaitGroup
	var failed error
	for _, c := range calls(tests) {
		w.turns <- struct{}{}
		going.Go(func() {
			defer func() { <-w.turns }()
			out := c.run(ctx, w.root, "")
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, t := range c.tests {
				if why := passes(t, out); why != "" {
					failed = errors.Join(failed, errors.New(why))
					break // the rest of the text is the same
				}
			}
		})
	}
	going.Wait()
	return failed
}

// try runs the tests of a mutant, prints its line, and says whether it was caught.
func (w *works) try(ctx context.Context, m *mutant) bool {
	began := time.Now()
	var survived, printed []string
	dir, err := os.MkdirTemp("", "mutant-")
	if err == nil {
		defer os.RemoveAll(dir)
		survived, printed, err = w.outcome(ctx, m, dir)
	}
	if err != nil {
		survived = append(survived, err.Error())
	}
	var names []string
	for _, t := range m.tests {
		names = append(names, t.String())
	}
	verdict := "caught"
	if len(survived) > 0 {
		verdict = "SURVIVED"
	}
	line := fmt.Sprintf("%-8s %4.0f s  %s\n%17s by %s\n", verdict, time.Since(began).Seconds(), m, "", strings.Join(names, ", "))
	for _, why := range survived {
		line += fmt.Sprintf("%17s %s\n", "", why)
	}
	if w.verbose {
		line += strings.Join(printed, "\n")
	}
	w.print("%s", line)
	return len(survived) == 0
}

// outcome returns why tests did not catch a mutant, and what they printed.
func (w *works) outcome(ctx context.Context, m *mutant, dir string) (survived, printed []string, err error) {
	overlay, err := m.overlay(w.root, dir)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range calls(m.tests) {
		out := c.run(ctx, w.root, overlay)
		printed = append(printed, out)
		for _, t := range c.tests {
			if why := catches(t, out); why != "" {
				survived = append(survived, why)
			}
		}
	}
	return survived, printed, nil
}

func (w *works) print(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(w.out, format, args...)
}
