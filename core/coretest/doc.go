// Package coretest is what a new backend needs in its tests: [Exercise], the conformance suite that every
// [core.Backend] passes, and [Memory], a backend inside the process that can be made to fail.
package coretest
