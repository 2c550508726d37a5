package fastproxy

import (
	"fmt"
	"io"
	"os"
	"time"

	"fastproxy/fastproxy/loop"
)

// uploadRead bounds how much of a body is looked at in one go.
const uploadRead = 64 << 10

// carriesBody reports whether a lane can carry a request's body: one of known
// length, which nobody has to look into.
func carriesBody(x *exchange) bool { return !x.head.chunked && x.route.opens == nil }

// takeKept takes what has come of the body, to be sent with the head.
func (e *errand) takeKept() []byte {
	n := min(int64(len(e.caller.kept)), e.left)
	return e.caller.kept[:n]
}

// sentHead books that the request's head is on its way with n bytes of its
// body, which were held, and asks the client for the rest.
func (e *errand) sentHead(n int) {
	l, c := e.lane, e.caller
	e.stage = asking
	if n > 0 {
		e.left -= int64(n)
		e.x.body.read += int64(n)
		c.keep(c.kept[n:])
	}
	e.awaitStrand()
	if e.x.head.expect && e.x.head.hasBody() && !e.sayContinue() || e.left == 0 {
		return
	}
	e.reading = pace{limits: &l.p.limits}
	e.readAt = l.loop.Now()
	e.awaitCaller()
	e.upload()
}

// sayContinue is exchange.sendContinue; false: the errand is over.
func (e *errand) sayContinue() bool {
	const line = "HTTP/1.1 100 Continue\r\n\r\n"
	n, _ := loop.Write(e.caller.fd(), []byte(line))
	e.x.sent += int64(n)
	e.x.heads += int64(n)
	if n < len(line) {
		e.clientGone()
		return false
	}
	return true
}

// upload passes the body on until Shiny has no room or the client has sent no
// more, before the answer and beside it. What waits, waits in the client's
// socket.
func (e *errand) upload() {
	c, st := e.caller, e.strand
	for range acceptsPerTurn {
		if e.left == 0 || e.full || !c.readable {
			return
		}
		b := e.lane.loop.Scratch()
		b = b[:min(int64(uploadRead), e.left)]
		n, err := loop.Peek(c.fd(), b)
		if err == loop.ErrAgain {
			c.readable = false
			return
		}
		if err != nil { // half a request must not look like a whole one
			if err == io.EOF {
				err = errBodyCut
			}
			e.bodyFailed(err)
			return
		}
		short := n < len(b) && !c.hungUp
		took, err := loop.Write(st.fd(), b[:n])
		if err != nil && err != loop.ErrAgain {
			e.left = -1 // Shiny wants no more; its answer may be here
			if e.stage == asking {
				e.awaitStrand()
				e.readHead()
			}
			return
		}
		e.full = took < n
		c.readable = e.full || !short
		if loop.Discard(c.fd(), took) != nil {
			e.clientGone()
			return
		}
		e.sent(took)
	}
	e.lane.loop.Again(c.key, loop.Readable)
}

// sent books n bytes of the body that Shiny took.
func (e *errand) sent(n int) {
	l := e.lane
	now := l.loop.Now()
	e.left -= int64(n)
	e.x.body.read += int64(n)
	e.reading.moved(n, time.Duration(now-e.readAt))
	e.readAt = now
	if e.stage == asking { // R reads uploads between two computations: as long as an answer may take
		e.awaitStrand()
	}
	e.awaitCaller()
}

// awaitStrand sets the deadline of what is awaited of Shiny.
func (e *errand) awaitStrand() {
	l := e.lane.loop
	l.SetDeadline(e.strand.key, l.Now()+int64(e.s.headerTimeout))
}

// bodyFailed ends a request whose body does not come whole: with a page, or,
// when its answer has begun, by breaking that off.
func (e *errand) bodyFailed(err error) {
	if e.stage == answering {
		e.abort()
		return
	}
	e.hand(fmt.Errorf("%w: %w", errUpload, err))
}

// lateBody cuts a client whose body does not come, unless it is Shiny who does
// not take it.
func (e *errand) lateBody() {
	l := e.lane
	now := l.loop.Now()
	if !e.full {
		e.reading.moved(0, time.Duration(now-e.readAt))
	}
	e.readAt = now
	if e.reading.left() <= 0 {
		e.bodyFailed(os.ErrDeadlineExceeded)
		return
	}
	e.awaitCaller()
}

// uploading reports that the rest of the body is still to be passed on.
func (e *errand) uploading() bool { return e.left > 0 && e.stage != dialing }
