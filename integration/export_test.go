package integration

// For the tests of this package, which use it as others do.
var (
	Program  = program
	FreePort = freePort
)
