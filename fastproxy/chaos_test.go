package fastproxy

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fastproxy/fastproxy/session"
)

// TestNoByteReachesAnotherVisitor lets many visitors and a Shiny misbehave at
// once in every way that they can think of, while sessions end. An answer that
// looks whole must be the visitor's own, and so must be an upload.
func TestNoByteReachesAnotherVisitor(t *testing.T) {
	visitors, each := 24, 60
	if testing.Short() {
		each = 20
	}
	s := startBackend(t, func(c net.Conn) { moodyShiny(t, c) })
	env := s.env()
	env["COOKIE_SECRET"] = ""
	d := &door{testProxy: startProxyWith(t, env, "", quickly), t: t}
	var all sync.WaitGroup
	var whole, cut atomic.Int64
	for v := range visitors {
		all.Go(func() {
			m := &moodyVisitor{t: t, d: d, rng: rand.New(rand.NewPCG(uint64(v), 3)), name: fmt.Sprintf("v%d", v), whole: &whole, cut: &cut}
			for n := range each {
				m.visit(n)
			}
			m.hangUp()
		})
	}
	over := make(chan struct{})
	var ending sync.WaitGroup
	ending.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(20 * time.Millisecond):
				d.registry.EndWhere(func(session.Info) bool { return true }, session.WhyLogout)
			}
		}
	})
	all.Wait()
	close(over)
	ending.Wait()
	t.Logf("%d whole answers, %d that were cut or refused", whole.Load(), cut.Load())
	if whole.Load() < int64(visitors*each/10) {
		t.Error("there is hardly a whole answer")
	}
}

// moodyShiny answers each request with its id, over and over, in a mood that
// the id decides.
func moodyShiny(t *testing.T, c net.Conn) {
	c.SetDeadline(time.Now().Add(patient))
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		id, mood := req.Header.Get("X-Id"), req.Header.Get("X-Mood")
		body := strings.Repeat(id+"\n", 1+len(id)*7%900)
		if mood == "early" {
			fmt.Fprintf(c, "HTTP/1.1 413 No\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			return
		}
		if b, err := io.ReadAll(req.Body); err != nil || strings.Trim(string(b), id+"\n") != "" {
			if err == nil {
				t.Errorf("the upload of %q holds %.60q", id, b)
			}
			return
		}
		half := len(body) / 2
		switch mood {
		case "length":
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		case "pieces":
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body))
			io.WriteString(c, body[:half])
			io.WriteString(c, body[half:])
		case "chunked":
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", half, body[:half])
			fmt.Fprintf(c, "%x\r\n%s\r\n0\r\n\r\n", len(body)-half, body[half:])
		case "until close":
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n\r\n%s", body)
			return
		case "hint":
			fmt.Fprintf(c, "HTTP/1.1 103 Early Hints\r\nX-Id: %s\r\n\r\n", id)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		case "more than asked":
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", len(body), body)
		case "big": // enough to be spliced
			body = bigBody(id)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		case "not modified": // with a body all the same: the next answer, until answerHead.late looked at 304
			io.WriteString(c, "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n")
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
		case "cut":
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:half])
			return
		case "cut chunk":
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(body), body[:half])
			return
		case "malformed":
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%sxx\r\n", half, body[:half])
		case "reset":
			c.(*net.TCPConn).SetLinger(0)
			return
		}
	}
}

func bigBody(id string) string { return strings.Repeat(id+"\n", 30000) }

var moods = []string{"length", "length", "length", "pieces", "chunked", "until close", "hint", "big", "not modified", "more than asked", "cut", "cut chunk", "malformed", "reset", "early"}

// moodyVisitor asks, uploads, and leaves when it likes.
type moodyVisitor struct {
	t          *testing.T
	d          *door
	rng        *rand.Rand
	name       string
	cookie     string
	c          net.Conn
	r          *bufio.Reader
	whole, cut *atomic.Int64
}

func (m *moodyVisitor) hangUp() {
	if m.c != nil {
		m.c.Close()
		m.c = nil
	}
}

func (m *moodyVisitor) visit(n int) {
	if m.c == nil {
		c, err := net.Dial("tcp", m.d.addr)
		if err != nil {
			m.t.Error(err)
			return
		}
		c.SetDeadline(time.Now().Add(patient))
		m.c, m.r = c, bufio.NewReader(c)
		m.cookie = m.d.tina(m.t)
	}
	id := fmt.Sprintf("%s-%d", m.name, n)
	mood := moods[m.rng.IntN(len(moods))]
	what, lines := "GET /reports/", []string{"X-Id: " + id, "X-Mood: " + mood}
	var body []string
	switch upload := strings.Repeat(id+"\n", 1+m.rng.IntN(3000)); m.rng.IntN(4) {
	case 0:
		what, lines = "POST /reports/", append(lines, fmt.Sprintf("Content-Length: %d", len(upload)))
		body = []string{upload[:len(upload)/3], upload[len(upload)/3:]}
	case 1:
		what, lines = "POST /reports/", append(lines, "Transfer-Encoding: chunked")
		cut := 1 + m.rng.IntN(len(upload)-1)
		body = []string{fmt.Sprintf("%x\r\n%s\r\n", cut, upload[:cut]), fmt.Sprintf("%x;x=y\r\n%s\r\n0\r\nX-Id: other\r\n\r\n", len(upload)-cut, upload[cut:])}
	}
	io.WriteString(m.c, m.d.requestBy(m.cookie, what, lines...))
	for _, piece := range body {
		if m.rng.IntN(12) == 0 {
			m.hangUp()
			return
		}
		io.WriteString(m.c, piece)
	}
	if m.rng.IntN(12) == 0 {
		m.hangUp()
		return
	}
	m.judge(id)
}

// judge reads the answer, which is whole and this visitor's own, or broken so
// that one can tell.
func (m *moodyVisitor) judge(id string) {
	resp, err := http.ReadResponse(m.r, nil)
	for err == nil && resp.StatusCode == 103 {
		if got := resp.Header.Get("X-Id"); got != id {
			m.t.Errorf("%s got the hint of %q", id, got)
		}
		resp, err = http.ReadResponse(m.r, nil)
	}
	if isTimeout(err) {
		m.t.Errorf("%s got no answer", id)
	}
	if err != nil {
		m.cut.Add(1)
		m.hangUp()
		return
	}
	b, err := io.ReadAll(resp.Body)
	ours := resp.StatusCode == 200 || resp.StatusCode == 413
	switch {
	case ours && strings.Trim(string(b), id+"\n") != "", ours && len(b) > 0 && !strings.HasPrefix(string(b), id[:min(len(id), len(b))]):
		m.t.Errorf("%s got %.80q", id, b)
	case ours && err == nil && len(b) != (len(id)+1)*(1+len(id)*7%900) && len(b) != len(bigBody(id)):
		m.t.Errorf("%s got %d bytes that look whole", id, len(b))
	case ours && err == nil, resp.StatusCode == 304:
		m.whole.Add(1)
	default:
		m.cut.Add(1)
		m.cookie = m.d.tina(m.t) // perhaps it was the session's end
	}
	if err != nil || resp.Close {
		m.hangUp()
	}
}
