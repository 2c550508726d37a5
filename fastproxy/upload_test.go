package fastproxy

import (
	"io"
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
