package fastproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// brokenBodies are bodies in chunked coding that two readers could take for
// different ones. Behind each comes a request that nobody must see.
var brokenBodies = []string{
	// sizes
	"+5\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "5\t;x\r\nhello\r\n0\r\n\r\n",
	"5_0\r\nhello\r\n0\r\n\r\n", "5.\r\nhello\r\n0\r\n\r\n", "g\r\nhello\r\n0\r\n\r\n", "\r\n5\r\nhello\r\n0\r\n\r\n", ";x\r\nhello\r\n0\r\n\r\n", "\xef\xbc\x95\r\nhello\r\n0\r\n\r\n",
	"10000000000000005\r\nhello\r\n0\r\n\r\n", "8000000000000000\r\nhello\r\n0\r\n\r\n", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", "00000000000000005\r\nhello\r\n0\r\n\r\n",
	// line ends
	"5\nhello\r\n0\r\n\r\n", "5\rhello\r\n0\r\n\r\n", "5\r\r\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n", "5\r\nhell\r\n0\r\n\r\n",
	"5\r\nhello\r\n0\n\r\n", "5\r\nhello\r\n0\r\n\n", "5\r\nhello\r\n0\r\n\r\r\n", "5\r\nhello\r\n0\n\n",
	// extensions
	"5;x=\n\r\nhello\r\n0\r\n\r\n", "5;x\ny\r\nhello\r\n0\r\n\r\n", "5;x\ry\r\nhello\r\n0\r\n\r\n", "5;\x00\r\nhello\r\n0\r\n\r\n", "5;" + strings.Repeat("x", 2000) + "\r\nhello\r\n0\r\n\r\n", "0;x\n\r\n\r\n",
	// trailers
	"5\r\nhello\r\n0\r\nX: y\n\r\n", "5\r\nhello\r\n0\r\n X: y\r\n\r\n", "5\r\nhello\r\n0\r\n\nX: y\r\n\r\n", "5\r\nhello\r\n0\r\nX: y\r\n\n", "5\r\nhello\r\n0\r\nX: \x00\r\n\r\n", "5\r\nhello\r\n0\r\n: y\r\n\r\n",
	"5\r\nhello\r\n0\r\nX: y\r\r\n\r\n", "5\r\nhello\r\n0\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 10) + "\r\n",
}

// TestABrokenBodyEndsBothSides: the request may reach Shiny, whose connection
// breaks off before the body is whole; what follows is nobody's.
func TestABrokenBodyEndsBothSides(t *testing.T) {
	shiny := startRecorder(t)
	p := startProxy(t, map[string]string{"COOKIE_SECRET": "", "PUBLIC_URL": "http://h"}, `mounts:
  - {path: /x/, upstream: ["http://`+shiny.l.Addr().String()+`"], allow: public}
`)
	for i, body := range brokenBodies {
		raw := "POST /x/{id} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body + tailRequest
		statuses, err := p.answers(strings.ReplaceAll(raw, "{id}", fmt.Sprintf("b%db", i)), 2)
		if err != nil || len(statuses) != 1 || statuses[0] != 400 {
			t.Errorf("%.60q: answers %v, %v", body, statuses, err)
		}
	}
	shiny.awaitHangups(t, len(brokenBodies))
	saw := shiny.take()
	for _, never := range []string{"/tail", "0\r\n\r\n", "evil"} {
		if i := strings.Index(saw, never); i >= 0 {
			t.Errorf("Shiny saw %q behind %q", never, saw[max(i-300, 0):i])
		}
	}
	if n := strings.Count(saw, " HTTP/1.1\r\n"); n != len(brokenBodies) {
		t.Errorf("Shiny saw %d heads, want %d", n, len(brokenBodies))
	}
	// The same connection pool serves the next visitor, whole.
	statuses, err := p.answers("GET /x/honest HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 1)
	if err != nil || len(statuses) != 1 || statuses[0] != 200 {
		t.Errorf("afterwards: %v, %v", statuses, err)
	}
}

// TestTrailersAndExtensionsStayOutside: they are legal, and dropped.
func TestTrailersAndExtensionsStayOutside(t *testing.T) {
	shiny := startRecorder(t)
	p := startProxy(t, map[string]string{"COOKIE_SECRET": "", "PUBLIC_URL": "http://h"}, `mounts:
  - {path: /x/, upstream: ["http://`+shiny.l.Addr().String()+`"], allow: public}
`)
	for i, body := range []string{
		"5;evil=1\r\nhello\r\n0\r\n\r\n", "5;evil=\"1\r\nhello\r\n0;evil\r\n\r\n", "5\r\nhello\r\n0\r\nX-Auth0-User-Id: evil\r\n\r\n",
		"05\r\nhello\r\n000\r\nShiny-Server-Credentials: evil\r\nX_Auth0_Email: evil\r\nContent-Length: 3\r\nevil:\r\n\r\n",
	} {
		raw := "POST /x/{id} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body + tailRequest
		statuses, err := p.answers(strings.ReplaceAll(raw, "{id}", fmt.Sprintf("t%dt", i)), 2)
		saw := shiny.take()
		if err != nil || len(statuses) != 2 || strings.Contains(saw, "evil") || strings.Count(saw, "5\r\nhello\r\n0\r\n\r\n") != 1 {
			t.Errorf("%q: answers %v, %v; Shiny saw %q", body, statuses, err, saw)
		}
	}
}

// hostileAnswers are answers of a Shiny that is broken, or means harm: what
// stands behind "secret" must not become the answer of another visitor.
var hostileAnswers = []string{
	// said twice, or in two ways
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	// heads that are none
	"HTTP/1.1 200 OK\nContent-Length: 2\n\nab", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 2\r\n\r\nab",
	"HTTP/1.1 200 OK\r\nX: a\x00\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nab", "HTTP/2 200\r\nContent-Length: 2\r\n\r\nab",
	"HTTP/1.1 99 OK\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 700 OK\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 2e2 OK\r\nContent-Length: 2\r\n\r\nab", "ICY 200 OK\r\n\r\n", "\r\n\r\n",
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 17) + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
	"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", maxAnswerHead) + "\r\n\r\n",
	// bodies with more behind them
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 204 No Content\r\nContent-Length: 40\r\n\r\n", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
	"HTTP/1.1 304 Not Modified\r\nContent-Length: 40\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nContent-Length: 40\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nSet-Cookie: x\r\n\r\n",
	// bodies that are none
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}

const secretAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"

// TestAHostileAnswerNeverLeaksIntoAnother: on a connection where a front end
// may carry many visitors, the answer after a hostile one is the right one, or
// there is none.
func TestAHostileAnswerNeverLeaksIntoAnother(t *testing.T) {
	bad := make(chan string, 1)
	shiny := startBackend(t, func(c net.Conn) {
		c.SetDeadline(time.Now().Add(time.Minute))
		in := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if strings.HasSuffix(req.URL.Path, "honest") {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				continue
			}
			io.WriteString(c, <-bad+secretAnswer)
		}
	})
	p := startProxy(t, map[string]string{"COOKIE_SECRET": "", "PUBLIC_URL": "http://h"}, `mounts:
  - {path: /x/, upstream: ["http://`+shiny.l.Addr().String()+`"], allow: public}
`)
	for _, answer := range hostileAnswers {
		for _, method := range []string{"GET", "HEAD"} {
			bad <- answer
			if seen := p.twoAnswers(t, method); strings.Contains(seen, "secret") {
				t.Errorf("%s, %.80q: the client saw %q", method, answer, seen)
			}
		}
	}
}

// twoAnswers sends a request that is answered with harm, and then an honest
// one on the same connection; it returns all that came as a front end reads it,
// which believes no answer to HEAD, 204 and 304 to have a body.
func (p *testProxy) twoAnswers(t *testing.T, method string) (seen string) {
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	for _, r := range []struct{ method, path string }{{method, "evil"}, {"GET", "honest"}} {
		if _, err := fmt.Fprintf(c, "%s /x/%s HTTP/1.1\r\nHost: h\r\n\r\n", r.method, r.path); err != nil {
			return seen
		}
		resp, err := http.ReadResponse(in, &http.Request{Method: r.method})
		for err == nil && resp.StatusCode < 200 {
			resp, err = http.ReadResponse(in, &http.Request{Method: r.method})
		}
		if err != nil {
			return seen + err.Error()
		}
		b, err := io.ReadAll(resp.Body)
		seen += fmt.Sprintf("%d %v %s; ", resp.StatusCode, resp.Header, b)
		if noBody := resp.StatusCode == 204; noBody && (resp.Header.Get("Content-Length") != "" || len(resp.TransferEncoding) > 0) {
			t.Errorf("204 with the length of a body: %v %v", resp.Header, resp.TransferEncoding)
		}
		if err != nil || resp.Close {
			return seen
		}
	}
	if !strings.HasSuffix(seen, " ok; ") {
		t.Errorf("%s: the honest request was answered %q", method, seen)
	}
	return seen
}
