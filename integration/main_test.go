package integration_test

import (
	"os"
	"testing"

	"github.com/redismm/matchmaker/integration"
)

func TestMain(m *testing.M) { os.Exit(integration.Main(m)) }
