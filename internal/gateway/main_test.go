package gateway_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if target := os.Getenv(childEnv); target != "" {
		serveChild(target)
		return
	}
	goleak.VerifyTestMain(m)
}
