package integration

import "syscall"

// childAttributes gives a child a process group of its own, and has the kernel kill it when the test's
// process dies, however that comes.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
