package fastproxy

import "io"

// sendAnswer passes the backend's answer to the client as it comes: the head
// with its first bytes in one write, then each read as one write. An answer
// that does not come in one piece is bound to the visitor's session: when that
// ends, so does the answer. The error is the binding's, or that of an answer
// malformed from the start; then nothing was sent.
func (t *transfer) sendAnswer() error {
	x, a := t.x, &t.answer
	f := newFraming(&x.head, a)
	first, err := f.take(t.buf[t.from:t.to])
	if err != nil {
		return errAnswerHead
	}
	var end *streamEnd // nil for an answer that came in one piece
	if !f.ended() {
		end = &streamEnd{pass: t.r.pass(), t: t, socket: t.r.socket}
		b, err := t.p.bind(&t.r.decision, end)
		if err != nil {
			return err
		}
		defer end.release(b)
	}
	early := t.uploaded != nil && !t.bodyRead.Load() // the rest of the body may never be read, here or there
	x.closes(early || f.untilClose())
	x.status = a.status
	if t.sendHead(first) != nil {
		return nil
	}
	if end != nil {
		err = t.stream(&f, end)
	}
	if err != nil && !(err == io.EOF && f.untilClose()) {
		x.abort()
		return nil
	}
	// Bytes behind the answer are nobody's: that connection is not used again.
	t.reuse = !early && !a.late(x.head.method) && !a.close && !f.untilClose() && !f.over && (end == nil || end.reason() == "")
	return nil
}

// sendHead sends the answer's head, with the first bytes of its body.
func (t *transfer) sendHead(body []byte) error {
	head := t.s.appendAnswerHead(takeBuffer(maxHeadBytes)[:0], t.x, t.r, &t.answer)
	defer giveBuffer(head)
	t.x.heads += int64(len(head))
	if len(head)+len(body) <= cap(head) {
		head, body = append(head, body...), nil
	}
	if err := t.x.write(head); err != nil || len(body) == 0 {
		return err
	}
	return t.x.write(body)
}

// framing follows the body of an answer and says which of its bytes the
// client gets.
type framing struct {
	left    int64 // with Content-Length; -1: until the connection closes
	chunked bool
	raw     bool // chunked coding is passed on as it is; else (HTTP/1.0) undone
	chunks  chunks
	over    bool // the backend sent more than its answer
}

func newFraming(h *head, a *answerHead) framing {
	f := framing{raw: h.minor == 1}
	switch {
	case a.bodiless(h.method):
	case a.chunked:
		f.chunked = true
	default:
		f.left = a.contentLength // RFC 9112 section 6.3: without one, until the connection closes
	}
	return f
}

func (f *framing) untilClose() bool { return f.left < 0 }

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
