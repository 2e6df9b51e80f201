// Command matchmaker registers hosts under topics, keeps them registered, and answers who is there.
package main

import (
	"context"
	"os"

	"github.com/redis/go-redis/v9/logging"
)

func main() {
	logging.Disable() // of the Redis client, whose errors are reported once, here
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
