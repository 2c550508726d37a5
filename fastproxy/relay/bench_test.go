//go:build linux

package relay

import (
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// carriers are ways to join two TCP connections. The relay's peers here are
// the two that every Go proxy begins with.
var carriers = []struct {
	name string
	make func(b *testing.B) func(client, backend net.Conn)
}{
	{"relay", func(*testing.B) func(c, b net.Conn) { return relayJoin(New(Options{})) }},
	{"relay-loop", func(b *testing.B) func(c, b net.Conn) { return relayJoin(benchRelay(b)) }},
	{"io.Copy-splice", func(*testing.B) func(c, b net.Conn) { return func(c, b net.Conn) { copyJoin(c, b, c, b) } }},
	{"io.Copy-32KiB", func(*testing.B) func(c, b net.Conn) {
		return func(c, b net.Conn) { copyJoin(c, b, onlyRW{c}, onlyRW{b}) }
	}},
}

// onlyRW hides ReadFrom and WriteTo, and so splice.
type onlyRW struct{ io.ReadWriter }

func copyJoin(c, b net.Conn, cc, bb io.ReadWriter) {
	one := func(to net.Conn, w io.Writer, r io.Reader) {
		io.Copy(w, r)
		to.(*net.TCPConn).CloseWrite()
	}
	go one(b, bb, cc)
	go func() {
		one(c, cc, bb)
		c.Close()
		b.Close()
	}()
}

func relayJoin(r *Relay) func(c, b net.Conn) {
	return func(c, b net.Conn) {
		t, err := r.Join(Leg{Conn: c}, Leg{Conn: b}, nil)
		if err != nil {
			panic(err)
		}
		t.Start()
	}
}

// echoes opens n tunnels to backends that echo, or with a nil join n
// connections straight to them.
func echoes(b *testing.B, n int, join func(client, backend net.Conn)) (clients []net.Conn) {
	var far, near []net.Conn
	for range n {
		c, nc := connectB(b)
		clients, near = append(clients, c), append(near, nc)
		if join != nil {
			fb, nb := connectB(b)
			far, near = append(far, fb), append(near, nb)
		}
	}
	b.Cleanup(func() {
		for _, c := range clients {
			c.Close()
		}
	})
	if join == nil {
		far = near
	}
	for _, conn := range far {
		go func() {
			defer conn.Close()
			for buf := make([]byte, 2048); ; {
				k, err := conn.Read(buf)
				if err != nil {
					return
				}
				conn.Write(buf[:k])
			}
		}()
	}
	if join != nil {
		idle := measure()
		for i := range n {
			join(near[2*i], near[2*i+1])
		}
		for _, c := range clients { // one after the other: no goroutines of ours
			trips([]net.Conn{c}, 1)
		}
		idle.report(b, n)
	}
	return clients
}

func connectB(b *testing.B) (far, near net.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	if far, err = net.Dial("tcp", ln.Addr().String()); err == nil {
		near, err = ln.Accept()
	}
	if err != nil {
		b.Fatal(err)
	}
	return far, near
}

// trips sends a 64-byte message n times to each echo and back, all at once.
func trips(clients []net.Conn, n int) {
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() {
			msg := frame(true, true, 1, make([]byte, 64))
			for range n {
				c.Write(msg)
				io.ReadFull(c, msg)
			}
		})
	}
	all.Wait()
}

type memory struct{ heap, stack, fds int }

func measure() memory {
	for range 3 { // a pool gives its buffers back at the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{int(m.HeapAlloc), int(m.StackInuse), openFiles()}
}

func (before memory) report(b *testing.B, n int) {
	after := measure()
	per := func(x int) float64 { return float64(x) / float64(n) }
	b.ReportMetric(per(after.heap-before.heap), "heap-B/tunnel")
	b.ReportMetric(per(after.stack-before.stack), "stack-B/tunnel")
	b.ReportMetric(per(after.fds-before.fds), "new-fds/tunnel")
}

// BenchmarkIdleTunnel says what a tunnel holds that has carried one message
// and is silent now, besides its connections. Run with -benchtime 1x.
func BenchmarkIdleTunnel(b *testing.B) {
	for _, c := range carriers {
		b.Run(c.name, func(b *testing.B) {
			b.StopTimer()
			echoes(b, 1000, c.make(b))
		})
	}
}

// BenchmarkMessage says what relaying one 64-byte message costs in CPU time,
// as the median of interleaved rounds: the whole process, less the same round
// trips without a relay. Run with -benchtime 1x.
func BenchmarkMessage(b *testing.B) {
	const conns, perConn, rounds = 64, 300, 9
	direct := echoes(b, conns, nil)
	ways := make([][]net.Conn, len(carriers))
	for i, c := range carriers {
		ways[i] = echoes(b, conns, c.make(b))
	}
	cost := func(clients []net.Conn) float64 {
		before := cpu()
		trips(clients, perConn)
		return float64(cpu()-before) / (2 * conns * perConn)
	}
	found := make([][]float64, len(carriers))
	for range rounds {
		base := cost(direct)
		for i := range carriers {
			found[i] = append(found[i], cost(ways[i])-base)
		}
	}
	for _, unit := range []string{"heap-B/tunnel", "stack-B/tunnel", "new-fds/tunnel", "ns/op"} {
		b.ReportMetric(0, unit)
	}
	for i, c := range carriers {
		slices.Sort(found[i])
		b.ReportMetric(found[i][rounds/2], "cpu-ns/"+c.name)
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
