package relay

import (
	"net"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if first, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		first.Close() // Go's own poller has descriptors from now on
	}
	goleak.VerifyTestMain(m)
}

func TestThePortableEngineConforms(t *testing.T) {
	conform(t, New, legs{"tcp", "tcp"}, legs{"unix", "unix"}, legs{"tls", "tcp"})
}
