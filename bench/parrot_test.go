//go:build linux

package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fastproxy/fastproxy/loop"
)

// parrot is a server for the event-driven client: WebSockets whose messages it
// says back, and pages of a size.
//
//	/echo               echo; Pongs, too
//	/status/N           answers N to anything
//	/page/N             N bytes; ?chunked ?close ?until-close ?short ?growing
//	/close/N            closes with code N instead of answering
//	/silent             never answers
//	/mangle             changes a byte
//	/fragments          in two parts, with a Ping between
//	/talks              says 100 kB as often as there is room
type parrot struct {
	loop *loop.Loop
	at   netip.AddrPort

	// owned by the loop
	delay  func() time.Duration // before each answer; nil: none
	late   []lateAnswer         // in order of their time
	alarm  *loop.Alarm
	live   map[loop.Key]*parrotConn
	delays []int64 // that answers really had here, ns

	requests atomic.Int64
}

type lateAnswer struct {
	came, at int64
	to       *parrotConn
	b        []byte
}

// newParrot starts one. It ends with the test, which must leave no goroutine
// and no descriptor behind.
func newParrot(t testing.TB) *parrot {
	t.Helper()
	if first, err := loop.New(loop.Options{}); err == nil {
		first.Discard() // Go's own poller has descriptors from now on
	}
	ignore := goleak.IgnoreCurrent()
	files := filesOf(os.Getpid())
	p, ctx, cancel := &parrot{live: map[loop.Key]*parrotConn{}}, context.Context(nil), context.CancelFunc(nil)
	ctx, cancel = context.WithCancel(context.Background())
	if err := p.listen(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.loop.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, ignore)
		if now := filesOf(os.Getpid()); now != files {
			t.Errorf("%d files open, %d before", now, files)
		}
	})
	return p
}

func (p *parrot) listen() (err error) {
	if p.loop, err = loop.New(loop.Options{}); err != nil {
		return err
	}
	p.alarm = p.loop.NewAlarm(p.answerLate)
	var door int
	if door, p.at, err = loop.Listen(netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		return err
	}
	_, err = p.loop.Watch(door, p)
	return err
}

// on calls f on the parrot's loop and waits for it.
func (p *parrot) on(f func()) {
	done := make(chan struct{})
	p.loop.Post(func() { f(); close(done) })
	<-done
}

func (p *parrot) target(path string) Target {
	return Target{URL: "ws://" + p.at.String() + path, Timeout: 10 * time.Second}
}

// freeze makes the whole server hang.
func (p *parrot) freeze(d time.Duration) {
	p.loop.Post(func() { time.Sleep(d) })
}

// hangUp closes every connection without a word.
func (p *parrot) hangUp() {
	for _, c := range p.live {
		c.close()
	}
}

func (p *parrot) Handle(key loop.Key, ev loop.Events) {
	for ev != loop.Stopped {
		fd, _, err := loop.Accept(p.loop.FD(key))
		if err != nil {
			return
		}
		c := &parrotConn{parrot: p}
		if c.key, err = p.loop.Watch(fd, c); err != nil {
			loop.CloseFD(fd)
			continue
		}
		p.live[c.key] = c
	}
}

func (p *parrot) answerLate(now int64) {
	for len(p.late) > 0 && p.late[0].at <= now {
		a := p.late[0]
		p.late = p.late[1:]
		p.delays = append(p.delays, p.loop.Clock()-a.came)
		a.to.write(a.b)
	}
	if len(p.late) > 0 {
		p.alarm.Set(p.late[0].at)
	}
}

func (p *parrot) say(c *parrotConn, b []byte) {
	if p.delay == nil {
		c.write(b)
		return
	}
	now := p.loop.Clock()
	a := lateAnswer{now, now + int64(p.delay()), c, bytes.Clone(b)}
	i := len(p.late)
	for i > 0 && p.late[i-1].at > a.at {
		i--
	}
	p.late = append(p.late, lateAnswer{})
	copy(p.late[i+1:], p.late[i:])
	p.late[i] = a
	p.alarm.Set(p.late[0].at)
}

type parrotConn struct {
	parrot *parrot
	key    loop.Key
	gone   bool
	in     []byte
	out    []byte
	path   string // of its WebSocket; "": HTTP
	said   int    // /talks: messages
}

func (c *parrotConn) close() {
	if !c.gone {
		c.gone = true
		c.parrot.loop.Close(c.key)
		delete(c.parrot.live, c.key)
	}
}

func (c *parrotConn) write(b []byte) {
	if c.gone {
		return
	}
	c.out = append(c.out, b...)
	for len(c.out) > 0 {
		n, err := loop.Write(c.parrot.loop.FD(c.key), c.out)
		if err == loop.ErrAgain {
			return
		}
		if err != nil {
			c.close()
			return
		}
		c.out = c.out[n:]
	}
	c.out = nil
}

func (c *parrotConn) Handle(key loop.Key, ev loop.Events) {
	if ev == loop.Stopped {
		return
	}
	if ev&loop.Writable != 0 && len(c.out) > 0 {
		c.write(nil)
	}
	c.talk()
	for !c.gone {
		n, err := loop.Read(c.parrot.loop.FD(key), c.parrot.loop.Scratch())
		if err == loop.ErrAgain {
			return
		}
		if err != nil {
			c.close()
			return
		}
		in := append(c.in, c.parrot.loop.Scratch()[:n]...)
		used := c.take(in)
		c.in = bytes.Clone(in[used:])
		if len(c.in) == 0 {
			c.in = nil
		}
	}
}

// talk says more when the last was taken.
func (c *parrotConn) talk() {
	if c.path == "/talks" && !c.gone && len(c.out) == 0 {
		c.said++
		c.write(serverFrame(2, make([]byte, 100_000)))
		if !c.gone && len(c.out) == 0 {
			c.parrot.loop.Again(c.key, loop.Writable)
		}
	}
}

func (c *parrotConn) take(b []byte) (used int) {
	for !c.gone {
		n := 0
		if c.path == "" {
			n = c.takeRequest(b[used:])
		} else {
			n = c.takeFrame(b[used:])
		}
		if n == 0 {
			return used
		}
		used += n
	}
	return used
}

func (c *parrotConn) takeRequest(b []byte) (used int) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0
	}
	head := string(b[:end+2])
	c.parrot.requests.Add(1)
	target := strings.Fields(head)[1]
	path, query, _ := strings.Cut(target, "?")
	if code, ok := strings.CutPrefix(path, "/status/"); ok {
		c.write([]byte("HTTP/1.1 " + code + " As Asked\r\nLocation: /login?secret=1\r\nContent-Length: 0\r\n\r\n"))
		return end + 4
	}
	if count, ok := strings.CutPrefix(path, "/page/"); ok {
		c.page(count, query, strings.HasPrefix(head, "HEAD"))
		return end + 4
	}
	_, key, _ := strings.Cut(head, "Sec-WebSocket-Key: ")
	key, _, _ = strings.Cut(key, "\r\n")
	c.path = path
	c.write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptOf(key) + "\r\n\r\n"))
	c.talk()
	return end + 4
}

func (c *parrotConn) page(count, query string, headOnly bool) {
	n, _ := strconv.Atoi(count)
	body := strings.Repeat("x", n)
	switch {
	case headOnly:
		c.parrot.say(c, []byte("HTTP/1.1 200 OK\r\nContent-Length: "+count+"\r\n\r\n"))
	case query == "chunked":
		c.parrot.say(c, fmt.Appendf(nil, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%s\r\n3\r\nend\r\n0\r\nTrailer: yes\r\n\r\n", n, body))
	case query == "close":
		c.write([]byte("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + count + "\r\n\r\n" + body))
		c.close()
	case query == "until-close":
		c.write([]byte("HTTP/1.1 200 OK\r\n\r\n" + body))
		c.close()
	case query == "short":
		c.write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + body))
		c.close()
	case query == "growing":
		c.write([]byte("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(int(c.parrot.requests.Load())) + "\r\n\r\n" + strings.Repeat("x", int(c.parrot.requests.Load()))))
	default:
		c.parrot.say(c, []byte("HTTP/1.1 200 OK\r\nContent-Length: "+count+"\r\n\r\n"+body))
	}
}

// takeFrame says a whole masked frame back.
func (c *parrotConn) takeFrame(b []byte) (used int) {
	if len(b) < 6 {
		return 0
	}
	size, used := int(b[1]&0x7f), 2
	switch size {
	case 126:
		size, used = int(binary.BigEndian.Uint16(b[2:])), 4
	case 127:
		if len(b) < 10 {
			return 0
		}
		size, used = int(binary.BigEndian.Uint64(b[2:])), 10
	}
	if len(b) < used+4+size {
		return 0
	}
	mask := binary.LittleEndian.Uint32(b[used:])
	used += 4
	payload := bytes.Clone(b[used : used+size])
	maskBytes(payload, mask)
	c.frame(b[0]&0x0f, payload)
	return used + size
}

func (c *parrotConn) frame(op byte, payload []byte) {
	code, closes := strings.CutPrefix(c.path, "/close/")
	switch {
	case op == opClose:
		c.write(serverFrame(opClose, payload))
		c.close()
	case op == opPong || c.path == "/silent":
	case closes:
		n, _ := strconv.Atoi(code)
		c.write(serverFrame(opClose, append(binary.BigEndian.AppendUint16(nil, uint16(n)), "bye"...)))
		c.close()
	case c.path == "/mangle":
		payload[len(payload)-1] ^= 1
		c.write(serverFrame(op, payload))
	case op == opPing:
		c.parrot.say(c, serverFrame(opPong, payload))
	case c.path == "/fragments": // in two, with a Ping between
		first := serverFrame(opText, payload[:40])
		first[0] &^= 0x80
		c.write(append(first, serverFrame(opPing, []byte("there?"))...))
		c.out = append(c.out, serverFrame(opContinuation, payload[40:])...)
		c.write(nil)
	default:
		c.parrot.say(c, serverFrame(op, payload))
	}
}

// serverFrame is a frame without a mask.
func serverFrame(op byte, payload []byte) []byte {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}
