package fastproxy

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/loop"
	"fastproxy/fastproxy/relay"
	"fastproxy/fastproxy/shiny"
	"fastproxy/fastproxy/upstream"
)

func TestStopLetsAnswersFinishAndClosesTheRest(t *testing.T) {
	d := startDoor(t, nil, quickly)
	idle := d.dial()
	idle.say(d.request("GET /.fastproxy/session"))
	idle.wantAnswer("200 OK")
	fresh := d.dial()
	computing := d.dial()
	computing.say(d.request("GET /reports/slow"))
	slow := d.shiny.accept()
	slow.head()
	download := d.dial()
	download.say(d.request("GET /reports/session/x/download/1"))
	file := d.shiny.accept()
	file.head()
	file.say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
	download.want("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
	stream, poll := d.xhrStreaming()
	socket := d.dial()
	socket.say(d.handshake(plainSocket, fromOurs))
	s := d.shiny.accept()
	s.head()
	s.say(switching)
	socket.want(switched)

	stopped := make(chan struct{})
	go func() {
		d.stop()
		close(stopped)
	}()
	idle.wantEnd("")
	fresh.wantEnd("")
	stream.wantBroken() // Shiny Server's client resumes after an accident
	poll.wantGone()
	if c, err := net.Dial("tcp", d.addr); err == nil {
		t.Error("it still listens")
		c.Close()
	}
	// Tunnels live until the process is ready to go: the next one listens then.
	socket.say(hello)
	s.want(hello)
	slow.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
	computing.want("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone")
	computing.wantEnd("")
	computing.close()
	file.say("def")
	download.want("def")
	download.wantEnd("")
	download.close()
	socket.wantEnd("") // without a Close frame
	s.wantGone()
	socket.close()
	s.close()
	<-stopped
}

func TestStopEndsWhatDoesNotEndByItself(t *testing.T) {
	d := startDoor(t, nil, func(p *Proxy) { p.limits.drain = 50 * time.Millisecond })
	c0 := d.dial()
	c0.say(d.request("GET /reports/endless"))
	s := d.shiny.accept()
	s.head()
	s.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n")
	c0.head()
	c1 := d.dial()
	c1.say(d.request("POST /reports/upload", "Content-Length: 100"), "hello")
	s1 := d.shiny.accept()
	s1.head()
	c2 := d.dial() // talks ahead, so nobody watches it
	c2.say(d.request("GET /reports/slow") + d.request("GET /reports/next"))
	s2 := d.shiny.accept()
	s2.head()
	d.stop()
	c0.want("1\r\n")
	c0.wantGone()
	s.wantGone()
	s1.want("hello")
	s1.wantGone()
	s2.wantGone()
}

func TestPanicCostsItsOwnRequestOnly(t *testing.T) {
	d := startDoor(t, nil, func(p *Proxy) { p.sockets = nil })
	other := d.dial()
	other.say(d.request("GET /reports/slow"))
	s := d.shiny.accept()
	s.head()

	c0 := d.dial()
	c0.say(d.request("GET /reports/app/__sockjs__/n=abcdefghijklmnopqr/info"))
	if body := c0.wantAnswer("500 Internal Server Error"); !strings.Contains(body, `"request_id":"`) || strings.Contains(body, "goroutine") {
		t.Errorf("client was told %q", body)
	}
	c0.wantEnd("")
	d.eventuallyLogged("panic while answering", "http.request.id", "sockets.go")

	s.say("HTTP/1.1 204 No Content\r\n\r\n")
	other.want("HTTP/1.1 204 No Content\r\n\r\n")
}

// TestPanicBehindAnotherRequestCostsItsOwnRequestOnly: on a lane it happens as
// a worker gives the connection back, and ended the process until the commit
// that brought this test, as the next two did.
func TestPanicBehindAnotherRequestCostsItsOwnRequestOnly(t *testing.T) {
	d := startDoor(t, nil, func(p *Proxy) { p.sockets = nil })
	other := d.dial()
	other.say(d.request("GET /reports/slow"))
	s := d.shiny.accept()
	s.head()

	c0 := d.dial()
	c0.say(d.request("GET /.fastproxy/session") + d.request("GET /reports/app/__sockjs__/n=abcdefghijklmnopqr/info"))
	c0.wantAnswer("200 OK")
	c0.wantAnswer("500 Internal Server Error")
	c0.wantEnd("")

	s.say("HTTP/1.1 204 No Content\r\n\r\n")
	other.want("HTTP/1.1 204 No Content\r\n\r\n")
}

// TestPanicBesideShinyCostsItsOwnRequestOnly: Shiny has the request, or begins
// to answer.
func TestPanicBesideShinyCostsItsOwnRequestOnly(t *testing.T) {
	for name, twice := range map[string]bool{"once": false, "and as it is told": true} {
		t.Run(name, func(t *testing.T) {
			d := startDoor(t, nil, nil)
			needLanes(t, d.testProxy)
			other := d.dial()
			other.say(d.request("GET /reports/slow"))
			slow := d.shiny.accept()
			slow.head()

			c0 := d.dial()
			c0.say(d.request("POST /reports/app/__sockjs__/n=abcdefghijklmnopqr/000/abc/xhr_send", "Content-Length: 4"), "[")
			s := d.shiny.accept()
			s.head()
			s.want("[")
			d.spoil("xhr_send", func(e *errand) {
				e.s = nil // the head of an answer is not to be written
				if twice {
					e.x.route.leave = func() { panic("again") }
				}
			})
			s.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
			if twice {
				c0.wantGone()
			} else {
				c0.wantAnswer("500 Internal Server Error")
				c0.wantEnd("")
			}
			s.wantGone()
			d.eventuallyLogged("panic while answering", "http.request.id", "errand_answer.go")
			if n := d.registry.Streams(); n != 0 {
				t.Errorf("%d streams are bound", n)
			}

			slow.say("HTTP/1.1 204 No Content\r\n\r\n")
			other.want("HTTP/1.1 204 No Content\r\n\r\n")
		})
	}
}

// spoil finds the errand of a target that ends so.
func (d *door) spoil(target string, how func(*errand)) {
	done := make(chan struct{})
	for _, l := range d.lanes {
		l.loop.Post(func() {
			l.loop.Each(func(_ loop.Key, h loop.Handler) {
				if c, ok := h.(*caller); ok && c.errand != nil && strings.HasSuffix(string(c.errand.x.head.target), target) {
					how(c.errand)
					close(done)
				}
			})
		})
	}
	select {
	case <-done:
	case <-time.After(patient):
		d.t.Fatal("no such errand")
	}
}

func TestPanicOfAnInspectorCostsItsOwnTunnelOnly(t *testing.T) {
	d := startDoor(t, nil, nil)
	e := &tunnelEnd{p: d.Proxy, kind: shiny.KindSockJSRaw}
	opens := shiny.NewOpens(e.kind, false, func([]byte) bool { panic("a fault") })
	frame := maskedFrame(0x81, "0|o|x", [4]byte{1, 2, 3, 4})
	if pass, bye := e.inspector(opens)(frame); pass != 0 || bye == nil {
		t.Errorf("%d bytes pass, and the farewell is %v", pass, bye)
	}
	d.eventuallyLogged("panic while answering", "a fault")
}

func TestPanicOfAnUploadCostsItsOwnRequestOnly(t *testing.T) {
	d := startDoor(t, nil, nil)
	far, near := net.Pipe()
	defer far.Close()
	x := &exchange{id: "0123", body: bodyReader{left: 5, pace: pace{limits: &d.limits}}} // and no connection to read from
	tr := &transfer{p: d.Proxy, x: x, uc: &upstream.Conn{Conn: near}, uploaded: make(chan struct{})}
	tr.upload(nil)
	if why := tr.dropped.Load(); why == nil || *why != errUpload {
		t.Errorf("dropped for %v", why)
	}
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("shiny's connection ended with %v", err)
	}
	d.eventuallyLogged("panic while answering", `"http.request.id":"0123"`)
}

func TestNothingIsLeftOpen(t *testing.T) {
	before := openDescriptors(t)
	t.Run("", func(t *testing.T) {
		d := startDoor(t, nil, quickly)
		for range 20 {
			c0 := d.dial() // an answer, then gone
			c0.say(d.request("GET /reports/"))
			s := d.shiny.accept()
			s.head()
			s.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
			c0.want("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			c0.close()

			c0 = d.dial() // gone while Shiny computes
			c0.say(d.request("POST /reports/", "Content-Length: 2"), "ok")
			s = d.shiny.accept()
			s.head()
			c0.close()

			c0 = d.dial() // answered early
			c0.say(d.request("POST /reports/", "Content-Length: 20"), "ok")
			s = d.shiny.accept()
			s.head()
			s.say(tooLarge)
			c0.wantAnswer("413 Payload Too Large")
			c0.close()

			c0 = d.dial() // Shiny hangs up
			c0.say(d.request("GET /reports/"))
			d.shiny.accept().close()
			c0.wantAnswer("502 Bad Gateway")
			c0.close()

			c0 = d.dial() // a tunnel
			c0.say(d.handshake(plainSocket, fromOurs))
			s = d.shiny.accept()
			s.head()
			s.say(switching + hello)
			c0.want(switched + hello)
			c0.close()
			s.wantGone()
			s.close()
		}
		d.eventually("every connection and tunnel to be over", func() bool {
			d.conns.mu.Lock()
			defer d.conns.mu.Unlock()
			return len(d.conns.all) == 0 && d.relay.Stats() == (relay.Totals{Joined: 20, BackendBytes: 20 * uint64(len(hello))}) && d.registry.Streams() == 0
		})
	})
	for end := time.Now().Add(patient); openDescriptors(t) > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d descriptors are open, %d were before", openDescriptors(t), before)
		}
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(all)
}
