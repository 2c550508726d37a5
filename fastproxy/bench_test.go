//go:build unix

package fastproxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"fastproxy/fastproxy/audit"
)

// respond plays a Shiny that has every answer ready.
func respond(c net.Conn) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=UTF-8\r\nDate: Sat, 21 Nov 2026 20:00:00 GMT\r\nContent-Length: 512\r\n\r\n"
	body := answer + strings.Repeat("x", 512)
	r := bufio.NewReader(c)
	for {
		for {
			l, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(l) == 2 {
				break
			}
		}
		if _, err := io.WriteString(c, body); err != nil {
			return
		}
	}
}

// browserLines are what a browser sends along with an asset's request.
var browserLines = []string{"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
	"Accept: */*", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script", "Referer: http://localhost:3000/reports/app/",
	"Accept-Encoding: gzip, deflate, br, zstd", "Accept-Language: en-GB,en;q=0.9"}

// benchDoor is a door in front of respond, and respond's own address.
func benchDoor(b *testing.B) (d *door, shiny string) {
	s := startBackend(b, respond)
	all := s.env()
	all["COOKIE_SECRET"] = ""
	log := audit.New(io.Discard, zapcore.InfoLevel)
	b.Cleanup(func() { log.Close(context.Background()) })
	p := startProxyWith(b, all, "", func(p *Proxy) { p.log = log })
	return &door{testProxy: p, t: b, cookie: p.tina(b)}, s.l.Addr().String()
}

func dialAll(b *testing.B, addr string, n int) (all []net.Conn) {
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, c)
		b.Cleanup(func() { c.Close() })
	}
	return all
}

// trips sends a request n times over each connection, all at once.
func trips(b *testing.B, conns []net.Conn, request string, n int) {
	var all sync.WaitGroup
	for _, c := range conns {
		all.Go(func() {
			r := bufio.NewReader(c)
			for range n {
				io.WriteString(c, request)
				for {
					l, err := r.ReadSlice('\n')
					if err != nil {
						b.Error(err)
						return
					}
					if len(l) == 2 {
						break
					}
				}
				r.Discard(512)
			}
		})
	}
	all.Wait()
}

// BenchmarkForwardKeepAlive says what carrying a signed-in visitor's small GET
// costs in CPU time, as the median of rounds: the whole process, less the same
// requests straight to the Shiny. Run with -benchtime 1x.
func BenchmarkForwardKeepAlive(b *testing.B) {
	const conns, perConn, rounds = 32, 200, 9
	d, shiny := benchDoor(b)
	request := d.request("GET /reports/shared/shiny.min.js", browserLines...)
	through, straight := dialAll(b, d.addr, conns), dialAll(b, shiny, conns)
	trips(b, through, request, 10)
	cost := func(conns []net.Conn) float64 {
		before := cpu()
		trips(b, conns, request, perConn)
		return float64(cpu()-before) / float64(len(conns)*perConn)
	}
	var found []float64
	var mem [2]runtime.MemStats
	runtime.ReadMemStats(&mem[0])
	for range rounds {
		found = append(found, cost(through)-cost(straight))
	}
	runtime.ReadMemStats(&mem[1])
	slices.Sort(found)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(found[rounds/2], "cpu-ns/request")
	b.ReportMetric(float64(mem[1].Mallocs-mem[0].Mallocs)/(conns*perConn*rounds), "allocs/request")
	b.ReportMetric(float64(mem[1].TotalAlloc-mem[0].TotalAlloc)/(conns*perConn*rounds), "B/request")
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIdleConnection says what a kept-alive connection holds that has
// carried one request, less what two bare sockets hold. Run with -benchtime 1x.
func BenchmarkIdleConnection(b *testing.B) {
	const conns = 2000
	d, _ := benchDoor(b)
	request := d.request("GET /reports/shared/shiny.min.js", browserLines...)
	trips(b, dialAll(b, d.addr, 50), request, 20)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	before := taken()
	for range conns {
		dialAll(b, l.Addr().String(), 1)
		c, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
	}
	bare := taken().less(before)
	before = taken()
	for _, c := range dialAll(b, d.addr, conns) {
		trips(b, []net.Conn{c}, request, 1)
	}
	held := taken().less(before).less(bare)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(held.heap)/conns, "heap-B/conn")
	b.ReportMetric(float64(held.stack)/conns, "stack-B/conn")
}

type memory struct{ heap, stack int }

func taken() memory {
	for range 3 { // a pool gives its buffers back at the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{int(m.HeapAlloc), int(m.StackInuse)}
}

func (m memory) less(o memory) memory { return memory{m.heap - o.heap, m.stack - o.stack} }
