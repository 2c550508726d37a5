package bench

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// visitor is one browser as far as HTTP goes: its cookies and its kept
// connections, one an origin. It does one thing at a time and runs no
// goroutine: between requests a kept connection is all it costs, where
// http.Transport holds two goroutines and 8 KB for each. Close ends it.
type visitor struct {
	net       *network
	jar       http.CookieJar
	signingIn bool                // it may leave the target's origin
	kept      map[string]net.Conn // idle, by origin
}

func newVisitor(n *network) *visitor {
	jar, _ := cookiejar.New(nil) // it has no error to give
	return &visitor{net: n, jar: jar, kept: map[string]net.Conn{}}
}

// close ends the kept connections.
func (v *visitor) close() {
	for at, conn := range v.kept {
		conn.Close()
		delete(v.kept, at)
	}
}

// call is one request.
type call struct {
	method string // GET or POST
	to     *url.URL
	// target is sent as it is; "": that of to.
	target string
	accept string // default */*
	kind   string // Content-Type of body
	origin bool   // an Origin header goes with it, as with a browser's form
	body   io.Reader
	length int64
	want   int64 // bytes of the answer's body to keep, decoded; the rest is counted
	stay   bool  // redirects are an answer like any other
	plain  bool  // the answer is read as it comes: no encoding
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	at     *url.URL // after redirects
}

// redirects that a call follows at most, as many as shinycannon.
const maxRedirects = 50

// acceptPage is what browsers ask for when they go somewhere.
const acceptPage = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"

// homeCall is a GET of a path below the app's, which is sent byte for byte.
func (n *network) homeCall(path string) *call {
	target := n.home.EscapedPath() + wireTarget(path)
	path, query, _ := strings.Cut(target, "?")
	return &call{method: http.MethodGet, target: target,
		to: &url.URL{Scheme: n.home.Scheme, Host: n.home.Host, Path: path, RawQuery: query}}
}

// wireTarget encodes what must not stand in a request line; the rest stays.
func wireTarget(path string) string {
	bad := func(b byte) bool { return b <= ' ' || b >= 0x7f || b == '#' }
	for i := range len(path) {
		if !bad(path[i]) {
			continue
		}
		var b strings.Builder
		for j := range len(path) {
			if bad(path[j]) {
				fmt.Fprintf(&b, "%%%02X", path[j])
			} else {
				b.WriteByte(path[j])
			}
		}
		return b.String()
	}
	return path
}

// do sends c, follows redirects and reads the answer to its end.
func (v *visitor) do(ctx context.Context, c *call) (*answer, error) {
	if v.net.answer > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, v.net.answer)
		defer cancel()
	}
	for range maxRedirects {
		x, err := v.begin(ctx, c)
		if err != nil {
			return nil, err
		}
		a, err := x.finish(c)
		if err != nil {
			return nil, err
		}
		next, err := c.redirect(a)
		if err != nil || next == nil {
			return a, err
		}
		c = next
	}
	return nil, faultf("redirect", "more than %d redirects", maxRedirects)
}

// redirect is the call that an answer asks for instead; nil for none.
func (c *call) redirect(a *answer) (*call, error) {
	location := a.header.Get("Location")
	if c.stay || location == "" {
		return nil, nil
	}
	next := *c
	switch a.status {
	case 301, 302, 303:
		next.method, next.body, next.length, next.kind, next.origin = http.MethodGet, nil, 0, "", false
	case 307, 308:
		if c.body != nil {
			return nil, nil
		}
	default:
		return nil, nil
	}
	to, err := c.to.Parse(location)
	if err != nil {
		return nil, faultf("redirect", "redirected to what is no URL")
	}
	to.Fragment = ""
	next.to, next.target = to, ""
	return &next, nil
}

// exchange is a request of which the head of the answer has been read.
type exchange struct {
	v    *visitor
	to   *url.URL
	conn net.Conn
	in   *bufio.Reader
	res  *http.Response
	stop func() bool // of what cuts the connection when the context ends
	ctx  context.Context
}

var readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

// begin sends c and reads the head of the answer. The caller ends the exchange.
func (v *visitor) begin(ctx context.Context, c *call) (*exchange, error) {
	if err := v.net.mayReach(c.to, v.signingIn); err != nil {
		return nil, err
	}
	at := origin(c.to)
	conn, ok := v.kept[at]
	delete(v.kept, at)
	if ok && stillIdle(conn) {
		x, err := v.beginOn(ctx, conn, c)
		// The server may end a kept connection in the very moment it is used.
		if err == nil || ctx.Err() != nil || c.body != nil || !isGone(err) {
			return x, err
		}
	} else if ok {
		conn.Close()
	}
	conn, err := v.net.dial(ctx, c.to)
	if err != nil {
		return nil, err
	}
	return v.beginOn(ctx, conn, c)
}

func isGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// beginOn owns conn, also when it fails.
func (v *visitor) beginOn(ctx context.Context, conn net.Conn, c *call) (*exchange, error) {
	x := &exchange{v: v, to: c.to, conn: conn, ctx: ctx}
	x.stop = context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	x.in = readers.Get().(*bufio.Reader)
	x.in.Reset(conn)
	if err := v.send(conn, c); err != nil {
		x.end(false)
		return nil, x.cause(err)
	}
	for {
		res, err := http.ReadResponse(x.in, &http.Request{Method: c.method})
		if err != nil {
			x.end(false)
			return nil, x.cause(err)
		}
		if res.StatusCode >= 200 || res.StatusCode == 101 { // 100 and 103 come before the answer
			x.res = res
			break
		}
	}
	v.jar.SetCookies(c.to, x.res.Cookies())
	return x, nil
}

// send writes head and body of a request.
func (v *visitor) send(conn net.Conn, c *call) error {
	out := bufio.NewWriterSize(conn, 2048)
	target := c.target
	if target == "" {
		target = c.to.RequestURI()
	}
	fields := v.fields(c)
	host := c.to.Host
	if h := fields.Get("Host"); h != "" {
		host = h
		delete(fields, "Host")
	}
	fmt.Fprintf(out, "%s %s HTTP/1.1\r\nHost: %s\r\n", c.method, target, host)
	fields.Write(out)
	out.WriteString("\r\n")
	if c.body != nil {
		n, err := io.CopyN(out, c.body, c.length)
		v.net.bytesOut.Add(n)
		if err != nil {
			return fmt.Errorf("send body: %w", err)
		}
	}
	return out.Flush()
}

// fields are the header of a request. What the user gives wins, and goes to
// the target's own origin only.
func (v *visitor) fields(c *call) http.Header {
	h := http.Header{}
	h.Set("User-Agent", userAgent)
	if !c.plain {
		h.Set("Accept-Encoding", "gzip")
	}
	h.Set("Accept", "*/*")
	if c.accept != "" {
		h.Set("Accept", c.accept)
	}
	if c.method == http.MethodPost {
		h.Set("Content-Length", strconv.FormatInt(c.length, 10))
	}
	if c.kind != "" {
		h.Set("Content-Type", c.kind)
	}
	if c.origin {
		h.Set("Origin", c.to.Scheme+"://"+c.to.Host)
	}
	if v.net.isHome(c.to) {
		for name, values := range v.net.header {
			h[http.CanonicalHeaderKey(name)] = values
		}
	}
	if cookies := v.cookies(c.to, h.Values("Cookie")); cookies != "" {
		h.Set("Cookie", cookies)
	}
	return h
}

// cookies is the Cookie line for u: those given, then the jar's.
func (v *visitor) cookies(u *url.URL, given []string) string {
	all := append([]string(nil), given...)
	for _, c := range v.jar.Cookies(u) {
		all = append(all, c.Name+"="+c.Value)
	}
	return strings.Join(all, "; ")
}

// userAgent is what fastbench calls itself.
const userAgent = "fastbench"

// finish reads the body of an answer and keeps the connection for the next
// call where that is possible.
func (x *exchange) finish(c *call) (*answer, error) {
	a := &answer{status: x.res.StatusCode, header: x.res.Header, at: c.to}
	in := io.Reader(x.res.Body)
	counted := &counter{r: in}
	in = counted
	var err error
	if c.want > 0 && x.res.Header.Get("Content-Encoding") == "gzip" && c.method != http.MethodHead {
		in, err = gzip.NewReader(counted)
		if errors.Is(err, io.EOF) { // an empty body is in no encoding
			in, err = counted, nil
		}
	}
	if err == nil && c.want > 0 {
		a.body, err = io.ReadAll(io.LimitReader(in, c.want))
	}
	if err == nil {
		_, err = io.Copy(io.Discard, counted)
	}
	x.v.net.bytesIn.Add(counted.n)
	x.end(err == nil && !x.res.Close && x.res.StatusCode != 101)
	if err != nil {
		return nil, x.cause(fmt.Errorf("read answer: %w", err))
	}
	return a, nil
}

// end gives the reader back, and keeps or closes the connection.
func (x *exchange) end(keep bool) {
	alive := x.stop()
	at := origin(x.to)
	if _, one := x.v.kept[at]; keep && alive && !one && x.in.Buffered() == 0 {
		x.v.kept[at] = x.conn
	} else {
		x.conn.Close()
	}
	x.in.Reset(nil)
	readers.Put(x.in)
	x.in = nil
}

// cause prefers the end of the context over what it made of the connection.
func (x *exchange) cause(err error) error {
	if x.ctx.Err() != nil {
		return fmt.Errorf("no answer: %w", x.ctx.Err())
	}
	return err
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
