package fastproxy

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/loop"
)

// needLanes skips where goroutines carry everything.
func needLanes(t testing.TB, p *testProxy) {
	t.Helper()
	if len(p.lanes) == 0 {
		t.Skip("the portable engine has no lanes")
	}
}

// answerBytes answers every head on a connection in the same way, without
// allocating.
func answerBytes(c net.Conn, answer []byte) {
	buf := make([]byte, 64<<10)
	for n := 0; ; {
		k, err := c.Read(buf[n:])
		if err != nil {
			return
		}
		if n += k; bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
			n = 0
			c.Write(answer)
		}
	}
}

func TestARequestOnALaneAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 512\r\nDate: Sat, 21 Nov 2026 20:00:00 GMT\r\n\r\n" + strings.Repeat("x", 512))
	s := startBackend(t, func(c net.Conn) { answerBytes(c, answer) })
	p := startProxy(t, s.env(), "")
	needLanes(t, p)
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request := []byte("GET /reports/app/shared/x.js HTTP/1.1\r\nHost: localhost:3000\r\n" + strings.Join(browserLines, "\r\n") + "\r\nCookie: " + p.tina(t) + "\r\n\r\n")
	got := make([]byte, len(answer))
	once := func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 { // what is kept for use again is made
		once()
	}
	if allocs := testing.AllocsPerRun(2000, once); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
	if n := p.figure(t, "fastproxy_engine_requests_total", "engine", "loop"); n < 2000 {
		t.Errorf("%v requests were answered by a lane", n)
	}
}

func TestALargeBodyIsSplicedWhole(t *testing.T) {
	body := make([]byte, 8<<20+12345)
	for i := range body {
		body[i] = byte(i * 7 / 3)
	}
	head := []byte("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n")
	s := startBackend(t, func(c net.Conn) {
		buf := make([]byte, 64<<10)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			c.Write(head)
			c.Write(body)
		}
	})
	p := startProxy(t, s.env(), "")
	needLanes(t, p)
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	request := "GET /reports/session/0/download/x HTTP/1.1\r\nHost: localhost:3000\r\nCookie: " + p.tina(t) + "\r\n\r\n"
	for range 3 { // on one connection: nothing is left behind, or over
		io.WriteString(c, request)
		got := make([]byte, len(head)+len(body))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got[:len(head)], head) || !bytes.Equal(got[len(head):], body) {
			t.Fatalf("%v; the head: %q; the same body: %v", err, got[:len(head)], bytes.Equal(got[len(head):], body))
		}
	}
	spliced := func() (n int64) {
		for _, l := range p.lanes {
			n += l.loop.Stats().Spliced
		}
		return n
	}
	for end := time.Now().Add(patient); spliced() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing was spliced")
		}
	}
}

// inOneTurn has the lane of the one client there is hear of two things in one
// turn: of what the client says, and behind it of what becomes of the connection
// to Shiny that waits to be used again.
func (d *door) inOneTurn(client, shiny func()) {
	happened := make(chan struct{})
	for _, l := range d.lanes {
		l.loop.Post(func() {
			clientFD, spare := -1, -1
			l.loop.Each(func(key loop.Key, h loop.Handler) {
				switch h.(type) {
				case *strand:
					spare = l.loop.FD(key)
				case *caller:
					clientFD = l.loop.FD(key)
				}
			})
			if clientFD < 0 || spare < 0 {
				return
			}
			var one [1]byte
			arrives := func(fd int) {
				for end := time.Now().Add(patient); time.Now().Before(end); time.Sleep(time.Millisecond) {
					if _, err := loop.Peek(fd, one[:]); err != loop.ErrAgain {
						return
					}
				}
			}
			client()
			arrives(clientFD)
			shiny()
			arrives(spare)
			close(happened)
		})
	}
	select {
	case <-happened:
	case <-time.After(patient):
		d.t.Fatal("no lane has a client and a connection to Shiny that waits")
	}
}

// The loop hears of the request first, and would take the connection for it, as
// it did until the commit that brought this test.
func TestAConnectionThatEndsOrTalksInTheTurnOfTheNextRequestIsNotUsedForIt(t *testing.T) {
	for name, meanwhile := range map[string]func(s *peer){
		"closed":                          func(s *peer) { s.close() },
		"closed its half":                 func(s *peer) { s.closeWrite() },
		"an answer that nobody asked for": func(s *peer) { io.WriteString(s.nc, "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nsomebody else's") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, nil, nil)
			needLanes(t, d.testProxy)
			c := d.dial()
			c.say(d.request("DELETE /reports/")) // which is not tried twice
			s := d.shiny.accept()
			s.head()
			s.say("HTTP/1.1 204 No Content\r\n\r\n")
			c.want("HTTP/1.1 204 No Content\r\n\r\n")
			d.eventuallyIdle(1)
			d.inOneTurn(func() { io.WriteString(c.nc, d.request("DELETE /reports/next")) }, func() { meanwhile(s) })
			s = d.shiny.accept()
			s.wantHead("DELETE /next HTTP/1.1")
			s.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nours")
			c.want("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nours")
		})
	}
}
