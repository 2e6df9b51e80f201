package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

const noTerminal = "a Ctrl-C is typed at a pseudo terminal, and this machine gives none:"

// openTerminal returns both ends of a pseudo terminal.
func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(noTerminal, err)
	}
	t.Cleanup(func() { keyboard.Close() })
	control := func(request uintptr, arg *int32) {
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, keyboard.Fd(), request, uintptr(unsafe.Pointer(arg))); e != 0 {
			t.Skip(noTerminal, e)
		}
	}
	var unlocked, number int32
	control(syscall.TIOCSPTLCK, &unlocked)
	control(syscall.TIOCGPTN, &number)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(noTerminal, err)
	}
	t.Cleanup(func() { terminal.Close() })
	return keyboard, terminal
}

// children are the states of the children of a process.
func children(t *testing.T, parent int) (states []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Skip("the children of a process are counted in /proc, which this machine does not have:", err)
	}
	for _, path := range stats {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		line, _ := bufio.NewReader(f).ReadString('\n')
		f.Close()
		fields := strings.Fields(line[strings.LastIndex(line, ")")+1:])
		if len(fields) > 1 && fields[1] == fmt.Sprint(parent) {
			states = append(states, fields[0])
		}
	}
	return states
}

func TestCtrlCReachesTheCommandOnce(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	keyboard, terminal := openTerminal(t)
	// wait ends at once with a signal, so that two are not taken for one
	script := `trap 'echo got INT' INT; trap 'echo got TERM; kill $!; exit 0' TERM; sleep 60 & echo ready; while :; do wait; done`
	p := supervisedAt("2s", script).at(m).processIn(t, &syscall.SysProcAttr{Setsid: true, Setctty: true}, terminal)
	p.out.says(t, "ready")
	p.err.says(t, `"event":"registered"`)
	if _, err := keyboard.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	p.out.says(t, "got INT")
	p.err.says(t, `draining"`) // from here on SIGINT was passed, if it was
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
	if got := p.out.String(); got != "ready\ngot INT\ngot TERM\n" {
		t.Errorf("the command said %q", got)
	}
}

func TestAsProcessOneItBuriesOrphans(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	script := `for i in 1 2 3; do (sleep 0.1 &); done; echo orphaned; read line; exit 4`
	stdin, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	p := supervised(script).at(m).processIn(t, &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID}, stdin)
	stdin.Close()
	p.out.says(t, "orphaned") // so three orphans are its children
	eventually(t, "only the command is left of its children", func() bool { return len(children(t, p.cmd.Process.Pid)) == 1 })
	fmt.Fprintln(write, "end")
	if code := p.wait(t); code != 4 {
		t.Errorf("exit code %d\n%s", code, &p.err)
	}
}
