package fastproxy

import (
	"strings"
	"testing"
)

func TestEveryPieceOfAnAnswerReachesTheClientBeforeTheNextIsSent(t *testing.T) {
	chunk := func(s string) string {
		return string(rechunk(append(make([]byte, 18), s+strings.Repeat("\x00", 18)...), 18, len(s), false))
	}
	frames := strings.Repeat("h", 2048) + "\n"
	for name, c := range map[string]struct {
		line   string // of the answer's head
		pieces []string
	}{
		"chunked":          {"Transfer-Encoding: chunked", []string{chunk(frames), chunk("o\n"), chunk(`a["0|m|{}"]` + "\n"), "1\r\n", "x", "\r\n", "0\r\n\r\n"}},
		"with a length":    {"Content-Length: 7", []string{"a", "bc", "d", "efg"}},
		"until it closes":  {"Content-Type: text/plain", []string{"a", "bc", "d", frames}},
		"of server events": {"Transfer-Encoding: chunked", []string{chunk("data: o\r\n\r\n"), chunk("data: h\r\n\r\n"), "0\r\n\r\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, nil, nil)
			c0 := d.dial()
			c0.say(d.request("POST /reports/app/__sockjs__/n=abc/000/abcdefgh/xhr_streaming", "Content-Length: 0"))
			s := d.shiny.accept()
			s.wantHead("POST /app/__sockjs__/n=abc/000/abcdefgh/xhr_streaming HTTP/1.1", "Content-Length: 0")
			s.say("HTTP/1.1 200 OK\r\n" + c.line + "\r\n\r\n")
			c0.wantHead("HTTP/1.1 200 OK", c.line)
			for _, piece := range c.pieces {
				s.say(piece)
				c0.want(piece)
			}
			if !strings.HasPrefix(c.line, "Content-Type") {
				c0.say(d.request("GET /reports/next", "Connection: close"))
				if len(d.lanes) > 0 { // they have connections of their own
					s = d.shiny.accept()
				}
				s.wantHead("GET /next HTTP/1.1")
				s.say("HTTP/1.1 204 No Content\r\n\r\n")
				c0.wantEnd("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
				return
			}
			s.close()
			c0.wantEnd("")
		})
	}
}

// answers are what Shiny may say, and what the client must then see: to the
// byte, and how it ends. Requests are HTTP/1.1 GETs unless said.
var answers = map[string]struct {
	request string // "GET /reports/ HTTP/1.1" if empty
	lines   []string
	shiny   string
	closes  bool // and then it closes the connection
	client  string
	end     string // "kept": it carries another request; "closed"; "broken"
	reused  bool   // so does the backend's connection
}{
	"HEAD keeps the length, and has no body": {request: "HEAD /reports/", shiny: "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n",
		client: "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", end: "kept"},
	"HEAD of a chunked answer": {request: "HEAD /reports/", shiny: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		client: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", end: "kept"},
	"HEAD without a length": {request: "HEAD /reports/", shiny: "HTTP/1.1 200 OK\r\n\r\n",
		client: "HTTP/1.1 200 OK\r\n\r\n", end: "kept"},
	"HEAD of an empty body": {request: "HEAD /reports/", shiny: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		client: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", end: "kept", reused: true},
	"HEAD answered with a body": {request: "HEAD /reports/", shiny: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		client: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", end: "kept"},
	"204": {shiny: "HTTP/1.1 204 No Content\r\n\r\n", client: "HTTP/1.1 204 No Content\r\n\r\n", end: "kept", reused: true},
	"204 with a body": {shiny: "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
		client: "HTTP/1.1 204 No Content\r\n\r\n", end: "kept"},
	"204 with a body that comes later": {shiny: "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
		client: "HTTP/1.1 204 No Content\r\n\r\n", end: "kept"},
	"304 keeps the length": {lines: []string{"If-None-Match: \"a\""}, shiny: "HTTP/1.1 304 Not Modified\r\nContent-Length: 512\r\nETag: \"a\"\r\n\r\n",
		client: "HTTP/1.1 304 Not Modified\r\nContent-Length: 512\r\nETag: \"a\"\r\n\r\n", end: "kept"},
	"304 of a chunked answer": {shiny: "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
		client: "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", end: "kept"},
	"304 without a length": {shiny: "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
		client: "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", end: "kept", reused: true},
	"an empty body": {shiny: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		client: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", end: "kept", reused: true},
	"no reason, nor its space": {shiny: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
		client: "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", end: "kept", reused: true},
	"100 is ours to say": {shiny: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		client: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", end: "kept", reused: true},
	"103 passes": {shiny: "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		client: "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", end: "kept", reused: true},
	"sixteen interim answers": {shiny: strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInterim) + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
		client: strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInterim) + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", end: "kept", reused: true},
	"103 does not pass to HTTP/1.0": {request: "GET /reports/ HTTP/1.0", shiny: "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		client: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", end: "closed"},
	"chunks with extensions and trailers": {shiny: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
		client: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", end: "kept", reused: true},
	"chunks to HTTP/1.0": {request: "GET /reports/ HTTP/1.0", shiny: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n3\r\nay!\r\n0\r\n\r\n",
		client: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nokay!", end: "closed"},
	"chunks cut short to HTTP/1.0": {request: "GET /reports/ HTTP/1.0", shiny: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nay", closes: true,
		client: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nokay", end: "broken"},
	"HTTP/1.0 that closes": {shiny: "HTTP/1.0 200 OK\r\n\r\nall there is", closes: true,
		client: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall there is", end: "closed"},
	"HTTP/1.0 that stays": {shiny: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok",
		client: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", end: "kept", reused: true},
	"HTTP/1.0 with a length": {shiny: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		client: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", end: "kept"},
	"until it closes": {shiny: "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nall there is", closes: true,
		client: "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nConnection: close\r\n\r\nall there is", end: "closed"},
	"Connection: close is Shiny's alone": {shiny: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		client: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", end: "kept"},
	"a body shorter than its length": {shiny: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", closes: true,
		client: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", end: "broken"},
	"a body longer than its length": {shiny: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxss",
		client: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", end: "kept"},
	"bytes behind the last chunk": {shiny: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nxss",
		client: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", end: "kept"},
	"chunks cut short": {shiny: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", closes: true,
		client: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", end: "broken"},
	"no last chunk": {shiny: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", closes: true,
		client: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", end: "broken"},
	"malformed chunks at once":       {shiny: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nab", client: "502", end: "kept"},
	"malformed head":                 {shiny: "HTTP/1.1 200 OK\r\nX Y: 1\r\n\r\n", client: "502", end: "kept"},
	"folded line":                    {shiny: "HTTP/1.1 200 OK\r\nX: 1\r\n y\r\nContent-Length: 0\r\n\r\n", client: "502", end: "kept"},
	"bare LF":                        {shiny: "HTTP/1.1 200 OK\nContent-Length: 0\n\n", client: "502", end: "kept"},
	"control byte":                   {shiny: "HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n", client: "502", end: "kept"},
	"CR in a value":                  {shiny: "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n", client: "502", end: "kept"},
	"no HTTP at all":                 {shiny: "SSH-2.0-OpenSSH_9.2\r\n\r\n", client: "502", end: "kept"},
	"HTTP/2.0":                       {shiny: "HTTP/2.0 200 OK\r\n\r\n", client: "502", end: "kept"},
	"status of two digits":           {shiny: "HTTP/1.1 20 OK\r\n\r\n", client: "502", end: "kept"},
	"length with Transfer-Encoding":  {shiny: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", client: "502", end: "kept"},
	"two lengths":                    {shiny: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", client: "502", end: "kept"},
	"two Transfer-Encodings":         {shiny: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", client: "502", end: "kept"},
	"gzip as Transfer-Encoding":      {shiny: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", client: "502", end: "kept"},
	"Transfer-Encoding of HTTP/1.0":  {shiny: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", client: "502", end: "kept"},
	"negative length":                {shiny: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", client: "502", end: "kept"},
	"head too large":                 {shiny: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", client: "502", end: "kept"},
	"101 that nobody asked for":      {shiny: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", client: "502", end: "kept"},
	"interim answers without an end": {shiny: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 50), client: "502", end: "kept"},
	"it hangs up in the head":        {shiny: "HTTP/1.1 200 OK\r\nContent-Le", closes: true, client: "502", end: "kept"},
	"it hangs up without a word":     {closes: true, client: "502", end: "kept"},
}

func TestAnswersReachTheClientAsTheyAre(t *testing.T) {
	for name, c := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDoor(t, nil, nil)
			c0 := d.dial()
			request := c.request
			if request == "" {
				request = "GET /reports/"
			}
			c0.say(d.request(request, c.lines...))
			s := d.shiny.accept()
			s.head()
			s.nc.Write([]byte(c.shiny)) // the proxy may hang up while it talks
			if c.closes {
				s.close()
			}
			if c.client == "502" {
				if body := c0.wantAnswer("502 Bad Gateway"); !strings.Contains(body, `"request_id":"`) {
					t.Errorf("the visitor was told %q, want a request id in it", body)
				}
			} else if c.end == "broken" {
				if got := c0.wantBroken(); !strings.HasPrefix(c.client, got) {
					t.Errorf("client was told %q, want %q", got, c.client)
				}
				return
			} else {
				c0.want(c.client)
			}
			if c.end == "closed" {
				c0.wantEnd("")
				return
			}
			// Whoever comes next gets the answer that Shiny gave them.
			before := d.shiny.count.Load()
			c0.say(d.request("GET /reports/next"))
			if !c.reused {
				s = d.shiny.accept()
			}
			s.wantHead("GET /next HTTP/1.1")
			s.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext")
			c0.want("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext")
			if c.reused {
				d.shiny.wantConns(before)
			}
		})
	}
}
