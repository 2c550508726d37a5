//go:build linux

package fastproxy

import (
	"bytes"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// bareSocket is an end of a connection that takes no memory of Go's, so that
// what the heap grows by is the proxy's.
type bareSocket struct {
	fd int
	t  testing.TB
}

func bare(t testing.TB, fd int, err error) bareSocket {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	limit := syscall.NsecToTimeval(int64(patient))
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit); err != nil {
		t.Fatal(err)
	}
	return bareSocket{fd, t}
}

func newBare(t testing.TB) bareSocket {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	return bare(t, fd, err)
}

func (s bareSocket) say(text string) {
	s.t.Helper()
	if n, err := syscall.Write(s.fd, []byte(text)); err != nil || n != len(text) {
		s.t.Fatalf("wrote %d of %d bytes: %v", n, len(text), err)
	}
}

// until reads until what came ends in text, and returns it.
func (s bareSocket) until(text string) (got []byte) {
	s.t.Helper()
	var b [4096]byte
	for !bytes.HasSuffix(got, []byte(text)) {
		n, err := syscall.Read(s.fd, b[:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n == 0 {
			s.t.Fatalf("read %q, then %d bytes, %v; want it to end in %q", got, n, err, text)
		}
		got = append(got, b[:n]...)
	}
	return got
}

func (s bareSocket) close() { syscall.Close(s.fd) }

// audience opens tunnels and keeps them.
type audience struct {
	door
	hall bareSocket // where Shiny listens
	all  []bareSocket
}

func startAudience(t testing.TB) *audience {
	t.Helper()
	hall := newBare(t)
	if err := syscall.Bind(hall.fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(hall.fd, 16); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(hall.fd)
	if err != nil {
		t.Fatal(err)
	}
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*syscall.SockaddrInet4).Port))
	p := startProxy(t, map[string]string{"SHINY_HOST": at.Addr().String(), "SHINY_PORT": strings.TrimPrefix(at.String(), "127.0.0.1:"), "COOKIE_SECRET": ""}, "")
	a := &audience{door: door{testProxy: p, t: t, cookie: p.tina(t)}, hall: hall, all: make([]bareSocket, 0, 4096)}
	t.Cleanup(func() {
		hall.close()
		for _, s := range a.all {
			s.close()
		}
	})
	return a
}

// open opens one tunnel, and has it carry a message each way.
func (a *audience) open(path string) {
	a.t.Helper()
	client := newBare(a.t)
	to := netip.MustParseAddrPort(a.addr)
	if err := syscall.Connect(client.fd, &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		a.t.Fatal(err)
	}
	client.say(a.handshake(path, fromOurs, "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"))
	fd, _, err := syscall.Accept4(a.hall.fd, syscall.SOCK_CLOEXEC)
	backend := bare(a.t, fd, err)
	backend.until("\r\n\r\n")
	backend.say(switching)
	client.until("\r\n\r\n")
	client.say(hello)
	backend.until(hello)
	backend.say(helloBack)
	client.until(helloBack)
	a.all = append(a.all, client, backend)
}

// heap returns the bytes in use, when nothing is left to collect.
func heap() uint64 {
	for range 3 { // pools keep what they have for two
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What a tunnel keeps is paid for by everybody who has an app open and does
// nothing: what the relay knows of two connections, and the record that will be
// written of them.
func TestAnIdleTunnelIsSmallAndHasNoGoroutine(t *testing.T) {
	const tunnels, some = 500, 50 // some goroutines of the proxy start late
	for _, c := range []struct {
		name string
		path func(i int) string
		most int // bytes
	}{
		{"plain", func(int) string { return plainSocket }, 650},
		{"sockjs", func(i int) string {
			return fmt.Sprintf("/reports/app/__sockjs__/n=%018d/%03d/%08d/websocket", i, i, i)
		}, 850},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := startAudience(t)
			needLanes(t, a.testProxy)
			goroutines := runtime.NumGoroutine()
			for i := range 10 {
				a.open(c.path(i))
			}
			before := heap()
			for i := range tunnels {
				a.open(c.path(10 + i))
			}
			a.eventually("nothing of the handshakes is left", func() bool { return runtime.NumGoroutine() <= goroutines+some })
			each := (int(heap()) - int(before)) / tunnels
			t.Logf("%d bytes each", each)
			if each > c.most {
				t.Errorf("an idle tunnel takes %d bytes of the heap, want at most %d", each, c.most)
			}
			if n := a.relay.Stats().Tunnels; n != tunnels+10 {
				t.Errorf("%d tunnels are open, want %d", n, tunnels+10)
			}
		})
	}
}
