package relay

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"fastproxy/fastproxy/loop"
)

// runLoops runs n loops until the test ends.
func runLoops(t testing.TB, n int) []*loop.Loop {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var loops []*loop.Loop
	over := make(chan error, n)
	for range n {
		l, err := loop.New(loop.Options{})
		if err != nil {
			t.Fatal(err)
		}
		loops = append(loops, l)
		go func() { over <- l.Run(ctx) }()
	}
	t.Cleanup(func() {
		stop()
		for range n {
			if err := <-over; err != nil {
				t.Errorf("loop: %v", err)
			}
		}
	})
	return loops
}

func TestTheLoopedEngineConforms(t *testing.T) {
	loops := runLoops(t, 2)
	conform(t, func(o Options) *Relay { return NewOn(loops, o) }, legs{"tcp", "tcp"}, legs{"unix", "unix"})
}

// acknowledged reports whether the peer of a TCP connection has acknowledged
// all that was written. It asks the kernel's list: the engine may have taken
// the descriptor.
func acknowledged(w *world, conn net.Conn) bool {
	w.Helper()
	list, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		w.Fatal(err)
	}
	here, there := conn.LocalAddr().(*net.TCPAddr).Port, conn.RemoteAddr().(*net.TCPAddr).Port
	for _, l := range strings.Split(string(list), "\n") {
		var slot, local, lport, remote, rport, state, out int
		n, _ := fmt.Sscanf(l, "%d: %X:%X %X:%X %X %X:", &slot, &local, &lport, &remote, &rport, &state, &out)
		if n == 7 && lport == here && rport == there {
			return out == 0
		}
	}
	return false
}

// benchRelay is a Relay on one loop.
func benchRelay(b *testing.B) *Relay { return NewOn(runLoops(b, 1), Options{}) }
