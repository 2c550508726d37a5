package fastproxy

import (
	"fmt"
	"io"
	"time"
)

// lastPiece is how long the end of a body may wait for a backend that has
// answered already.
const lastPiece = time.Second

// upload copies the request's body to the backend, unless its head met err.
// A body that is malformed, or ends early, ends the backend's connection too:
// half a request must not look like a whole one.
func (t *transfer) upload(err error) {
	defer close(t.uploaded)
	defer t.uploadPanicked()
	if err == nil {
		err = t.copyBody()
	}
	t.sendErr = err
	switch {
	case err == errDeniedOpen:
		t.p.closeSocket(t.x, t.r) // the answer may be on its way, and then nobody else tells
		t.drop(err)
		return
	case t.x.body.err != nil:
		t.drop(fmt.Errorf("%w: %w", errUpload, err))
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.answered {
		t.uc.SetReadDeadline(time.Now().Add(t.s.headerTimeout))
	}
	if t.x.body.ended() {
		t.watch.start()
	}
}

// uploadPanicked keeps a panic of upload's goroutine from the others.
func (t *transfer) uploadPanicked() {
	if v := recover(); v != nil {
		t.p.logPanic(t.x.id, v)
		t.sendErr = errUpload
		t.drop(errUpload)
	}
}

func (t *transfer) copyBody() error {
	buf := takeBuffer(smallBuffer)
	defer func() { giveBuffer(buf) }()
	const room = 18 // "7fff\r\n" before and "\r\n0\r\n\r\n" behind the payload
	for {
		n, err := t.x.body.Read(buf[room : len(buf)-room])
		if err != nil && err != io.EOF {
			return err
		}
		last := t.x.body.ended()
		if o := t.r.opens; o != nil && (!o.Body(buf[room:room+n]) || last && !o.Whole()) {
			return errDeniedOpen // before the write that would complete it
		}
		out := buf[room : room+n]
		if t.x.body.chunked {
			out = rechunk(buf, room, n, last)
		}
		// R reads uploads between two computations: as long as an answer may take.
		t.uc.SetWriteDeadline(time.Now().Add(t.s.headerTimeout))
		t.bodyRead.Store(last) // before the write that lets the backend answer; endUpload shortens the deadline after it
		if _, err := t.uc.Write(out); err != nil || last {
			return err
		}
		buf = fitBuffer(buf, n, copyBuffer)
	}
}

// rechunk frames the n bytes at buf[at:] as one chunk, in place; the last one
// ends the body. Extensions and trailers of the client are not passed on.
func rechunk(buf []byte, at, n int, last bool) []byte {
	start, end := at, at+n
	if n > 0 {
		buf[start-2], buf[start-1] = '\r', '\n'
		start -= 2
		for size := n; size > 0; size >>= 4 {
			start--
			buf[start] = "0123456789abcdef"[size&15]
		}
		end += copy(buf[end:], "\r\n")
	}
	if last {
		end += copy(buf[end:], "0\r\n\r\n")
	}
	return buf[start:end]
}

// endUpload waits for the upload, which it ends if the client still sends:
// the answer is there, and the rest of the body is nobody's.
func (t *transfer) endUpload() {
	if t.bodyRead.Load() {
		t.uc.SetWriteDeadline(time.Now().Add(lastPiece))
	} else {
		t.reuse = false
		t.x.closing = true
		t.x.body.stop()
		t.uc.Close()
	}
	<-t.uploaded
	t.reuse = t.reuse && t.sendErr == nil
}
