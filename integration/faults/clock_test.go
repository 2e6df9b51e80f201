package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// reads is the line of the standard library that reads the clocks.
const reads = "\tsec, nsec, mono := runtimeNow()\n"

// ahead is the variable by which a process with a wrong clock is told how many seconds it is off.
const ahead = "WALL_CLOCK_AHEAD"

// wrong is what is added to the standard library.
const wrong = `package time

import "syscall"

var wallAhead = func() (by int64) {
	text, _ := syscall.Getenv("` + ahead + `")
	sign := int64(1)
	for i := range len(text) {
		if text[i] == '-' {
			sign = -1
		} else {
			by = 10*by + int64(text[i]-'0')
		}
	}
	return sign * by
}()
`

// wrongClock builds a process with a standard library whose wall clock is off, and whose monotonic clock is not:
// what a process sees on a machine whose clock somebody has set wrong.
var wrongClock = sync.OnceValues(func() (binary string, err error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	lib := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(lib, "time.go"))
	if err != nil {
		return "", err
	}
	off := strings.ReplaceAll(string(text), reads, reads+"\tsec += wallAhead\n")
	if off == string(text) {
		return "", fmt.Errorf("the standard library does not read the clocks by %q any more", strings.TrimSpace(reads))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(lib, "time.go"):  filepath.Join(built, "time.go"),
		filepath.Join(lib, "wrong.go"): filepath.Join(built, "wrong.go"),
	}})
	for name, text := range map[string]string{"time.go": off, "wrong.go": wrong, "overlay.json": string(overlay)} {
		if err == nil {
			err = os.WriteFile(filepath.Join(built, name), []byte(text), 0o644)
		}
	}
	if err != nil {
		return "", err
	}
	binary = filepath.Join(built, "wrong-clock")
	out, err := exec.Command("go", "build", "-overlay", filepath.Join(built, "overlay.json"), "-o", binary, "./program").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build with a clock that is off: %w: %s", err, out)
	}
	return binary, nil
})
