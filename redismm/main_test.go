package redismm

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/integration"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, integration.StuckLinks()...)
}
