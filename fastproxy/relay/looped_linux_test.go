package relay

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

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
// all that was written. Where the engine has taken the descriptor it asks the
// kernel's list, which is slow where there are many connections.
func acknowledged(w *world, conn net.Conn) bool {
	w.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		w.Fatal(err)
	}
	waiting := -1
	if raw.Control(func(fd uintptr) { waiting, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }) == nil {
		return err == nil && waiting == 0
	}
	list, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		w.Fatal(err)
	}
	port := func(a net.Addr) string { return fmt.Sprintf(":%04X ", a.(*net.TCPAddr).Port) }
	pair := []byte(port(conn.LocalAddr()) + "0100007F" + port(conn.RemoteAddr()))
	at := bytes.Index(list, pair) // then state and bytes not acknowledged: "01 00000000:"
	return at >= 0 && bytes.HasPrefix(list[at+len(pair)+3:], []byte("00000000:"))
}

// benchRelay is a Relay on one loop.
func benchRelay(b *testing.B) *Relay { return NewOn(runLoops(b, 1), Options{}) }
