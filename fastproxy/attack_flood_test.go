//go:build linux

package fastproxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// flood is one way to hold connections that bring nothing.
type flood struct {
	name    string
	opening string   // sent at once; {cookie} is a signed-in visitor's
	others  []string // likewise: each is as many connections' opening
	drip    string   // then sent every second, if not ""
	deaf    bool     // never reads

	// What one such connection may cost on the portable engine, in bytes of
	// resident memory, with what its opening leaves behind.
	portable int
	// When all must be gone, counted from when all were there; 0: they may stay.
	within time.Duration
}

// Event loops hold no connection for more than 8 KB. On the portable engine,
// half a head and silence, which cost a stranger nothing to send, stay below
// that too. The others hold an exchange: a goroutine's grown stack (8 to 16
// KB), its parser, and from a signed-in visitor's request on a connection to
// Shiny with its buffers.
var floods = []flood{
	{name: "SlowHeads", opening: "GET /reports/ HTTP/1.1\r\nHost: localhost\r\nX: ", drip: "y", portable: 8 << 10, within: 15 * time.Second},
	{name: "SlowForms", opening: "POST /.fastproxy/password HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nx",
		others: []string{ // each took a worker, of 11 to 15 KB, until the commit that brought them
			"POST /.fastproxy/password HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 16000\r\n\r\nx",
			"POST /.fastproxy/password HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n2710\r\nx",
			"POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10000\r\nExpect: 100-continue\r\n\r\nx",
			"POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000000000\r\n\r\nx",
		},
		drip: "x", portable: 20 << 10, within: 15 * time.Second},
	{name: "SlowBodies", opening: "POST /reports/upload HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Length: 1000000\r\n\r\nx",
		drip: "x", portable: 40 << 10, within: 15 * time.Second},
	{name: "DeafReaders", opening: "GET /reports/big HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n", deaf: true, portable: 64 << 10, within: 15 * time.Second},
	{name: "Idle", portable: 8 << 10},
	{name: "IdleAfterOneRequest", opening: "GET /callback HTTP/1.1\r\nHost: localhost\r\n\r\n", portable: 20 << 10},
}

// most is what one connection may cost on the engine that is tested.
func (f *flood) most() int {
	if os.Getenv("FASTPROXY_TEST_ENGINE") == "portable" {
		return f.portable
	}
	return 8 << 10
}

// floodTime is how long a flood is kept up, where FLOOD says so: then each kind
// has the machine for itself, and who is cut off comes again.
func floodTime(t testing.TB) time.Duration {
	said := os.Getenv("FLOOD")
	if said == "" {
		return 0
	}
	d, err := time.ParseDuration(said)
	if err != nil {
		t.Fatalf("FLOOD: %v", err)
	}
	return d
}

// floods holds 2,000 connections of each kind open while honest people are
// served.
func (w *assault) floods(t *testing.T) {
	bin := w.shipped()
	if floodTime(t) > 0 {
		for _, f := range floods {
			t.Run(f.name, func(t *testing.T) { f.run(t, bin) })
		}
		return
	}
	var all sync.WaitGroup
	for _, f := range floods {
		all.Go(func() { t.Run(f.name, func(t *testing.T) { f.run(t, bin) }) })
	}
	all.Wait()
}

func (f *flood) run(t *testing.T, bin binaries) {
	n := 2000
	if testing.Short() {
		n = 1000
	}
	g := besiege(t, bin, nil, "")
	g.shiny.answer = func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/big"):
			chunk := make([]byte, 64<<10)
			for {
				if _, err := rw.Write(chunk); err != nil {
					return
				}
			}
		default:
			io.Copy(io.Discard, r.Body)
			io.WriteString(rw, "ok")
		}
	}
	kim := g.signedIn("kim", kimPassword)
	h := honest{g: g, cookie: kim.cookies(), stop: make(chan struct{})}
	h.run(2)
	time.Sleep(time.Second)
	before, fds := g.memory(t), g.descriptors(t)

	began := time.Now()
	openings := append([]string{f.opening}, f.others...)
	for i := range openings {
		openings[i] = strings.ReplaceAll(openings[i], "{cookie}", kim.cookies())
	}
	c := f.open(t, g, n, openings)
	defer c.close()
	open := time.Now()
	time.Sleep(3 * time.Second)
	each := (g.memory(t) - before) / n
	t.Logf("%d open after %.1f s: %d B of resident memory for each (%d descriptors)", n, open.Sub(began).Seconds(), each, g.descriptors(t)-fds)
	if d := floodTime(t); d > 0 {
		again, most := f.keepUp(t, g, c, n, d, openings)
		open = time.Now()
		t.Logf("kept up for %v, %d came again: at most %d B for each", d, again, (most-before)/n)
		if most = (most - before) / n; most > 2*f.most() { // those that were, until they are collected, and those that are
			t.Errorf("each connection costs up to %d B, want at most %d", most, 2*f.most())
		}
	}
	if each > f.most() {
		t.Errorf("each connection costs %d B, want at most %d", each, f.most())
	}
	within := f.within
	if floodTime(t) > 0 { // some came at the last moment; who is idle has a minute
		if within *= 2; within == 0 {
			within = 70 * time.Second
		}
	}
	if within > 0 {
		for g.descriptors(t) > fds+20 && time.Since(open) < within {
			time.Sleep(100 * time.Millisecond)
		}
		if left := g.descriptors(t) - fds; left > 20 {
			t.Errorf("%d descriptors are left after %v", left, within)
		}
		t.Logf("gone after %.1f s", time.Since(open).Seconds())
	}
	close(h.stop)
	h.done.Wait()
	slices.Sort(h.took)
	t.Logf("%d honest requests, half within %v, the slowest %v", len(h.took), h.took[len(h.took)/2], h.took[len(h.took)-1])
	for _, fault := range h.faults {
		t.Error(fault)
	}
}

// crowd is the connections of one flood.
type crowd struct {
	mu    sync.Mutex
	conns []net.Conn // guarded by mu once the dripping has begun
	stop  chan struct{}
	done  sync.WaitGroup
}

func (f *flood) open(t *testing.T, g *siege, n int, openings []string) *crowd {
	c := &crowd{stop: make(chan struct{})}
	for i := range n {
		c.conns = append(c.conns, f.one(t, g, openings[i%len(openings)]))
	}
	if f.drip == "" {
		return c
	}
	c.done.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-c.stop:
				return
			case <-tick.C:
			}
			c.mu.Lock()
			conns := slices.Clone(c.conns)
			c.mu.Unlock()
			for _, nc := range conns {
				nc.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
				io.WriteString(nc, f.drip)
			}
		}
	})
	return c
}

func (f *flood) one(t *testing.T, g *siege, opening string) net.Conn {
	nc, err := net.Dial("tcp", g.listen)
	if err != nil {
		t.Fatal(err)
	}
	if f.deaf {
		nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	}
	if _, err := io.WriteString(nc, opening); err != nil {
		t.Fatal(err)
	}
	return nc
}

// keepUp has as many come again as were cut off, for so long. It reports how
// many, and the most memory that it saw.
func (f *flood) keepUp(t *testing.T, g *siege, c *crowd, n int, lasts time.Duration, openings []string) (again, most int) {
	for began := time.Now(); time.Since(began) < lasts; time.Sleep(500 * time.Millisecond) {
		most = max(most, g.memory(t))
		for left := g.established(t); left < n; left++ {
			nc := f.one(t, g, openings[again%len(openings)])
			c.mu.Lock()
			c.conns = append(c.conns, nc)
			c.mu.Unlock()
			again++
		}
	}
	return again, most
}

// established is how many connections the process has of clients.
func (g *siege) established(t testing.TB) (n int) {
	t.Helper()
	_, port, err := net.SplitHostPort(g.listen)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", g.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(table)) {
		if fields := strings.Fields(l); len(fields) > 3 && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", number)) && fields[3] == "01" {
			n++
		}
	}
	return n
}

func (c *crowd) close() {
	close(c.stop)
	c.done.Wait()
	for _, nc := range c.conns {
		nc.(*net.TCPConn).SetLinger(0)
		nc.Close()
	}
}

// honest is people at work meanwhile.
type honest struct {
	g      *siege
	cookie string
	stop   chan struct{}
	done   sync.WaitGroup

	mu     sync.Mutex
	took   []time.Duration
	faults []string
}

func (h *honest) run(people int) {
	for range people {
		h.done.Go(func() {
			for {
				select {
				case <-h.stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				began := time.Now()
				err := h.once()
				h.mu.Lock()
				if h.took = append(h.took, time.Since(began)); err != nil && len(h.faults) < 10 {
					h.faults = append(h.faults, err.Error())
				}
				h.mu.Unlock()
			}
		})
	}
}

func (h *honest) once() error {
	req, err := http.NewRequest("POST", h.g.origin+"/reports/honest", strings.NewReader("some words"))
	if err != nil {
		return err
	}
	req.Header.Set("Cookie", h.cookie)
	res, err := plain.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || string(body) != "ok" {
		return fmt.Errorf("an honest request was answered %s %q %v", res.Status, body, err)
	}
	return nil
}

// memory is the process's own resident memory, in bytes.
func (p *proxy) memory(t testing.TB) int {
	t.Helper()
	return p.statusField(t, "RssAnon:")
}

// statusField reads a size from /proc/PID/status, in bytes.
func (p *proxy) statusField(t testing.TB, name string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), name)
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// descriptors is how many it has open.
func (p *proxy) descriptors(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "fd"))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
