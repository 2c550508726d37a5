package relay

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestThePortableEngineConforms(t *testing.T) {
	conform(t, New, legs{"tcp", "tcp"}, legs{"unix", "unix"}, legs{"tls", "tcp"})
}
