package fastproxy

import (
	"strings"
	"testing"
)

func TestShinyIsHungUpOnWhenTheClientGoesAway(t *testing.T) {
	for name, c := range map[string]struct {
		request []string
		body    string
		answer  string // what Shiny has said by then
		half    bool   // the client closes its sending half only
	}{
		"while it computes":       {request: []string{"GET /reports/"}},
		"while it computes, half": {request: []string{"GET /reports/"}, half: true},
		"within the answer":       {request: []string{"GET /reports/"}, answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"},
		"behind a whole upload":   {request: []string{"POST /reports/", "Content-Length: 5"}, body: "hello"},
		"behind a chunked upload": {request: []string{"POST /reports/", "Transfer-Encoding: chunked"}, body: "5\r\nhello\r\n0\r\n\r\n"},
		"within an upload":        {request: []string{"POST /reports/", "Content-Length: 50"}, body: "hello"},
		"within a chunk":          {request: []string{"POST /reports/", "Transfer-Encoding: chunked"}, body: "5\r\nhello\r\n"},
		"within a handshake":      {request: []string{"GET /reports/websocket/", "Connection: Upgrade", "Upgrade: websocket"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, nil, quickly)
			c0 := d.dial()
			c0.say(d.request(c.request[0], c.request[1:]...), c.body)
			s := d.shiny.accept()
			s.head()
			s.want(c.body)
			if c.answer != "" {
				s.say(c.answer)
				c0.want(c.answer)
			}
			if c.half {
				c0.closeWrite()
			} else {
				c0.close()
			}
			s.wantGone()
			if c.half {
				c0.wantEnd("")
			}
		})
	}
}

func TestClientThatTalksAheadIsWatchedNoMore(t *testing.T) {
	d := startDoor(t, nil, quickly)
	c0 := d.dial()
	c0.say(d.request("GET /reports/1"))
	s := d.shiny.accept()
	s.wantHead("GET /1 HTTP/1.1")
	second := d.request("GET /reports/2")
	c0.say(second[:1], second[1:10])
	s.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
	c0.want("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
	c0.say(second[10:])
	s.wantHead("GET /2 HTTP/1.1")
	s.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2")
	c0.want("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2")
}

func TestStaleConnectionIsTriedOnceMoreOnlyWhereThatIsSafe(t *testing.T) {
	const bad = "502 Bad Gateway"
	for name, c := range map[string]struct {
		request string
		lines   []string
		said    string // by Shiny, before it hangs up
		again   bool
	}{
		"GET":                         {request: "GET /reports/", again: true},
		"HEAD":                        {request: "HEAD /reports/", again: true},
		"POST":                        {request: "POST /reports/", lines: []string{"Content-Length: 0"}},
		"POST with a body":            {request: "POST /reports/", lines: []string{"Content-Length: 2"}},
		"DELETE":                      {request: "DELETE /reports/"},
		"GET with a body":             {request: "GET /reports/", lines: []string{"Content-Length: 2"}},
		"GET, and one byte came back": {request: "GET /reports/", said: "H"},
		"GET, and a hint came back":   {request: "GET /reports/", said: "HTTP/1.1 103 Early Hints\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, nil, nil)
			c0 := d.dial()
			method, _, _ := strings.Cut(c.request, " ")
			switch { // lanes and workers each have their own connections
			case len(c.lines) > 0:
				method = "DELETE"
			case method == "HEAD":
				method = "GET"
			}
			c0.say(d.request(method + " /reports/first"))
			s := d.shiny.accept()
			s.head()
			s.say("HTTP/1.1 204 No Content\r\n\r\n")
			c0.want("HTTP/1.1 204 No Content\r\n\r\n")

			c0.say(d.request(c.request, c.lines...))
			first := s.head()
			if strings.Contains(first, "Content-Length: 2") {
				c0.say("ok")
				s.want("ok")
			}
			s.say(c.said)
			s.close()
			if strings.HasPrefix(c.said, "HTTP") {
				c0.want(c.said)
			}
			if !c.again {
				c0.wantAnswer(bad)
				d.shiny.wantConns(1)
				return
			}
			s = d.shiny.accept()
			s.want(first)
			s.close() // new, and gone: that is not stale
			if !strings.HasPrefix(c.request, "HEAD") {
				c0.wantAnswer(bad)
			} else {
				c0.wantHead("HTTP/1.1 " + bad)
			}
			d.shiny.wantConns(2)
		})
	}
}

func TestFreshConnectionIsNotTriedAgain(t *testing.T) {
	d := startDoor(t, nil, nil)
	c0 := d.dial()
	c0.say(d.request("GET /reports/"))
	s := d.shiny.accept()
	s.head()
	s.close()
	c0.wantAnswer("502 Bad Gateway")
	d.shiny.wantConns(1)
}

func TestConnectionThatShinyClosedOrTalkedOnIsNotUsedAgain(t *testing.T) {
	for name, meanwhile := range map[string]func(s *peer){
		"closed":          func(s *peer) { s.close() },
		"closed its half": func(s *peer) { s.closeWrite() },
		"an answer that nobody asked for": func(s *peer) {
			s.say("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nsomebody else's")
		},
	} {
		for _, method := range []string{"GET", "DELETE"} { // a lane's, and a worker's, which is not tried twice
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				d := startDoor(t, nil, nil)
				c0 := d.dial()
				c0.say(d.request(method + " /reports/"))
				s := d.shiny.accept()
				s.head()
				s.say("HTTP/1.1 204 No Content\r\n\r\n")
				c0.want("HTTP/1.1 204 No Content\r\n\r\n")
				d.eventuallyIdle(1)
				meanwhile(s)
				c0.say(d.request(method + " /reports/next"))
				s = d.shiny.accept()
				s.wantHead(method + " /next HTTP/1.1")
				s.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nours")
				c0.want("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nours")
			})
		}
	}
}

// eventuallyIdle waits until n connections to Shiny wait to be used again.
func (d *door) eventuallyIdle(n int) {
	d.t.Helper()
	d.eventually("idle connections", func() bool {
		idle := 0
		for _, b := range d.current.Load().backends {
			idle += b.Idle()
		}
		for _, l := range d.lanes {
			counted := make(chan int)
			l.loop.Post(func() {
				n := 0
				for _, s := range l.spares {
					n += len(s.idle)
				}
				counted <- n
			})
			idle += <-counted
		}
		return idle == n
	})
}

func TestNoAnswerInTimeIs504(t *testing.T) {
	for name, c := range map[string]struct {
		request []string
		body    string
	}{
		"GET":       {request: []string{"GET /reports/"}},
		"handshake": {request: []string{"GET /reports/websocket/", "Connection: Upgrade", "Upgrade: websocket"}},
		"upload":    {request: []string{"POST /reports/", "Content-Length: 5"}, body: "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, map[string]string{"UPSTREAM_HEADER_TIMEOUT": "30ms"}, nil)
			c0 := d.dial()
			c0.say(d.request(c.request[0], c.request[1:]...), c.body)
			s := d.shiny.accept()
			s.head()
			s.want(c.body)
			body := c0.wantAnswer("504 Gateway Timeout")
			if !strings.Contains(body, `"request_id":"`) || !strings.Contains(body, "upstream_timeout") {
				t.Errorf("the visitor was told %q", body)
			}
			s.wantGone()
			// The visitor's connection goes on.
			c0.say(d.request("GET /reports/next"))
			s = d.shiny.accept()
			s.wantHead("GET /next HTTP/1.1")
			s.say("HTTP/1.1 204 No Content\r\n\r\n")
			c0.want("HTTP/1.1 204 No Content\r\n\r\n")
		})
	}
}

func TestShinyThatIsDownIs502WithARequestID(t *testing.T) {
	d := startDoor(t, nil, nil)
	d.shiny.l.Close()
	c0 := d.dial()
	c0.say(d.request("GET /reports/"))
	body := c0.wantAnswer("502 Bad Gateway")
	if !strings.Contains(body, `"request_id":"`) || !strings.Contains(body, "upstream_unreachable") {
		t.Errorf("the visitor was told %q", body)
	}
	if strings.Contains(body, "127.0.0.1") {
		t.Errorf("the visitor was told where Shiny is: %q", body)
	}
	c0.say(d.request("GET /.fastproxy/session"))
	c0.wantAnswer("200 OK")
}
