package fastproxy

import (
	"io"
	"strings"
	"testing"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/session"
	"fastproxy/fastproxy/shiny"
)

// handshake is the head of a browser's WebSocket, and switching what Shiny
// says to it.
func (d *door) handshake(path string, lines ...string) string {
	return d.handshakeBy(d.cookie, path, lines...)
}

func (d *door) handshakeBy(cookie, path string, lines ...string) string {
	return d.requestBy(cookie, "GET "+path, append([]string{"Connection: keep-alive, Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, lines...)...)
}

const (
	fromOurs     = "Origin: http://localhost:3000"
	plainSocket  = "/reports/websocket/"
	sockJSSocket = "/reports/app/__sockjs__/n=abcdefghijklmnopqr/000/abcdefgh/websocket"
	switching    = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nConnection: Upgrade\r\n\r\n"
	hello     = "\x81\x85\x00\x00\x00\x00hello" // masked, by zeros
	helloBack = "\x81\x0a{\"config\":"
)

func TestHandshakeCarriesTheSameIdentityAsARequest(t *testing.T) {
	d := startDoor(t, nil, nil)
	who := identity.FromPasswd("tina", []string{"Admin"})
	who.Email, who.EmailVerified = "tina@example.org", identity.VerifiedYes
	c0 := d.dial()
	c0.say(d.handshakeBy(d.cookieFor(t, who), plainSocket, fromOurs, "X-Auth0-Groups: Root", "x_auth0_email: evil@example.org",
		"Sec-WebSocket-Protocol: a, b"))
	s := d.shiny.accept()
	h := s.wantHead("GET /websocket/ HTTP/1.1", "Host: localhost:3000", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: a, b", "X-Auth0-User-Id: tina", "X-Auth0-Email: tina@example.org",
		"X-Auth0-Groups: Admin", `Shiny-Server-Credentials: {"user":"tina","groups":["Admin"]}`)
	if strings.Contains(h, "evil") || strings.Contains(h, "Root") || strings.Contains(h, "fastproxy_session") {
		t.Errorf("shiny was told %q", h)
	}
}

func TestBytesBehindTheHandshakeAreNotLost(t *testing.T) {
	d := startDoor(t, nil, quickly)
	c0 := d.dial()
	c0.say(d.handshake(plainSocket, fromOurs) + hello + hello[:3])
	s := d.shiny.accept()
	s.wantHead("GET /websocket/ HTTP/1.1")
	s.say(switching + helloBack + helloBack[:2])
	c0.want(switched + helloBack + helloBack[:2])
	s.want(hello + hello[:3])
	c0.say(hello[3:])
	s.say(helloBack[2:])
	c0.want(helloBack[2:])
	s.want(hello[3:])
	s.close() // as R does
	c0.wantEnd("")
	c0.close()
	d.eventuallyLogged(`"fastproxy.kind":"websocket"`, `"http.response.status_code":101`)
}

// The byte that shows that the client is there belongs to the tunnel.
func TestByteThatTheWatchReadIsNotLost(t *testing.T) {
	d := startDoor(t, nil, quickly)
	for range 20 {
		c0 := d.dial()
		c0.say(d.handshake(plainSocket, fromOurs))
		s := d.shiny.accept()
		s.head()
		c0.say(hello[:1], hello[1:])
		s.say(switching)
		c0.want(switched)
		s.want(hello)
	}
}

func TestRefusedUpgradeIsAnOrdinaryAnswer(t *testing.T) {
	d := startDoor(t, nil, nil)
	next := func(c0 *peer) {
		t.Helper()
		c0.say(d.requestBy("", "GET /.fastproxy/unknown"))
		c0.wantAnswer("404 Not Found")
	}
	t.Run("nobody is signed in", func(t *testing.T) {
		c0 := d.dial()
		c0.say(d.handshakeBy("", plainSocket, fromOurs))
		c0.wantAnswer("401 Unauthorized")
		next(c0)
	})
	t.Run("another site asks", func(t *testing.T) {
		for _, origin := range []string{"http://evil.example", "null", "https://localhost:3000", "http://localhost:3000.evil.example", ""} {
			c0 := d.dial()
			c0.say(d.handshake(plainSocket, "Origin: "+origin))
			c0.wantAnswer("403 Forbidden")
			next(c0)
		}
	})
	t.Run("the rule does not admit", func(t *testing.T) {
		c0 := d.dial()
		c0.say(d.handshake("/admin/websocket/", fromOurs))
		c0.wantAnswer("403 Forbidden")
		next(c0)
	})
	d.shiny.wantConns(0)
	for name, answer := range map[string]string{
		"Shiny says 404":           "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
		"Shiny says 200, chunked":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"Shiny says 403, no body":  "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
		"Shiny says 503 and stays": "HTTP/1.1 503 Too Many Users\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c0 := d.dial()
			c0.say(d.handshake(plainSocket, fromOurs))
			s := d.shiny.accept()
			s.head()
			s.say(answer)
			c0.want(answer)
			next(c0)
		})
	}
	t.Run("Shiny speaks another protocol", func(t *testing.T) {
		for _, answer := range []string{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n"} {
			c0 := d.dial()
			c0.say(d.handshake(plainSocket, fromOurs))
			s := d.shiny.accept()
			s.head()
			s.say(answer)
			c0.wantAnswer("502 Bad Gateway")
			s.wantGone()
			next(c0)
		}
	})
}

// endSessions ends every session, as a logout does.
func (d *door) endSessions(why session.Why) {
	d.t.Helper()
	if _, err := d.registry.EndWhere(func(session.Info) bool { return true }, why); err != nil {
		d.t.Fatal(err)
	}
}

func TestEndOfASessionClosesItsTunnelsWithAFarewell(t *testing.T) {
	for path, kind := range map[string]shiny.Kind{plainSocket: shiny.KindWebSocket, sockJSSocket: shiny.KindSockJSWebSocket} {
		for why, ending := range map[session.Why]shiny.Ending{session.WhyLogout: shiny.EndSignedOut, session.WhyExpired: shiny.EndExpired,
			session.WhyRuleChanged: shiny.EndDenied, session.WhyShutdown: shiny.EndShutdown} {
			t.Run(kind.String()+" "+string(why), func(t *testing.T) {
				t.Parallel()
				d := startDoor(t, nil, nil)
				c0 := d.dial()
				c0.say(d.handshake(path, fromOurs))
				s := d.shiny.accept()
				s.head()
				s.say(switching + helloBack)
				c0.want(switched + helloBack)
				d.endSessions(why)
				bye := string(shiny.Farewell(kind, ending))
				c0.wantEnd(bye)
				c0.close()
				told, _ := io.ReadAll(s.r)
				if len(told) != len(shiny.FarewellToBackend()) || told[0] != 0x88 {
					t.Errorf("shiny was told %q, want a Close frame", told)
				}
				s.close()
				d.eventuallyLogged(`"http.response.status_code":101`, `"event.reason":"`+string(why)+`"`)
				if n := d.registry.Streams(); n != 0 {
					t.Errorf("%d streams are bound", n)
				}
			})
		}
	}
}

// The race made on purpose: the session ends when the decision is made and
// Shiny has not answered yet.
func TestSessionThatEndsBeforeTheBindingGetsNothing(t *testing.T) {
	const more = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"
	for name, c := range map[string]struct{ request, answer string }{
		"a tunnel":            {"", switching + helloBack},
		"a streaming answer":  {"GET /reports/", more},
		"a download":          {"GET /reports/", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"},
		"an upload's answer":  {"POST /reports/", more},
		"HTTP/1.0's download": {"GET /reports/ HTTP/1.0", "HTTP/1.1 200 OK\r\n\r\nabc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, nil, nil)
			c0 := d.dial()
			switch {
			case c.request == "":
				c0.say(d.handshake(plainSocket, fromOurs))
			case strings.HasPrefix(c.request, "POST"):
				c0.say(d.request(c.request, "Content-Length: 10"), "hello")
			default:
				c0.say(d.request(c.request))
			}
			s := d.shiny.accept()
			s.head()
			d.endSessions(session.WhyLogout)
			s.say(c.answer)
			if body := c0.wantAnswer("401 Unauthorized"); !strings.Contains(body, "sign_in_required") {
				t.Errorf("client was told %q", body)
			}
			s.r.Discard(s.r.Buffered())
			io.Copy(io.Discard, s.r)
			if d.registry.Streams() != 0 {
				t.Error("a stream is bound")
			}
		})
	}
}
