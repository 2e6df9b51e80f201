// Package bench measures a matchmaker beside what a user would pick instead, and how its cost grows: `make
// bench-report` writes docs/performance.md. It is a module of its own, so that its peers are no dependencies of the
// matchmaker.
package bench
