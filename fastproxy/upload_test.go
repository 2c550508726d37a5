package fastproxy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestEveryPieceOfAnUploadReachesShinyBeforeTheNextIsSent(t *testing.T) {
	for name, c := range map[string]struct {
		line   string
		pieces []string
	}{
		"chunked":       {"Transfer-Encoding: chunked", []string{"5\r\nhello\r\n", "1\r\n \r\n", "6\r\nworld!\r\n", "0\r\n\r\n"}},
		"with a length": {"Content-Length: 12", []string{"hello", " ", "wor", "ld!"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, nil, nil)
			c0 := d.dial()
			var s *peer
			for i := range 2 { // the second on the same two connections
				c0.say(d.request("POST /reports/session/x/upload/1?w=", c.line))
				if i == 0 {
					s = d.shiny.accept()
				}
				h := s.wantHead("POST /session/x/upload/1?w= HTTP/1.1", c.line)
				if strings.Contains(h, "Content-Length") == strings.Contains(h, "Transfer-Encoding") {
					t.Fatalf("shiny was told %q", h)
				}
				for _, piece := range c.pieces {
					c0.say(piece)
					s.want(piece)
				}
				s.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
				c0.want("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
			}
			d.shiny.wantConns(1)
		})
	}
}

// tooLarge is what R answers to an upload over its limit, before it read it.
const tooLarge = "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 4\r\n\r\nbig\n"

func TestEarlyAnswerReachesAClientThatIsStillSending(t *testing.T) {
	const more = 8 << 20 // more than all buffers on the way together
	piece := strings.Repeat("x", 64<<10)
	for name, c := range map[string]struct {
		line   string
		piece  string
		hangUp bool // R closes without having read, and so resets
	}{
		"with a length":                   {"Content-Length: 1073741824", piece, false},
		"chunked":                         {"Transfer-Encoding: chunked", "10000\r\n" + piece + "\r\n", false},
		"with a length, and R hangs up":   {"Content-Length: 1073741824", piece, true},
		"chunked, and R hangs up":         {"Transfer-Encoding: chunked", "10000\r\n" + piece + "\r\n", true},
		"asked to continue, R hangs up":   {"Content-Length: 1073741824\r\nExpect: 100-continue", piece, true},
		"asked to continue, R is patient": {"Content-Length: 1073741824\r\nExpect: 100-continue", piece, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, nil, nil)
			c0 := d.dial()
			c0.say(d.request("POST /reports/upload", strings.Split(c.line, "\r\n")...))
			s := d.shiny.accept()
			s.head()
			if strings.Contains(c.line, "Expect") {
				c0.want("HTTP/1.1 100 Continue\r\n\r\n")
			}
			c0.say(c.piece)
			s.r.Peek(100) // some of it has come
			s.say(tooLarge)
			if c.hangUp {
				s.close()
			}
			for sent := 0; sent < more; sent += len(c.piece) {
				c0.say(c.piece) // a reset would end this
			}
			c0.wantHead("HTTP/1.1 413 Payload Too Large", "Connection: close")
			c0.want("big\n")
			c0.wantEnd("")
			if !c.hangUp {
				s.r.Discard(s.r.Buffered())
				io.Copy(io.Discard, s.r) // what was on its way
				s.wantGone()
			}
		})
	}
}

// A final answer may come with the body half sent and the connection go on
// for long; nothing of the upload may then fall into the answer.
func TestContinueIsNeverSaidInsideAnAnswer(t *testing.T) {
	d := startDoor(t, nil, nil)
	for range 50 {
		c0 := d.dial()
		c0.say(d.request("POST /reports/upload", "Content-Length: 10", "Expect: 100-continue"))
		s := d.shiny.accept()
		s.head()
		s.say("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nno\r\n", "0\r\n\r\n")
		got, _ := io.ReadAll(c0.r)
		if want := "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nno\r\n0\r\n\r\n"; string(got) != want {
			t.Fatalf("client was told %q, want %q", got, want)
		}
	}
}

// Some apps answer while they read: what they say of one piece may be what the
// client waits for before it sends the next.
func TestAnswerAndUploadPassAtTheSameTime(t *testing.T) {
	const hello, world = "5\r\nhello\r\n", "6\r\n world\r\n"
	for name, c := range map[string]struct {
		line  string
		piece [3]string
	}{
		"chunked":       {"Transfer-Encoding: chunked", [3]string{hello, world, "0\r\n\r\n"}},
		"with a length": {"Content-Length: 12", [3]string{"hello", " world", "!"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, nil, nil)
			c0 := d.dial()
			c0.say(d.request("POST /reports/echo", c.line))
			s := d.shiny.accept()
			s.head()
			c0.say(c.piece[0])
			s.want(c.piece[0])
			s.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			c0.wantHead("HTTP/1.1 200 OK", "Connection: close")
			s.say(hello)
			c0.want(hello)
			c0.say(c.piece[1])
			s.want(c.piece[1])
			s.say(world)
			c0.want(world)
			c0.say(c.piece[2])
			s.want(c.piece[2])
			s.say("0\r\n\r\n")
			c0.want("0\r\n\r\n")
			c0.wantEnd("")
			d.eventuallyLogged("fastproxy.access", "/reports/echo", `"http.request.body.bytes":1`) // all of it: 11 or 12
		})
	}
}

func TestLargeBodiesPassBothWaysAtTheSameTime(t *testing.T) {
	const size = 16 << 20 // more than all buffers on the way together
	d := startDoor(t, nil, nil)
	c0 := d.dial()
	length := "Content-Length: " + strconv.Itoa(size)
	c0.say(d.request("POST /reports/echo", length))
	s := d.shiny.accept()
	s.head()
	s.say("HTTP/1.1 200 OK\r\n" + length + "\r\n\r\n")
	c0.wantHead("HTTP/1.1 200 OK")
	echoed, sent := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := io.CopyN(s.nc, s.r, size)
		echoed <- err
	}()
	go func() {
		_, err := io.CopyN(c0.nc, rand.NewChaCha8([32]byte{1}), size)
		sent <- err
	}()
	back, want := sha256.New(), sha256.New()
	io.CopyN(want, rand.NewChaCha8([32]byte{1}), size)
	if n, err := io.CopyN(back, c0.r, size); err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	if err := errors.Join(<-echoed, <-sent); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.Sum(nil), want.Sum(nil)) {
		t.Error("other bytes came back than were sent")
	}
	c0.wantEnd("")
}

// Half an upload must not look like a whole one, and so its answer neither.
func TestUploadThatBreaksOffBreaksItsAnswerOff(t *testing.T) {
	for name, c := range map[string]struct {
		line  string
		piece string
		stop  func(*peer)
	}{
		"ends, with a length":   {"Content-Length: 12", "hello", (*peer).closeWrite},
		"ends, chunked":         {"Transfer-Encoding: chunked", "5\r\nhello\r\n", (*peer).closeWrite},
		"stalls, with a length": {"Content-Length: 12", "hello", func(*peer) {}},
		"stalls, chunked":       {"Transfer-Encoding: chunked", "5\r\nhello\r\n", func(*peer) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, nil, func(p *Proxy) {
				if strings.HasPrefix(name, "stalls") {
					p.limits.paceStart, p.limits.paceMost = 100*time.Millisecond, 100*time.Millisecond
				}
			})
			c0 := d.dial()
			c0.say(d.request("POST /reports/echo", c.line) + c.piece)
			s := d.shiny.accept()
			s.head()
			s.want(c.piece)
			s.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nso\r\n")
			c0.wantHead("HTTP/1.1 200 OK")
			c0.want("2\r\nso\r\n")
			c.stop(c0)
			c0.wantBroken()
			s.wantGone()
		})
	}
}

// While the client sends, it is the client who is waited for.
func TestSlowUploadIsNotTakenForASlowShiny(t *testing.T) {
	for name, c := range map[string]struct{ line, piece string }{
		"chunked":       {"Transfer-Encoding: chunked", "5\r\nhello\r\n"},
		"with a length": {"Content-Length: 12", "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, map[string]string{"UPSTREAM_HEADER_TIMEOUT": "50ms"}, nil)
			c0 := d.dial()
			c0.say(d.request("POST /reports/upload", c.line) + c.piece)
			s := d.shiny.accept()
			s.head()
			s.want(c.piece)
			<-time.After(150 * time.Millisecond) // past Shiny's time, well within the client's
			s.say("HTTP/1.1 204 No Content\r\n\r\n")
			c0.wantHead("HTTP/1.1 204 No Content")
		})
	}
}

func TestClientThatLeavesBehindItsUploadIsNoticed(t *testing.T) {
	d := startDoor(t, nil, quickly)
	c0 := d.dial()
	c0.say(d.request("POST /reports/upload", "Content-Length: 12") + "hello")
	s := d.shiny.accept()
	s.head()
	s.want("hello")
	c0.say(" world!")
	c0.close()
	s.want(" world!")
	s.wantGone()
}

func TestExpectIsAnsweredAfterTheDecision(t *testing.T) {
	d := startDoor(t, nil, nil)
	c0 := d.dial()
	c0.say(d.requestBy("", "POST /reports/upload", "Content-Length: 5", "Expect: 100-continue"))
	c0.wantAnswer("401 Unauthorized") // and not 100 first
	c0.wantEnd("")
	d.shiny.wantConns(0)

	c0 = d.dial()
	c0.say(d.request("POST /reports/upload", "Content-Length: 5", "Expect: 100-Continue"))
	s := d.shiny.accept()
	if h := s.head(); strings.Contains(h, "Expect") {
		t.Errorf("shiny was told %q", h)
	}
	c0.want("HTTP/1.1 100 Continue\r\n\r\n")
	c0.say("hello")
	s.want("hello")
	s.say("HTTP/1.1 204 No Content\r\n\r\n")
	c0.want("HTTP/1.1 204 No Content\r\n\r\n")
}

// The deadline of the answer before must not cut the Continue of the next.
func TestContinueIsSaidOnAConnectionThatWasIdleForLong(t *testing.T) {
	d := startDoor(t, nil, func(p *Proxy) { p.limits.paceStart = 20 * time.Millisecond })
	c0 := d.dial()
	c0.say(d.request("GET /reports/"))
	s := d.shiny.accept()
	s.head()
	s.say("HTTP/1.1 204 No Content\r\n\r\n")
	c0.want("HTTP/1.1 204 No Content\r\n\r\n")
	<-time.After(40 * time.Millisecond) // past the write deadline of that answer
	c0.say(d.request("POST /reports/", "Content-Length: 1", "Expect: 100-continue"))
	c0.want("HTTP/1.1 100 Continue\r\n\r\n")
}

func TestBrokenUploadIsNeverPassedOnAsAWholeOne(t *testing.T) {
	for name, c := range map[string]struct {
		line, body string
		passed     string // what Shiny may have got of it
	}{
		"chunk size is no number":    {"Transfer-Encoding: chunked", "5\r\nhello\r\nzz\r\n0\r\n\r\n", "5\r\nhello\r\n"},
		"bare LF behind a size":      {"Transfer-Encoding: chunked", "5\nhello\r\n0\r\n\r\n", ""},
		"chunk longer than its size": {"Transfer-Encoding: chunked", "5\r\nhello!\r\n0\r\n\r\n", ""},
		"trailer without a name":     {"Transfer-Encoding: chunked", "0\r\n: x\r\n\r\n", ""},
		"size overflows":             {"Transfer-Encoding: chunked", "10000000000000000\r\nhello", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, nil, nil)
			c0 := d.dial()
			smuggled := d.request("GET /reports/smuggled")
			c0.say(d.request("POST /reports/", c.line) + c.body + smuggled)
			s := d.shiny.accept()
			s.head()
			if b, err := io.ReadAll(s.r); !strings.HasPrefix(c.passed, string(b)) || isTimeout(err) {
				t.Errorf("shiny was told %q and then %v", b, err)
			}
			if body := c0.wantAnswer("400 Bad Request"); !strings.Contains(body, "upload_broken") {
				t.Errorf("client was told %q", body)
			}
			c0.wantEnd("") // what follows is no request
			d.shiny.wantConns(1)
		})
	}
}
