package bench

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
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
	sent := v.send(conn, c)
	if sent != nil && (c.body == nil || !isGone(sent)) {
		x.end(false)
		return nil, x.cause(sent)
	}
	for {
		res, err := http.ReadResponse(x.in, &http.Request{Method: c.method})
		if err != nil {
			x.end(false)
			return nil, x.cause(cmp.Or(sent, err))
		}
		// A server may refuse a body, and close, before it has read it.
		res.Close = res.Close || sent != nil
		if res.StatusCode >= 200 || res.StatusCode == 101 { // 100 and 103 come before the answer
			x.res = res
			break
		}
	}
	v.jar.SetCookies(c.to, x.res.Cookies())
	return x, nil
}

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
