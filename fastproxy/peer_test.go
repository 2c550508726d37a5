package fastproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// patient is how long a test waits for what must happen.
const patient = 20 * time.Second

// peer is the far end of one connection, a browser's or Shiny's, played by
// the test's own goroutine: so a script says what happens after what.
type peer struct {
	t    testing.TB
	name string
	nc   net.Conn
	r    *bufio.Reader
}

func newPeer(t testing.TB, name string, nc net.Conn) *peer {
	nc.SetDeadline(time.Now().Add(patient))
	t.Cleanup(func() { nc.Close() })
	return &peer{t, name, nc, bufio.NewReader(nc)}
}

// say sends the pieces, each by a write of its own.
func (p *peer) say(pieces ...string) {
	p.t.Helper()
	for _, s := range pieces {
		if _, err := io.WriteString(p.nc, s); err != nil {
			p.t.Fatalf("%s cannot say %.60q: %v", p.name, s, err)
		}
	}
}

// want reads the next bytes, which must be these.
func (p *peer) want(s string) {
	p.t.Helper()
	b := make([]byte, len(s))
	n, err := io.ReadFull(p.r, b)
	if string(b[:n]) != s {
		p.t.Fatalf("%s was told %q (%v), want %q", p.name, b[:n], err, s)
	}
}

// head reads a head through its empty line.
func (p *peer) head() string {
	p.t.Helper()
	var head strings.Builder
	for {
		l, err := p.r.ReadString('\n')
		head.WriteString(l)
		if err != nil {
			p.t.Fatalf("%s was told %q and then %v, want a head", p.name, head.String(), err)
		}
		if l == "\r\n" {
			return head.String()
		}
	}
}

// wantHead reads a head that begins so and holds these lines.
func (p *peer) wantHead(first string, lines ...string) string {
	p.t.Helper()
	h := p.head()
	if !strings.HasPrefix(h, first+"\r\n") {
		p.t.Fatalf("%s was told %q, want %q first", p.name, h, first)
	}
	for _, l := range lines {
		if !strings.Contains(h, "\r\n"+l+"\r\n") {
			p.t.Fatalf("%s was told %q, want the line %q in it", p.name, h, l)
		}
	}
	return h
}

// wantAnswer reads an answer of ours, or one with a Content-Length, and
// returns its body.
func (p *peer) wantAnswer(status string) string {
	p.t.Helper()
	h := p.wantHead("HTTP/1.1 " + status)
	b := make([]byte, contentLength(h))
	if _, err := io.ReadFull(p.r, b); err != nil {
		p.t.Fatalf("%s: the body of %q ended with %v", p.name, h, err)
	}
	return string(b)
}

func contentLength(head string) (n int) {
	for _, l := range strings.Split(strings.ToLower(head), "\r\n") {
		fmt.Sscanf(l, "content-length: %d", &n)
	}
	return n
}

// wantEnd reads to the end of the connection, which must be these bytes and an
// orderly close.
func (p *peer) wantEnd(rest string) {
	p.t.Helper()
	b, err := io.ReadAll(p.r)
	if string(b) != rest || err != nil {
		p.t.Fatalf("%s was told %q and then %v, want %q and then the end", p.name, b, err, rest)
	}
}

// wantBroken reads to the end of the connection, which must not be an orderly one.
func (p *peer) wantBroken() string {
	p.t.Helper()
	b, err := io.ReadAll(p.r)
	if err == nil || isTimeout(err) {
		p.t.Fatalf("%s was told %q and then %v, want a reset", p.name, b, err)
	}
	return string(b)
}

// wantGone waits until the other side has left, in whatever way.
func (p *peer) wantGone() {
	p.t.Helper()
	if b, err := io.ReadAll(p.r); len(b) > 0 || isTimeout(err) {
		p.t.Fatalf("%s was told %q and then %v, want the end", p.name, b, err)
	}
}

func (p *peer) close() { p.nc.Close() }

// closeWrite ends what this side says.
func (p *peer) closeWrite() { p.nc.(interface{ CloseWrite() error }).CloseWrite() }

// shinyStub is a Shiny whose connections the test plays itself.
type shinyStub struct {
	*backend
	t     testing.TB
	conns chan net.Conn
	count atomic.Int32
}

func startShiny(t testing.TB) *shinyStub {
	s := &shinyStub{t: t, conns: make(chan net.Conn, 64)}
	over := make(chan struct{})
	s.backend = startBackend(t, func(c net.Conn) {
		s.count.Add(1)
		s.conns <- c
		<-over // startBackend closes c when this returns
	})
	t.Cleanup(func() { close(over) }) // before startBackend's, which waits
	return s
}

// accept returns the next connection that the proxy makes.
func (s *shinyStub) accept() *peer {
	s.t.Helper()
	select {
	case c := <-s.conns:
		return newPeer(s.t, "shiny", c)
	case <-time.After(patient):
		s.t.Fatal("the proxy made no further connection")
		return nil
	}
}

// wantConns checks how many connections the proxy has made so far.
func (s *shinyStub) wantConns(n int32) {
	s.t.Helper()
	if got := s.count.Load(); got != n {
		s.t.Fatalf("the proxy made %d connections, want %d", got, n)
	}
}

// door is a proxy, the Shiny behind it, and who is signed in.
type door struct {
	*testProxy
	shiny  *shinyStub
	t      testing.TB
	cookie string
}

// startDoor starts both. The variables, and adjust, may be nil.
func startDoor(t testing.TB, env map[string]string, adjust func(*Proxy)) *door {
	t.Helper()
	s := startShiny(t)
	all := s.env()
	all["COOKIE_SECRET"] = ""
	for k, v := range env {
		all[k] = v
	}
	p := startProxyWith(t, all, "", adjust)
	return &door{testProxy: p, shiny: s, t: t, cookie: p.tina(t)}
}

// dial connects a browser.
func (d *door) dial() *peer {
	d.t.Helper()
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	return newPeer(d.t, "client", c)
}

// request is a head of tina's: "GET /reports/", then further lines.
func (d *door) request(what string, lines ...string) string {
	return d.requestBy(d.cookie, what, lines...)
}

func (d *door) requestBy(cookie, what string, lines ...string) string {
	if !strings.Contains(what, " HTTP/") {
		what += " HTTP/1.1"
	}
	all := append([]string{what, "Host: localhost:3000"}, lines...)
	if cookie != "" {
		all = append(all, "Cookie: "+cookie)
	}
	return strings.Join(all, "\r\n") + "\r\n\r\n"
}

// quickly makes the watching of clients begin at once.
func quickly(p *Proxy) { p.limits.watch = time.Microsecond }

// eventually waits until something is so.
func (d *door) eventually(what string, so func() bool) {
	d.t.Helper()
	for end := time.Now().Add(patient); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			d.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// eventuallyLogged waits for a log line that holds all of these.
func (d *door) eventuallyLogged(parts ...string) {
	d.t.Helper()
	d.eventually("a log line with "+strings.Join(parts, " and "), func() bool {
		for _, l := range strings.Split(d.log.String(), "\n") {
			n := 0
			for _, part := range parts {
				if strings.Contains(l, part) {
					n++
				}
			}
			if n == len(parts) {
				return true
			}
		}
		return false
	})
}
