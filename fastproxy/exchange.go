package fastproxy

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"fastproxy/fastproxy/identity"
)

// exchange is one request and its answer, as serve sees it whatever engine
// read it: the judged head, a body to read, and ways to answer once. It is
// pooled; nothing may keep it, or a slice of its head, past serve.
type exchange struct {
	c    *conn
	head head
	body bodyReader
	ctx  *fasthttp.RequestCtx // the same head through fasthttp's parser, for the handlers of our pages; see giveContext

	id     string     // X-Request-Id
	client netip.Addr // who is behind the trusted proxies; zero if unknown
	start  time.Time

	route     route
	principal *identity.Principal // who it is, as far as known
	reason    string              // why it was not served, for the record
	own       bool                // a page of ours
	carried   bool                // handed to Shiny
	cookies   []string            // Set-Cookie values of our answer
	allow     string              // Allow of a 405

	status  int // of the final answer; 0 while there is none
	sent    int64
	heads   int64        // of that, bytes of heads
	closing bool         // no further request on this connection
	taken   bool         // the connection is a tunnel's now
	broken  bool         // the answer broke off: close without lingering
	cutoff  atomic.Int64 // unix nanoseconds: no write lasts longer; 0: its session goes on
	writing pace
	lines   []line // room for those of Shiny's answer
}

var (
	exchanges = sync.Pool{New: func() any { return new(exchange) }}
	contexts  = sync.Pool{New: func() any { return new(fasthttp.RequestCtx) }}
	parsers   = sync.Pool{New: func() any { return &headParser{Reader: bufio.NewReaderSize(nil, maxHeadBytes)} }}
)

// headParser is how fasthttp reads a head that is here already.
type headParser struct {
	raw bytes.Reader
	*bufio.Reader
}

func acquireExchange(c *conn) *exchange {
	x := exchanges.Get().(*exchange)
	x.c, x.start, x.id = c, c.loan.start, c.loan.id
	if x.id == "" {
		x.start, x.id = time.Now(), newRequestID()
	}
	x.writing.limits = &c.p.limits
	x.ctx = contexts.Get().(*fasthttp.RequestCtx)
	return x
}

func releaseExchange(x *exchange) {
	clear(x.head.lines) // beyond it they are clear
	clear(x.lines[:cap(x.lines)])
	x.giveContext()
	*x = exchange{head: head{lines: x.head.lines[:0]}, lines: x.lines[:0]}
	exchanges.Put(x)
}

// giveContext gives ctx back while it is not needed; answer gets another.
func (x *exchange) giveContext() {
	if x.ctx != nil {
		x.ctx.Request.Reset()
		x.ctx.Response.Reset()
		contexts.Put(x.ctx)
		x.ctx = nil
	}
}

func newRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// parse hands the scanned bytes to fasthttp's parser, which must read the
// same request in them.
func (x *exchange) parse() bool {
	h := &x.head
	x.client = x.c.p.clientAddr(x.c.peer, h)
	x.body = bodyReader{c: x.c, left: max(h.contentLength-x.c.loan.read, 0), read: x.c.loan.read, chunked: h.chunked, pace: pace{limits: &x.c.p.limits}}
	x.closing = h.close
	return x.fillContext()
}

// fillContext reads the head with fasthttp's parser.
func (x *exchange) fillContext() bool {
	x.ctx.Init2(x.c.nc, discardLogger{}, true)
	p := parsers.Get().(*headParser)
	defer parsers.Put(p)
	return p.reads(&x.ctx.Request.Header, &x.head)
}

// reads reports whether fasthttp's parser finds the same request in a head.
func (p *headParser) reads(into *fasthttp.RequestHeader, h *head) bool {
	p.raw.Reset(h.raw)
	p.Reset(&p.raw)
	err := into.Read(p.Reader)
	p.raw.Reset(nil)
	return err == nil && bytes.Equal(into.Method(), h.method) && bytes.EqualFold(into.Host(), h.host)
}

// discardLogger keeps fasthttp's own prints out of a structured log.
type discardLogger struct{}

func (discardLogger) Printf(string, ...any) {}

// finish says what becomes of the connection. It carries another request if
// the answer went out whole and nothing of the request is left unread.
func (x *exchange) finish() connNext {
	switch {
	case x.taken:
		return connTaken
	case x.broken:
		return connBroken
	case x.status == 408 || isTimeout(x.body.err) && !x.body.stopped.Load():
		return connSlow
	case x.closing || x.status == 0 || !x.body.ended() || x.body.err != nil:
		return connOver
	}
	return connKept
}

// write sends bytes of an answer to the client. A reader that stalls too long
// is cut (see pace); an error is final, and the answer broken off.
func (x *exchange) write(b []byte) error {
	for stalled := false; ; stalled = true {
		start := time.Now()
		x.c.nc.SetWriteDeadline(start.Add(min(x.writing.left(), x.writing.limits.paceLook)))
		if at := x.cutoff.Load(); at != 0 { // asked second: cut sets it first
			x.c.nc.SetWriteDeadline(time.Unix(0, at))
		}
		n, err := x.c.nc.Write(b)
		x.sent += int64(n)
		// What the kernel took without a wait, the client need not have read;
		// behind a stall, or behind so much, it must have.
		earned := n
		if !stalled && x.sent < freeBytes {
			earned = 0
		}
		x.writing.moved(earned, time.Since(start))
		if err == nil {
			return nil
		}
		if !isTimeout(err) || x.cutoff.Load() != 0 || x.writing.left() <= 0 {
			x.abort()
			return err
		}
		b = b[n:]
	}
}

// cut ends all writing to the client at a time; it may come from any goroutine
// while the exchange lasts.
func (x *exchange) cut(at time.Time) {
	x.cutoff.Store(at.UnixNano())
	x.c.nc.SetWriteDeadline(at)
}

// abort ends a client connection whose answer broke off, so that it cannot be
// taken for a whole one: by a reset, because nothing else would tell where the
// body ends with the connection. (A Unix socket knows no reset; a proxy in
// front that speaks HTTP/1.0 to one cannot tell.)
func (x *exchange) abort() {
	x.closing, x.broken = true, true
	if tc, ok := x.c.nc.(*net.TCPConn); ok {
		tc.SetLinger(0)
	}
}

// sendContinue asks a client for the body that it holds back (RFC 9110 section
// 10.1.1), once. Its answer must not have begun.
func (x *exchange) sendContinue() error {
	if !x.head.expect {
		return nil
	}
	x.head.expect = false
	return x.write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
}

// closes decides, when the answer begins, whether it is the last one here.
func (x *exchange) closes(must bool) {
	x.closing = x.closing || must || x.c.left()
}

// answer runs a handler of ours and writes what it answered. The handler may
// read ctx like any fasthttp handler's; its body is there only if readForm
// was called before.
func (x *exchange) answer(handler fasthttp.RequestHandler) {
	if x.ctx == nil { // Shiny was asked before
		x.ctx = contexts.Get().(*fasthttp.RequestCtx)
		x.fillContext()
	}
	handler(x.ctx)
	resp := &x.ctx.Response
	for _, c := range x.cookies {
		resp.Header.Add("Set-Cookie", c)
	}
	if x.allow != "" {
		resp.Header.Set("Allow", x.allow)
	}
	resp.SkipBody = string(x.head.method) == "HEAD"
	x.closes(!x.body.ended())
	if x.closing {
		resp.SetConnectionClose() // after the handler: ctx.Error would have reset it
	}
	x.status = resp.StatusCode()
	var out bytes.Buffer
	w := bufio.NewWriterSize(&out, smallBuffer)
	if err := resp.Write(w); err == nil {
		w.Flush()
	}
	x.heads += int64(out.Len())
	if !resp.SkipBody {
		x.heads -= int64(len(resp.Body()))
	}
	x.write(out.Bytes())
}

// maxForm is the most a form of ours may hold.
const maxForm = 16 << 10

// readForm reads the body for a handler of ours; false: it is too large or
// did not come.
func (x *exchange) readForm() bool {
	if x.head.contentLength > maxForm || x.sendContinue() != nil {
		x.closing = true
		return false
	}
	b, err := io.ReadAll(io.LimitReader(&x.body, maxForm+1))
	if err != nil || len(b) > maxForm {
		x.closing = true
		return false
	}
	x.ctx.Request.SetBodyRaw(b)
	return true
}

// peerAddr returns the IP address of a connection's other end, zero for Unix
// sockets.
func peerAddr(nc net.Conn) netip.Addr {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
