package integration_test

import (
	"os"
	"testing"

	"github.com/redismm/matchmaker/integration"
)

// root is the module's folder, seen from the tests.
const root = ".."

func TestMain(m *testing.M) { os.Exit(integration.Main(m)) }
