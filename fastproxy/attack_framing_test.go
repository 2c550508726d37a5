package fastproxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// framingVector is what somebody sends who wants two parsers to see different
// requests. raw holds {id}, which tells vectors apart, and ends with a second
// request for {id}/tail: where the first is accepted, an honest one behind it;
// where it is refused, a smuggled one that nobody must see.
type framingVector struct {
	name, raw string
	status    int // 0: accepted; else the one answer, after which the connection ends
	answers   int // where accepted: HTTP/1.0 closes after one
}

const tailRequest = "GET /x/{id}/tail HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

// part is one way to write one thing.
type part struct {
	text string
	ok   bool
}

var lengthParts = []part{
	{"", true},
	{"Content-Length: 5\r\n", true},
	{"content-LENGTH:5 \t\r\n", true},
	{"Content-Length: 05\r\n", true},
	{"Content-Length: 5\r\nContent-Length: 5\r\n", false},
	{"Content-Length: 5\r\nContent-Length: 6\r\n", false},
	{"Content-Length: 5\r\nContent-Length: 0\r\n", false},
	{"Content-Length: 5, 5\r\n", false},
	{"Content-Length: +5\r\n", false},
	{"Content-Length: -5\r\n", false},
	{"Content-Length: 0x5\r\n", false},
	{"Content-Length: 5.0\r\n", false},
	{"Content-Length: 5 5\r\n", false},
	{"Content-Length: \"5\"\r\n", false},
	{"Content-Length: 5;\r\n", false},
	{"Content-Length: \r\n", false},
	{"Content-Length: 18446744073709551621\r\n", false}, // 5 modulo 2^64
	{"Content-Length: \xd9\xa5\r\n", false},             // an Arabic 5
	{"Content-Length: 5\r\n\tX\r\n", false},
	{"Content-Length:\r\n 5\r\n", false},
	{"Content-Length : 5\r\n", false},
	{"Content-Length\t: 5\r\n", false},
	{"Content Length: 5\r\n", false},
	{"Content-Length\x00: 5\r\n", false},
	{"Content-Length: 5\x00\r\n", false},
	{"Content-Length: 5\r\r\n", false},
	{"Content-Length: 5\n", false},
	{"\x0bContent-Length: 5\r\n", false},
}

var codingParts = []part{
	{"", true},
	{"Transfer-Encoding: chunked\r\n", true},
	{"tRANSFER-eNCODING:\tChunked \r\n", true},
	{"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", false},
	{"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", false},
	{"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", false},
	{"Transfer-Encoding: identity\r\n", false},
	{"Transfer-Encoding: chunked, identity\r\n", false},
	{"Transfer-Encoding: gzip, chunked\r\n", false},
	{"Transfer-Encoding: chunked,\r\n", false},
	{"Transfer-Encoding: ,chunked\r\n", false},
	{"Transfer-Encoding: chunked chunked\r\n", false},
	{"Transfer-Encoding: xchunked\r\n", false},
	{"Transfer-Encoding: chunkedx\r\n", false},
	{"Transfer-Encoding: \"chunked\"\r\n", false},
	{"Transfer-Encoding: chunked;q=1\r\n", false},
	{"Transfer-Encoding: chun\xe2\x84\xaaed\r\n", false}, // a Kelvin sign folds to k
	{"Transfer-Encoding: \x0bchunked\r\n", false},
	{"Transfer-Encoding: chunked\x00\r\n", false},
	{"Transfer-Encoding: \r\n", false},
	{"Transfer-Encoding:\r\n chunked\r\n", false},
	{"X: y\r\n Transfer-Encoding: chunked\r\n", false},
	{"Transfer-Encoding : chunked\r\n", false},
	{"Transfer-Encoding\r\n: chunked\r\n", false},
	{" Transfer-Encoding: chunked\r\n", false},
	{"Transfer-Encoding: chunked\n", false},
	{"X: y\nTransfer-Encoding: chunked\r\n", false},
	{"X: y\rTransfer-Encoding: chunked\r\n", false},
}

// framingVectors makes all vectors: every Content-Length with every
// Transfer-Encoding in both versions, and the rest one by one.
func framingVectors() (all []framingVector) {
	for _, minor := range []int{1, 0} {
		for i, length := range lengthParts {
			for j, coding := range codingParts {
				if i > 3 && j > 2 && (i+j)%5 != 0 {
					continue // two faults in one head: a sample of them
				}
				v := framingVector{name: fmt.Sprintf("1.%d %q %q", minor, length.text, coding.text), answers: 1 + minor}
				ok := length.ok && coding.ok && (i == 0 || j == 0) && (minor == 1 || j == 0)
				if !ok {
					v.status = 400
				}
				body := ""
				switch {
				case j > 0:
					body = "5\r\nhello\r\n0\r\n\r\n"
				case i > 0:
					body = "hello"
				}
				lines := length.text + coding.text
				if (i+j)%2 == 1 {
					lines = coding.text + length.text
				}
				v.raw = fmt.Sprintf("POST /x/{id} HTTP/1.%d\r\nHost: h\r\n%s\r\n%s", minor, lines, body) + tailRequest
				all = append(all, v)
			}
		}
	}
	return append(all, singleVectors()...)
}

// singleVectors has one fault, or none, in each head.
func singleVectors() (all []framingVector) {
	add := func(status int, heads ...string) {
		for _, head := range heads {
			all = append(all, framingVector{name: fmt.Sprintf("%.60q", head), raw: head + tailRequest, status: status, answers: 2})
		}
	}
	lines := func(status int, texts ...string) {
		for _, text := range texts {
			add(status, "GET /x/{id} HTTP/1.1\r\nHost: h\r\n"+text+"\r\n")
		}
	}
	// Line ends, and what ends a head.
	add(400,
		"GET /x/{id} HTTP/1.1\nHost: h\r\n\r\n", "GET /x/{id} HTTP/1.1\r\nHost: h\n\r\n", "GET /x/{id} HTTP/1.1\r\nHost: h\r\n\n",
		"GET /x/{id} HTTP/1.1\nHost: h\n\n", "GET /x/{id} HTTP/1.1\r\nHost: h\r\nX: y\n\nGET /x/{id}/two HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /x/{id} HTTP/1.1\rHost: h\r\r", "GET /x/{id} HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", "GET /x/{id} HTTP/1.1\r\r\nHost: h\r\n\r\n",
		"GET /x/{id} HTTP/1.1\n\rHost: h\n\r\n\r", "\r\nGET /x/{id} HTTP/1.1\r\nHost: h\r\n\r\n", "\nGET /x/{id} HTTP/1.1\r\nHost: h\r\n\r\n",
		"\r\n\r\n", " GET /x/{id} HTTP/1.1\r\nHost: h\r\n\r\n", "GET /x/{id} HTTP/1.1\r\n Host: h\r\nHost: h\r\n\r\n",
		"\x00GET /x/{id} HTTP/1.1\r\nHost: h\r\n\r\n", "\xef\xbb\xbfGET /x/{id} HTTP/1.1\r\nHost: h\r\n\r\n", "\x16\x03\x01\x02\x00\x01\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	// Request lines.
	for _, line := range []string{
		"GET /x/{id}", "GET /x/{id} ", "/x/{id} HTTP/1.1", "GET HTTP/1.1", "GET  /x/{id} HTTP/1.1", "GET /x/{id}  HTTP/1.1", "GET /x/{id} HTTP/1.1 ",
		"GET\t/x/{id} HTTP/1.1", "GET /x/{id}\tHTTP/1.1", "GET /x/{id} x HTTP/1.1", "GET /x/{id} HTTP/1.1 HTTP/1.0", "GET\x0b/x/{id} HTTP/1.1", "GET\u00a0/x/{id} HTTP/1.1",
		"get /x/{id} HTTP/1.1", "Get /x/{id} HTTP/1.1", "GE,T /x/{id} HTTP/1.1", "GE\x00T /x/{id} HTTP/1.1", "G\xc3\x89T /x/{id} HTTP/1.1", "GET: /x/{id} HTTP/1.1",
		"CONNECT h:443 HTTP/1.1", "CONNECT /x/{id} HTTP/1.1", "TRACE /x/{id} HTTP/1.1", "TRACE * HTTP/1.1", strings.Repeat("A", 33) + " /x/{id} HTTP/1.1",
		"GET /x/{id} HTTP/0.9", "GET /x/{id} HTTP/1.2", "GET /x/{id} HTTP/2.0", "GET /x/{id} HTTP/2", "GET /x/{id} HTTP/3", "GET /x/{id} HTTP/1", "GET /x/{id} HTTP/1.10",
		"GET /x/{id} HTTP/01.1", "GET /x/{id} HTTP/1.01", "GET /x/{id} http/1.1", "GET /x/{id} Http/1.1", "GET /x/{id} HTTPS/1.1", "GET /x/{id} HTTP /1.1", "GET /x/{id} HTTP/+1.1",
		"GET /x/{id} HTTP/1,1", "GET /x/{id} HTTP/1.1x", "GET /x/{id} ICY/1.1", "GET /x/{id} HTTP/\xef\xbc\x91.1",
		"GET x/{id} HTTP/1.1", "GET * HTTP/1.1", "OPTIONS ** HTTP/1.1", "GET h/x/{id} HTTP/1.1", "GET ?{id} HTTP/1.1",
		"GET http://other/x/{id} HTTP/1.1", "GET http://h:80/x/{id} HTTP/1.1", "GET http://a@h/x/{id} HTTP/1.1", "GET http://h@other/x/{id} HTTP/1.1", "GET http://h.other/x/{id} HTTP/1.1",
		"GET http:///x/{id} HTTP/1.1", "GET http:/x/{id} HTTP/1.1", "GET http:x/{id} HTTP/1.1", "GET http://h?{id} HTTP/1.1", "GET http://h HTTP/1.1", "GET http://h#/x/{id} HTTP/1.1",
		"GET ftp://h/x/{id} HTTP/1.1", "GET ws://h/x/{id} HTTP/1.1", "GET file:///x/{id} HTTP/1.1", `GET http:\\h\x/{id} HTTP/1.1`, "GET http://\xe2\x84\xaa/x/{id} HTTP/1.1",
	} {
		add(400, line+"\r\nHost: h\r\n\r\n")
	}
	add(0, "GET http://h/x/{id} HTTP/1.1\r\nHost: h\r\n\r\n", "GET HTTP://H/x/{id} HTTP/1.1\r\nHost: h\r\n\r\n", "GET https://h/x/{id} HTTP/1.1\r\nHost: h\r\n\r\n",
		"PURGE /x/{id} HTTP/1.1\r\nHost: h\r\n\r\n", "M-SEARCH /x/{id} HTTP/1.1\r\nHost: h\r\n\r\n")
	// Hosts.
	for _, host := range []string{
		"", "Host:\r\n", "Host: h\r\nHost: h\r\n", "Host: h\r\nHost: other\r\n", "Host: h\r\nhost: h\r\n", "Host: h, other\r\n", "Host: h other\r\n", "Host: h/x\r\n", "Host: a@h\r\n",
		"Host: h:\r\n", "Host: h:0\r\n", "Host: h:65536\r\n", "Host: h:8a\r\n", "Host: h:80:80\r\n", "Host: :80\r\n", "Host: [::1\r\n", "Host: []\r\n", "Host: [h]\r\n", "Host: [::1%25lo]\r\n",
		"Host: [127.0.0.1]\r\n", "Host: [::1]x\r\n", "Host: h\\x\r\n", "Host: h?x\r\n", "Host: h#x\r\n", "Host: \"h\"\r\n", "Host: h%00\r\n", "Host: h\xc3\xbc\r\n", "Host: h;x\r\n",
		"Host: " + strings.Repeat("h", 256) + "\r\n", "Host : h\r\n", " Host: h\r\n", "Host:\r\n h\r\n", "Ho st: h\r\n", "X-Host: h\r\n",
	} {
		add(400, "GET /x/{id} HTTP/1.1\r\n"+host+"\r\n")
	}
	// Names.
	lines(400, "X : y\r\n", "X\t: y\r\n", "X Y: z\r\n", ": y\r\n", "X\r\n", "X\x00: y\r\n", "X\x7f: y\r\n", "X\xa0: y\r\n", "X(: y\r\n", "X[0]: y\r\n", "\"X\": y\r\n", "X/Y: z\r\n", "X,Y: z\r\n",
		"X@Y: z\r\n", "{}: y\r\n", "X;: y\r\n", "X=: y\r\n", "X\\: y\r\n", "<X>: y\r\n", "\xef\xbb\xbfX: y\r\n", "Content-Length 5\r\n", "GET /x/{id}/two HTTP/1.1\r\n")
	// Values, folds, fields that change the framing.
	lines(400, "X: \x00\r\n", "X: \x01\r\n", "X: \x08\r\n", "X: \x0b\r\n", "X: \x0c\r\n", "X: \x1b\r\n", "X: \x1f\r\n", "X: \x7f\r\n", "X: a\r\n b\r\n", "X: a\r\n\tb\r\n", "X: a\r\n \r\n", "X:\r\n y\r\n",
		"X: a\rb\r\n", "X: a\r\r\n", "X: y\n", "X: y\nY: z\r\n", "Trailer: X\r\n", "Trailer:\r\n", "trailer: X-Auth0-User-Id\r\n", "Connection: "+strings.Repeat("x, ", 16)+"y\r\n",
		"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n", "Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
		strings.Repeat("X: y\r\n", 100))
	lines(417, "Expect: 100-continue\r\nExpect: 100-continue\r\n", "Expect: 200-ok\r\n", "Expect: 100-continue, x\r\n", "Expect:\r\n")
	lines(431, "X: "+strings.Repeat("y", maxHeadBytes)+"\r\n", strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 17))
	lines(0, "X:\r\n", "X: \t y \t \r\n", "X: \xc3\xbc\r\n", "X: a:b\r\n", "Transfer_Encoding: chunked\r\n", "Content_Length: 5\r\n", "X-Content-Length: 5\r\n", "Connection: Transfer-Encoding\r\n",
		"Connection: Content-Length\r\n", "Keep-Alive: timeout=5\r\n", "TE: trailers\r\n", "Upgrade: h2c\r\n", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
		"Proxy-Connection: close\r\n", "Expect: 100-continue\r\n", "Content-Length: 0\r\n", "!#$%&'*+-.^_`|~: y\r\n", strings.Repeat("X: y\r\n", 99))
	return all
}

func TestThereAreManyFramingVectors(t *testing.T) {
	refused, seen := 0, make(map[string]bool)
	for _, v := range framingVectors() {
		if seen[v.raw] {
			t.Errorf("twice: %s", v.name)
		}
		seen[v.raw] = true
		if v.status != 0 {
			refused++
		}
	}
	if refused < 600 || len(seen)-refused < 30 {
		t.Errorf("%d refused, %d accepted", refused, len(seen)-refused)
	}
}

// recorder is a Shiny that keeps every byte it gets, and answers every request
// that net/http finds in them.
type recorder struct {
	*backend
	mu      sync.Mutex
	all     bytes.Buffer
	hangups chan struct{} // one for each connection that ended
}

func startRecorder(t testing.TB) *recorder {
	r := &recorder{hangups: make(chan struct{}, 4096)}
	r.backend = startBackend(t, func(c net.Conn) {
		defer func() { r.hangups <- struct{}{} }()
		c.SetDeadline(time.Now().Add(time.Minute))
		in := bufio.NewReader(io.TeeReader(c, r))
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
				return
			}
		}
	})
	return r
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all.Write(b)
}

// awaitHangups waits until n connections have ended, and so have brought all
// their bytes.
func (r *recorder) awaitHangups(t testing.TB, n int) {
	t.Helper()
	late := time.After(20 * time.Second)
	for range n {
		select {
		case <-r.hangups:
		case <-late:
			t.Fatal("connections to Shiny stay open")
		}
	}
}

// take returns what arrived since the last take.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.all.Reset()
	return r.all.String()
}

func TestEveryFramingVectorIsServedOnceOrNotAtAll(t *testing.T) {
	shiny := startRecorder(t)
	p := startProxy(t, map[string]string{"COOKIE_SECRET": "", "PUBLIC_URL": "http://h"}, `mounts:
  - {path: /x/, upstream: ["http://`+shiny.l.Addr().String()+`"], allow: public}
`)
	for i, v := range framingVectors() {
		id := fmt.Sprintf("v%dv", i)
		statuses, err := p.answers(strings.ReplaceAll(v.raw, "{id}", id), v.answers)
		saw := shiny.take()
		switch {
		case err != nil:
			t.Errorf("%s: %v after %v", v.name, err, statuses)
		case v.status != 0 && (len(statuses) != 1 || statuses[0] != v.status):
			t.Errorf("%s: answers %v, want %d", v.name, statuses, v.status)
		case v.status != 0 && saw != "":
			t.Errorf("%s: refused, but Shiny saw %q", v.name, saw)
		case v.status == 0 && (len(statuses) != v.answers || statuses[0] != 200):
			t.Errorf("%s: answers %v, want %d of 200", v.name, statuses, v.answers)
		case v.status == 0 && (strings.Count(saw, id+" HTTP/1.1\r\n") != 1 || strings.Count(saw, id+"/tail HTTP/1.1\r\n") != v.answers-1 || strings.Count(saw, " HTTP/1.1\r\n") != v.answers):
			t.Errorf("%s: Shiny saw %q", v.name, saw)
		}
	}
}

// TestNoByteOfAStrangersRequestReachesShiny: the same, at a mount that wants a
// session.
func TestNoByteOfAStrangersRequestReachesShiny(t *testing.T) {
	shiny := startRecorder(t)
	p := startProxy(t, map[string]string{"COOKIE_SECRET": "", "PUBLIC_URL": "http://h"}, `mounts:
  - {path: /x/, upstream: ["http://`+shiny.l.Addr().String()+`"], allow: signed_in}
`)
	for i, v := range framingVectors() {
		statuses, err := p.answers(strings.ReplaceAll(v.raw, "{id}", fmt.Sprintf("v%dv", i)), v.answers)
		if saw := shiny.take(); saw != "" {
			t.Errorf("%s: Shiny saw %q", v.name, saw)
		}
		want := v.status
		if want == 0 {
			want = 401
		}
		if err != nil || len(statuses) == 0 || statuses[0] != want {
			t.Errorf("%s: answers %v, want %d: %v", v.name, statuses, want, err)
		}
	}
}

// answers sends raw bytes on one connection and returns the status of every
// answer until the proxy closes it, or until there are enough; then it hears
// that nothing follows.
func (p *testProxy) answers(raw string, enough int) (statuses []int, err error) {
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, raw); err != nil {
		return nil, err
	}
	in := bufio.NewReader(c)
	for {
		if len(statuses) == enough {
			c.(*net.TCPConn).CloseWrite()
		}
		if _, err := in.Peek(1); err == io.EOF {
			return statuses, nil
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses, err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return statuses, err
		}
		if resp.StatusCode >= 200 {
			statuses = append(statuses, resp.StatusCode)
		}
	}
}
