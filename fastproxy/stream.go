package fastproxy

import (
	"sync"
	"time"

	"fastproxy/fastproxy/session"
	"fastproxy/fastproxy/shiny"
)

// stream copies the rest of the body.
func (t *transfer) stream(f *framing, end *streamEnd) error {
	if t.r.kind.IsStream() {
		t.x.c.setStream(end)
		defer t.x.c.setStream(nil)
	}
	t.buf = fitBuffer(t.buf, 0, 0) // nothing of its head is needed any more
	for {
		n, err := t.uc.Read(t.buf)
		body, ferr := f.take(t.buf[:n])
		if len(body) > 0 {
			if err := t.x.write(body); err != nil {
				return err
			}
		}
		if ferr != nil || f.ended() {
			return ferr
		}
		if why := end.reason(); why != "" {
			if over, err := t.sayFarewell(f, why); over {
				return err
			}
			if isTimeout(err) {
				err = end.wait()
			}
		}
		if err != nil {
			return err
		}
		most := maxHeadBytes
		if t.x.sent > freeBytes { // somebody reads
			most = copyBuffer
		}
		t.buf = fitBuffer(t.buf, n, most)
	}
}

// sayFarewell ends a SockJS stream in words that its client understands, once
// it stands between two chunks; over: the answer has ended, or broken off.
func (t *transfer) sayFarewell(f *framing, why session.Why) (over bool, err error) {
	bye := shiny.Farewell(t.r.kind, endingOf(why))
	if len(bye) == 0 || !f.chunked {
		return true, session.ErrEnded
	}
	if !f.chunks.between() {
		return false, nil
	}
	if f.raw {
		const room = 16
		b := make([]byte, room+len(bye)+room)
		bye = rechunk(b, room, copy(b[room:], bye), true)
	}
	t.x.closing = true
	return true, t.x.write(bye)
}

// streamEnd is a streaming answer as its session sees it. It outlives the
// transfer, and then does nothing: the connections may be somebody else's.
type streamEnd struct {
	pass
	socket string // the SockJS session's id

	mu    sync.Mutex
	t     *transfer   // guarded by mu, as are the others; nil once the answer is over
	why   session.Why // "" until End
	until time.Time   // by when the answer must be over, once it is to end
	waits bool        // the rest of a chunk is awaited
}

// End implements session.Stream: it wakes the copying goroutine, wherever it
// waits, and does not wait for it.
func (e *streamEnd) End(why session.Why) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.t == nil || e.why != "" {
		return
	}
	e.why, e.until = why, time.Now().Add(e.t.p.limits.farewell)
	e.t.x.cut(e.until)
	e.t.uc.SetReadDeadline(longAgo)
}

// reason returns why the answer is to end, "" as long as it is not.
func (e *streamEnd) reason() session.Why {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.why
}

// wait lets the rest of a chunk come, once, until the answer must be over.
func (e *streamEnd) wait() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waits {
		return session.ErrEnded
	}
	e.waits = true
	return e.t.uc.SetReadDeadline(e.until)
}

// release unbinds the answer, which is over.
func (e *streamEnd) release(b *session.Binding) {
	e.mu.Lock()
	e.t = nil
	e.mu.Unlock()
	if b != nil {
		b.Release()
	}
}

// ClientBytes implements session.Stream: an answer is not what the visitor does.
func (e *streamEnd) ClientBytes() uint64 { return 0 }
