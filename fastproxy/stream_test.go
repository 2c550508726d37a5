package fastproxy

import (
	"io"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/session"
)

// xhrStreaming opens the SockJS stream that old browsers use.
func (d *door) xhrStreaming() (c0, s *peer) {
	d.t.Helper()
	c0 = d.dial()
	c0.say(d.request("POST /reports/app/__sockjs__/n=abcdefghijklmnopqr/000/abcdefgh/xhr_streaming", "Content-Length: 0"))
	s = d.shiny.accept()
	s.head()
	const begun = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\no\n\r\n"
	s.say(begun)
	c0.want(begun)
	return c0, s
}

const signedOutChunk = "15\r\nc[4500,\"Signed out\"]\n\r\n0\r\n\r\n"

func TestStreamingAnswerEndsWithItsSession(t *testing.T) {
	t.Run("between two chunks", func(t *testing.T) {
		t.Parallel()
		d := startDoor(t, nil, nil)
		c0, s := d.xhrStreaming()
		d.endSessions(session.WhyLogout)
		c0.wantEnd(signedOutChunk)
		s.wantGone()
	})
	t.Run("within a chunk, whose rest comes", func(t *testing.T) {
		t.Parallel()
		d := startDoor(t, nil, func(p *Proxy) { p.limits.farewell = time.Minute })
		c0, s := d.xhrStreaming()
		s.say("6\r\nab")
		c0.want("6\r\nab")
		d.endSessions(session.WhyLogout)
		s.say("cd")
		c0.want("cd")
		s.say("ef\r\n")
		c0.wantEnd("ef\r\n" + signedOutChunk)
		s.wantGone()
	})
	t.Run("within a chunk, whose rest never comes", func(t *testing.T) {
		t.Parallel()
		d := startDoor(t, nil, func(p *Proxy) { p.limits.farewell = 20 * time.Millisecond })
		c0, s := d.xhrStreaming()
		s.say("6\r\nab")
		c0.want("6\r\nab")
		d.endSessions(session.WhyLogout)
		if got := c0.wantBroken(); got != "" {
			t.Errorf("client was told %q", got)
		}
		s.wantGone()
	})
	t.Run("while the client does not read", func(t *testing.T) {
		t.Parallel()
		d := startDoor(t, nil, func(p *Proxy) { p.limits.farewell = 20 * time.Millisecond })
		_, s := d.xhrStreaming()
		s.nc.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		for piece := "10000\r\n" + strings.Repeat("x", 0x10000) + "\r\n"; ; {
			if _, err := io.WriteString(s.nc, piece); err != nil {
				break // all buffers on the way are full
			}
		}
		d.endSessions(session.WhyLogout)
		s.wantGone()
	})
	t.Run("a download breaks off", func(t *testing.T) {
		t.Parallel()
		d := startDoor(t, nil, nil)
		c0 := d.dial()
		c0.say(d.request("GET /reports/session/x/download/1"))
		s := d.shiny.accept()
		s.head()
		s.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
		c0.want("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
		d.endSessions(session.WhyLogout)
		c0.wantBroken()
		s.wantGone()
	})
}

// A session may end an answer that is over, while its connections serve others.
func TestEndOfAnAnswerThatIsOverTouchesNobody(t *testing.T) {
	d := startDoor(t, nil, nil)
	c0 := d.dial()
	c0.say(d.request("GET /reports/1"))
	s := d.shiny.accept()
	s.head()
	s.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
	c0.head()
	var caught session.Stream
	d.registry.CloseStreams(func(s session.Stream) bool { caught = s; return false }, session.WhyLogout)
	s.say("ok")
	c0.want("ok")

	c0.say(d.request("GET /reports/2"))
	s.head() // the same connection
	caught.End(session.WhyLogout)
	s.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok")
	c0.want("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
}
