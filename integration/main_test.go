package integration_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/integration"
)

// root is the module's folder, seen from the tests.
const root = ".."

// tests are those of the package, and removing the binary that they built.
type tests struct{ *testing.M }

func (t tests) Run() int { return integration.Main(t.M) }

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(tests{m}, integration.StuckLinks()...)
}
