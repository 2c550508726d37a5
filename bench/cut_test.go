//go:build linux

package bench

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fastproxy/fastproxy/loop"
)

// lonely is a client with one connection, which is a socket pair: nothing runs
// its loop, and what it hears is given to take.
func lonely(t testing.TB, speak func(*client) speaker) (c *conn, other int) {
	t.Helper()
	f := &fleet{ctx: context.Background(), begun: time.Now(), live: new(Live),
		site: &site{host: "x", path: "/", shown: "ws://x/", to: netip.MustParseAddrPort("127.0.0.1:1"), timeout: time.Second}}
	cl, err := newClient(f, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	cl.speak = speak(cl)
	cl.closing = true // nothing is connected anew
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	c = &cl.conns[0]
	if c.key, err = cl.loop.Watch(pair[0], c); err != nil {
		t.Fatal(err)
	}
	c.state = connConnecting
	cl.count(&cl.opening, 1)
	t.Cleanup(func() {
		cl.loop.Discard()
		unix.Close(pair[1])
	})
	return c, pair[1]
}

// cut gives b to c in pieces, whose lengths are those of sizes, over and over.
func cut(c *conn, b, sizes []byte) {
	for i := 0; len(b) > 0 && c.state != connOff; i++ {
		n := len(b)
		if len(sizes) > 0 {
			n = min(int(sizes[i%len(sizes)])+1, n)
		}
		c.take(b[:n])
		b = b[n:]
	}
}

func newTestMessages(cl *client) speaker { return newTalk(cl, false, Sizes{40, 40}) }

// conversation is what a server says that echoes two messages of c.
func conversation(c *conn) []byte {
	m := c.client.speak.(*talk)
	key := m.key(c)
	first := append(mark{0, 0, 5}.append(nil), m.filler[markSize:40]...)
	second := append(mark{0, 1, 6}.append(nil), m.filler[markSize:40]...)
	b := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptOf(key) + "\r\n\r\n")
	b = append(b, serverFrame(opText, []byte(`{"config":{"workerId":"","sessionId":"x"}}`))...)
	b = append(b, serverFrame(opText, first)...)
	b = append(b, serverFrame(opPing, []byte("ping"))...)
	part := serverFrame(opText, second[:35])
	part[0] &^= 0x80
	b = append(append(b, part...), serverFrame(opContinuation, second[35:])...)
	return append(b, serverFrame(opText, nil)...)
}

func TestFramesAreReadHoweverTheyAreCut(t *testing.T) {
	for size := range byte(60) {
		c, _ := lonely(t, newTestMessages)
		c.connected()
		if c.state != connGreeting {
			t.Fatalf("state %d", c.state)
		}
		c.sent = 2
		c.client.outstanding = 2
		b := conversation(c)
		cut(c, b, []byte{size})
		if c.state != connReady || c.answered != 2 || c.client.outstanding != 0 || c.client.counts.Wrong != 0 || c.rest != nil {
			t.Fatalf("in pieces of %d: state %d, %d answered, %d wrong, %q left, %v",
				size+1, c.state, c.answered, c.client.counts.Wrong, c.rest, c.client.faults.list())
		}
	}
}

func FuzzServerFramesAtAnyCut(f *testing.F) {
	c, _ := lonely(f, newTestMessages)
	c.connected()
	whole := conversation(c)
	_, frames, _ := strings.Cut(string(whole), "\r\n\r\n")
	f.Add([]byte(frames), []byte{0})
	f.Add([]byte(frames), []byte{3, 1, 40})
	f.Add([]byte("\x88\x05\x03\xe9bye"), []byte{2})
	f.Add([]byte("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffabc"), []byte{})
	f.Add([]byte("\xc1\x00\x81\x80"), []byte{})
	f.Fuzz(func(t *testing.T, b, sizes []byte) {
		whole := readAllFrames(t, b, nil)
		if pieces := readAllFrames(t, b, sizes); pieces != whole {
			t.Errorf("in pieces %s, whole %s", pieces, whole)
		}
	})
}

// readAllFrames says what a connection makes of frames that come in pieces.
func readAllFrames(t *testing.T, b, sizes []byte) string {
	c, other := lonely(t, newTestMessages)
	c.connected()
	key := c.client.speak.(*talk).key(c)
	c.take([]byte("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + acceptOf(key) + "\r\n\r\n"))
	if c.state != connReady {
		t.Fatal("not ready")
	}
	c.sent, c.client.outstanding = 2, 2
	unix.Shutdown(other, unix.SHUT_RD) // it need not take our Pongs
	cut(c, b, sizes)
	if c.state == connOff {
		return "ended"
	}
	return fmt.Sprint(c.answered, c.client.counts.Wrong, c.frame, c.client.outstanding)
}

func newTestAsking(cl *client) speaker {
	cl.from, cl.to = 1, forever
	return newAsking(cl, &HTTPOptions{Method: "GET", Status: 200, Size: -1})
}

func TestAnswersAreReadHoweverTheyAreCut(t *testing.T) {
	const answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nServer: x\r\ntransfer-encoding: Chunked\r\n\r\n" +
		"5;ext=\"a\"\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: 1\r\n\r\n"
	for size := range byte(len(answer)) {
		c, _ := lonely(t, newTestAsking)
		c.connected()
		a := c.client.speak.(*asking)
		a.write(c, 1)
		cut(c, []byte(answer), []byte{size})
		if c.state != connReady || c.answered != 1 || a.size != 31 || c.client.counts.Answered != 1 || c.rest != nil {
			t.Fatalf("in pieces of %d: state %d, %d answered with %d bytes, %v", size+1, c.state, c.answered, a.size, c.client.faults.list())
		}
	}
}

func FuzzAnswersAtAnyCut(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), []byte{0})
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), []byte{2, 7})
	f.Add([]byte("HTTP/1.0 404 No\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"), []byte{})
	f.Add([]byte("HTTP/1.1 304\r\n\r\n"), []byte{1})
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"), []byte{1})
	f.Fuzz(func(t *testing.T, b, sizes []byte) {
		whole := readAnswer(t, b, nil)
		if pieces := readAnswer(t, b, sizes); pieces != whole {
			t.Errorf("in pieces %s, whole %s", pieces, whole)
		}
	})
}

func readAnswer(t *testing.T, b, sizes []byte) string {
	c, _ := lonely(t, newTestAsking)
	c.connected()
	c.client.speak.(*asking).write(c, 1)
	cut(c, b, sizes)
	if c.state == connOff {
		return fmt.Sprint("ended, answered ", c.answered)
	}
	return fmt.Sprint(c.answered, c.reply.body, c.reply.size, c.reply.left, c.reply.chunks.left, len(c.rest))
}

func TestARoundTripAllocatesNothing(t *testing.T) {
	c, other := lonely(t, newTestMessages)
	c.connected()
	m := c.client.speak.(*talk)
	scratch := make([]byte, 4096)
	loop.Read(other, scratch)
	c.take([]byte("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + acceptOf(m.key(c)) + "\r\n\r\n"))
	back := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() {
		m.send(c, 5)
		n, _ := loop.Read(other, scratch)
		payload := scratch[6:n]
		maskBytes(payload, uint32(scratch[2])|uint32(scratch[3])<<8|uint32(scratch[4])<<16|uint32(scratch[5])<<24)
		back = append(append(back[:0], 0x81, byte(len(payload))), payload...)
		c.take(back)
	}); n != 0 {
		t.Errorf("%v allocations a round trip", n)
	}
	if c.answered != 101 || c.client.counts.Wrong != 0 {
		t.Errorf("%d answered, %d wrong: %v", c.answered, c.client.counts.Wrong, c.client.faults.list())
	}
}
