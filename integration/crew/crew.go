// Package crew makes a program do what a test tells it, as a process of its own.
package crew

import (
	"io"
	"net/rpc"
	"os"
)

// Variable is set in the environment of a process that is to enlist.
const Variable = "INTEGRATION_CREW"

// Enlist makes a process that was started as one of a crew do what it is told, by the methods of hand, as
// net/rpc wants them, until its input ends; and then exit. In other processes it does nothing. It is for an
// init function.
func Enlist(hand any) {
	if os.Getenv(Variable) == "" {
		return
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Crew", hand); err != nil {
		panic(err)
	}
	server.ServeConn(Pipes{os.Stdin, os.Stdout})
	os.Exit(0)
}

// Pipes are a process's input and output, as one.
type Pipes struct {
	io.ReadCloser
	io.WriteCloser
}

// Close closes both.
func (p Pipes) Close() error { p.ReadCloser.Close(); return p.WriteCloser.Close() }
