package supervise

import (
	"os"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// passed are the signals that a supervised command is sent as its parent is.
var passed = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT,
	syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH}

// typed are those that a terminal sends to every process in its foreground by itself.
var typed = []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGWINCH}

// Signals returns the signals to be passed on, from now until release. One that was ignored when this process
// started, as SIGHUP is under nohup, stays ignored, for the command too.
func Signals() (signals <-chan os.Signal, release func()) {
	ch := make(chan os.Signal, 64)
	for _, s := range passed {
		if !signal.Ignored(s) {
			signal.Notify(ch, s)
		}
	}
	return ch, func() { signal.Stop(ch) }
}

// fromTerminal says that the terminal has sent s to the command too. To process 1 of a container its engine
// sends the same signals, to it alone.
func fromTerminal(s os.Signal) bool {
	return slices.Contains(typed, s) && os.Getpid() != 1 && inForeground()
}

// inForeground says whether this process is in the foreground of a terminal.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
