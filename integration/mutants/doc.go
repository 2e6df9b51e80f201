// Command mutants breaks the code on purpose, in one small way at a time, and reports which tests notice. What is
// broken, and which tests must fail by it, stands in the files *.mutants beside this one. A block of them is
//
//	regression 17: the line that compares with notAfter goes
//	caught by redismm TestDelayedPruneChangesNothing
//	in redismm/lua/prune.lua
//	-if time > tonumber(ARGV[1]) then return -1 end
//
// The first line says what the mutant is for, and what it does. Each line "caught by" names a package's folder, a
// test of it, and what the test wants: variables as NAME=value, flags, and after "says" a text that it must print.
// Then come changes as in a diff: "in" names a file, "-" begins a line that goes, "+" one that comes, and " " one
// that stays; together the lines that go and stay must stand in the file once.
//
// All happens in a copy of the tree, of which the go command is given the broken files in place of the real ones.
// Every test must pass without a mutant. A mutant is caught when each of its tests fails by its own judgement: not because the code does
// not compile, panics, or hangs. Where a test runs on miniredis too, -short spares it the redis-server, on which a
// busy machine may fail it as well. The exit code is 1 if one survives.
package main
