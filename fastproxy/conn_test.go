package fastproxy

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestSlowHeadIsCut(t *testing.T) {
	d := startDoor(t, nil, func(p *Proxy) { p.limits.head = 20 * time.Millisecond })
	for _, head := range []string{"G", "GET /reports/ HTTP/1.1\r\nHost: x\r\n", "GET /reports/ HTTP/1.1\r\nX: " + strings.Repeat("x", 6000)} {
		c0 := d.dial()
		c0.say(head)
		c0.wantHead("HTTP/1.1 408 Request Timeout", "Connection: close")
		io.Copy(io.Discard, c0.r)
		c0.wantEnd("")
	}
	d.shiny.wantConns(0)
}

func TestWhoIsCutForSlownessCannotStayByDripping(t *testing.T) {
	d := startDoor(t, nil, func(p *Proxy) {
		p.limits.head, p.limits.paceStart, p.limits.paceMost, p.limits.lingerSlow = 20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond
		p.limits.linger, p.limits.lingerQuiet = time.Hour, time.Hour
	})
	for _, said := range []string{
		"GET /reports/ HTTP/1.1\r\nX: ",
		d.request("POST /reports/", "Content-Length: 1000000"),
		d.request("POST /.fastproxy/password", "Content-Length: 1000", "Content-Type: application/x-www-form-urlencoded"),
	} {
		c0 := d.dial()
		c0.say(said)
		c0.head() // the answer
		var err error
		for err == nil {
			time.Sleep(time.Millisecond)
			_, err = io.WriteString(c0.nc, "x")
		}
		if isTimeout(err) {
			t.Errorf("%.30q: it is still there", said)
		}
	}
}

func TestIdleConnectionIsClosedWithoutAWord(t *testing.T) {
	d := startDoor(t, nil, func(p *Proxy) { p.limits.idle = 20 * time.Millisecond })
	c0 := d.dial()
	c0.wantEnd("")
	c0 = d.dial()
	c0.say(d.request("GET /.fastproxy/session"))
	c0.wantAnswer("200 OK")
	c0.wantEnd("")
}

func TestSlowBodyIsCut(t *testing.T) {
	for name, adjust := range map[string]func(*limits){
		"that never began": func(l *limits) { l.paceStart = 20 * time.Millisecond },
		"that stopped": func(l *limits) {
			l.paceStart, l.paceMost, l.paceBytes = 20*time.Millisecond, 20*time.Millisecond, 1<<40
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, nil, func(p *Proxy) { adjust(&p.limits) })
			c0 := d.dial()
			c0.say(d.request("POST /reports/", "Content-Length: 1000"))
			s := d.shiny.accept()
			s.head()
			if name == "that stopped" {
				c0.say("a")
				s.want("a")
			}
			s.wantGone()
			c0.wantAnswer("408 Request Timeout")
			c0.wantEnd("")
		})
	}
}

// Forms are read before anybody is known.
func TestSlowFormIsCut(t *testing.T) {
	d := startDoor(t, nil, func(p *Proxy) { p.limits.paceStart, p.limits.paceMost = 20*time.Millisecond, 20*time.Millisecond })
	c0 := d.dial()
	c0.say(d.requestBy("", "POST /.fastproxy/password", "Content-Length: 1000", "Origin: http://localhost:3000"), "user=")
	if h := c0.head(); !strings.HasPrefix(h, "HTTP/1.1 4") || !strings.Contains(h, "Connection: close") {
		t.Errorf("client was told %q", h)
	}
	io.Copy(io.Discard, c0.r)
	c0.wantEnd("")
}

func TestReaderThatStallsIsCut(t *testing.T) {
	for name, line := range map[string]string{"chunked": "Transfer-Encoding: chunked", "until it closes": "X: y"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, nil, func(p *Proxy) { p.limits.paceStart, p.limits.paceMost = 100*time.Millisecond, 100*time.Millisecond })
			c0 := d.dial()
			c0.say(d.request("GET /reports/"))
			s := d.shiny.accept()
			s.head()
			s.say("HTTP/1.1 200 OK\r\n" + line + "\r\n\r\n")
			for piece := "10000\r\n" + strings.Repeat("x", 0x10000) + "\r\n"; ; {
				if _, err := io.WriteString(s.nc, piece); err != nil {
					if isTimeout(err) {
						t.Fatal("shiny still waits for the client to read")
					}
					break
				}
			}
			c0.wantBroken() // and not an end that looks like the answer's
		})
	}
}

// What the kernels on the way take, nobody has read.
func TestReaderEarnsNothingByFullBuffers(t *testing.T) {
	d := startDoor(t, nil, func(p *Proxy) {
		p.limits.paceStart, p.limits.paceMost, p.limits.paceLook = 50*time.Millisecond, time.Hour, 10*time.Millisecond
	})
	c0 := d.dial()
	c0.say(d.request("GET /reports/"))
	s := d.shiny.accept()
	s.head()
	s.say("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
	for piece := strings.Repeat("x", 0x10000); ; {
		if _, err := io.WriteString(s.nc, piece); err != nil {
			if isTimeout(err) {
				t.Fatal("shiny still waits for the client to read")
			}
			break
		}
	}
	if got := len(c0.wantBroken()); got > freeBytes {
		t.Errorf("%d bytes were taken for a client that reads nothing", got)
	}
}

func TestRequestsSentAheadAreAnsweredInOrder(t *testing.T) {
	d := startDoor(t, nil, quickly)
	c0 := d.dial()
	form := "token=x&user=tina&password=wrong"
	c0.say(d.request("POST /reports/1", "Transfer-Encoding: chunked") + "5\r\nGET /\r\n0\r\nX: y\r\n\r\n" +
		d.request("POST /reports/2", "Content-Length: 5") + "GET /" +
		d.request("DELETE /reports/3") +
		d.requestBy("", "POST /.fastproxy/password", "Transfer-Encoding: chunked", "Origin: http://localhost:3000") +
		"8\r\n" + form[:8] + "\r\n18;x=y\r\n" + form[8:] + "\r\n0\r\n\r\n" +
		d.requestBy("", "GET /.fastproxy/five") +
		d.request("HEAD /reports/6") +
		d.request("GET /reports/7", "Connection: close") +
		d.request("GET /reports/8"))
	s := d.shiny.accept()
	for n, body := range []string{"5\r\nGET /\r\n0\r\n\r\n", "GET /", ""} {
		if n == 1 && len(d.lanes) > 0 { // only the first is a worker's, and lanes have their own connections
			s = d.shiny.accept()
		}
		answer := "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + string(rune('1'+n))
		if h := s.head(); !strings.Contains(h, " /"+string(rune('1'+n))+" HTTP/1.1\r\n") {
			t.Fatalf("shiny was told %q", h)
		}
		s.want(body)
		s.say(answer)
		c0.want(answer)
	}
	if h := c0.head(); !strings.HasPrefix(h, "HTTP/1.1 4") || strings.Contains(h, "Connection: close") {
		t.Fatalf("client was told %q for its form", h)
	} else {
		io.CopyN(io.Discard, c0.r, int64(contentLength(h)))
	}
	c0.wantAnswer("404 Not Found")
	s.wantHead("HEAD /6 HTTP/1.1")
	s.say("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n")
	c0.want("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n")
	s = d.shiny.accept() // not the one that may still send a body
	s.wantHead("GET /7 HTTP/1.1")
	s.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7")
	c0.want("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n7")
	c0.wantEnd("")
}

func TestManyRequestsSentAheadBehindAChunkedBody(t *testing.T) {
	d := startDoor(t, nil, nil)
	c0 := d.dial()
	const many = 200
	all := d.request("POST /reports/first", "Transfer-Encoding: chunked") + "1\r\nx\r\n0\r\n\r\n" + strings.Repeat(d.requestBy("", "GET /.fastproxy/unknown"), many)
	go io.WriteString(c0.nc, all)
	s := d.shiny.accept()
	s.head()
	s.want("1\r\nx\r\n0\r\n\r\n")
	s.say("HTTP/1.1 204 No Content\r\n\r\n")
	c0.want("HTTP/1.1 204 No Content\r\n\r\n")
	for range many {
		c0.wantAnswer("404 Not Found")
	}
	c0.closeWrite()
	c0.wantEnd("")
}

func TestHeadsMayComeByteByByte(t *testing.T) {
	d := startDoor(t, nil, nil)
	c0 := d.dial()
	for range 2 {
		for _, b := range d.requestBy("", "GET /.fastproxy/unknown", "X-Long: "+strings.Repeat("x", 5000)) {
			c0.say(string(b))
		}
		c0.wantAnswer("404 Not Found")
	}
	c0.say("GET /" + strings.Repeat("x", maxHeadBytes))
	c0.wantHead("HTTP/1.1 431 Request Header Fields Too Large")
}

func TestLargestHeadIsServedAndTheNextLargerIsNot(t *testing.T) {
	d := startDoor(t, nil, nil)
	bare := d.requestBy("", "GET /.fastproxy/unknown", "X: ")
	for over, status := range map[int]string{0: "404 Not Found", 1: "431 Request Header Fields Too Large"} {
		for name, pieces := range map[string]int{"at once": 1, "in pieces": 7} {
			c0 := d.dial()
			head := strings.Replace(bare, "X: ", "X: "+strings.Repeat("x", maxHeadBytes-len(bare)+over), 1)
			for i := range pieces {
				c0.say(head[len(head)*i/pieces : len(head)*(i+1)/pieces])
			}
			if h := c0.head(); !strings.HasPrefix(h, "HTTP/1.1 "+status) {
				t.Errorf("%s: a head of %d bytes was told %q", name, len(head), h)
			}
		}
	}
}

// A client that talks on behind its last answer must still be able to read it.
func TestLastAnswerIsReadBeforeTheConnectionEnds(t *testing.T) {
	d := startDoor(t, nil, nil)
	c0 := d.dial()
	c0.say(d.requestBy("", "POST /reports/", "Content-Length: 100000000"))
	for range 200 {
		c0.say(strings.Repeat("x", 32<<10))
	}
	c0.wantAnswer("401 Unauthorized")
	c0.wantEnd("")
	d.shiny.wantConns(0)
}
