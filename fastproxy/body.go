package fastproxy

import (
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// bodyReader reads one request's body and nothing behind it. Its Read
// returns io.EOF after the last byte; every other error is fatal for the
// connection and for what the body was copied to. One goroutine reads it;
// only stop may come from another.
type bodyReader struct {
	c       *conn
	left    int64 // with Content-Length
	chunked bool
	chunks  chunks
	pace    pace
	read    int64 // payload bytes so far
	err     error // what Read failed with; it stays so
	stopped atomic.Bool
}

var errBodyCut = errors.New("request body ended early")

func (b *bodyReader) Read(p []byte) (int, error) {
	for b.err == nil && !b.ended() {
		n, err := b.readSome(p)
		b.read += int64(n)
		if b.err = err; n > 0 {
			return n, nil
		}
	}
	if b.err != nil {
		return 0, b.err
	}
	return 0, io.EOF
}

func (b *bodyReader) ended() bool {
	if b.chunked {
		return b.chunks.done()
	}
	return b.left == 0
}

// readSome reads once; with chunked coding that may bring no payload.
func (b *bodyReader) readSome(p []byte) (int, error) {
	if !b.chunked && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	start := time.Now()
	b.c.nc.SetReadDeadline(start.Add(b.pace.left()))
	if b.stopped.Load() { // after the deadline is set: stop wins, whoever came first
		b.c.nc.SetReadDeadline(longAgo)
	}
	n, err := b.c.read(p)
	b.pace.moved(n, time.Since(start))
	if n == 0 && err != nil {
		if err == io.EOF {
			err = errBodyCut
		}
		return 0, err
	}
	if b.chunked {
		return b.unchunk(p[:n])
	}
	b.left -= int64(n)
	return n, nil
}

// unchunk moves the payload in raw to its front and puts back what is behind
// the body.
func (b *bodyReader) unchunk(raw []byte) (int, error) {
	out, at := 0, 0
	for at < len(raw) && !b.chunks.done() {
		n, payload, err := b.chunks.next(raw[at:])
		if err != nil {
			return 0, err
		}
		at += n
		out += copy(raw[out:], payload)
	}
	b.c.unread(raw[at:])
	return out, nil
}

// stop makes a Read in another goroutine return, and all later ones fail that
// would have to wait.
func (b *bodyReader) stop() {
	b.stopped.Store(true)
	b.c.nc.SetReadDeadline(longAgo)
}
