package fastproxy

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"fastproxy/fastproxy/session"
	"fastproxy/fastproxy/shiny"
)

// sendAnswer passes the backend's answer to the client as it comes: the head
// with its first bytes in one write, then each read as one write.
func (t *transfer) sendAnswer() {
	x, a := t.x, &t.answer
	if t.uploaded != nil && !t.bodyRead.Load() {
		x.closing = true // answered before the body came: its rest may never be read
	}
	untilClose := a.untilClose(x.head.method)
	if untilClose {
		x.closing = true
	}
	f := framing{raw: x.head.minor == 1}
	switch {
	case a.bodiless(x.head.method):
		f.left = 0
	case a.chunked:
		f.chunked = true
	case untilClose:
		f.left = -1
	default:
		f.left = a.contentLength
	}
	x.status = a.status
	head := t.s.appendAnswerHead(takeHead()[:0], x, t.r, a)
	defer giveBuffer(head)
	body, err := f.take(t.buf[t.from:t.to])
	if len(head)+len(body) <= cap(head) {
		head, body = append(head, body...), nil
	}
	if x.write(head) != nil || len(body) > 0 && x.write(body) != nil {
		return
	}
	if err == nil && !f.ended() {
		err = t.stream(&f)
	}
	switch {
	case err == nil || err == io.EOF && untilClose:
		// Bytes behind the answer are nobody's: that connection is not used again.
		t.reuse = !a.close && !untilClose && !f.over
	default:
		x.abort()
	}
}

// stream copies the rest of the body. It is bound to the visitor's session:
// when that ends, so does the stream.
func (t *transfer) stream(f *framing) error {
	end := &streamEnd{t: t}
	b, err := t.p.bind(&t.r.decision, end)
	if err != nil {
		return err
	}
	if b != nil {
		defer b.Release()
	}
	for {
		n, err := t.uc.Read(t.buf)
		if n > 0 {
			body, ferr := f.take(t.buf[:n])
			if werr := t.x.write(body); werr != nil {
				return werr
			}
			if ferr != nil || f.ended() {
				return ferr
			}
		}
		if why := end.why.Load(); why != nil {
			t.sayFarewell(f, *why)
			return session.ErrEnded
		}
		if err != nil {
			return err
		}
	}
}

// sayFarewell ends a SockJS stream in words that its client understands, if
// the stream stands between two chunks.
func (t *transfer) sayFarewell(f *framing, why session.Why) {
	bye := shiny.Farewell(t.r.kind, endingOf(why))
	if len(bye) == 0 || !f.chunked || !f.chunks.between() {
		return
	}
	if f.raw {
		buf := append(make([]byte, 32), bye...)
		bye = rechunk(append(buf, make([]byte, 8)...), 32, len(bye), true)
	}
	t.x.write(bye)
}

// streamEnd is a streaming answer as its session sees it.
type streamEnd struct {
	t   *transfer
	why atomic.Pointer[session.Why]
}

// End implements session.Stream: it wakes the copying goroutine, wherever it
// waits, and does not wait for it.
func (e *streamEnd) End(why session.Why) {
	e.why.CompareAndSwap(nil, &why)
	e.t.uc.SetReadDeadline(longAgo)
	e.t.x.halt.Store(true)
	e.t.x.c.nc.SetWriteDeadline(time.Now().Add(farewellLimit))
}

// ClientBytes implements session.Stream: an answer is not what the visitor does.
func (e *streamEnd) ClientBytes() uint64 { return 0 }

// framing follows the body of an answer and says which of its bytes the
// client gets.
type framing struct {
	left    int64 // with Content-Length; -1: until the connection closes
	chunked bool
	raw     bool // chunked coding is passed on as it is; else (HTTP/1.0) undone
	chunks  chunks
	over    bool // the backend sent more than its answer
}

// take returns the bytes for the client among the b that the backend sent;
// without raw it moves them together in b.
func (f *framing) take(b []byte) ([]byte, error) {
	if !f.chunked {
		if f.left >= 0 && int64(len(b)) > f.left {
			b, f.over = b[:f.left], true
		}
		if f.left > 0 {
			f.left -= int64(len(b))
		}
		return b, nil
	}
	at, out := 0, 0
	for at < len(b) && !f.chunks.done() {
		n, payload, err := f.chunks.next(b[at:])
		if err != nil {
			return nil, err
		}
		at += n
		if !f.raw {
			out += copy(b[out:], payload)
		}
	}
	f.over = at < len(b)
	if f.raw {
		out = at
	}
	return b[:out], nil
}

func (f *framing) ended() bool {
	if f.chunked {
		return f.chunks.done()
	}
	return f.left == 0
}

// abort ends a client connection whose answer broke off, so that it cannot be
// taken for a whole one: with a reset where nothing else would tell.
func (x *exchange) abort() {
	x.closing = true
	if tc, ok := x.c.nc.(*net.TCPConn); ok {
		tc.SetLinger(0)
	}
	x.broken = true
}
