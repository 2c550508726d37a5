package fastproxy

import (
	"io"
	"time"

	"fastproxy/fastproxy/loop"
)

// readHead reads until the head of the final answer is here.
func (e *errand) readHead() {
	l, st := e.lane, e.strand
	for st.readable {
		b := l.loop.Scratch()[answerRoom:]
		n := copy(b, e.part)
		most := firstRead
		if e.caller.stalled {
			most = slowRead
		}
		k, err := loop.Read(st.fd(), b[n:min(n+most, len(b))])
		if err != nil {
			st.readable = false
			if err != loop.ErrAgain {
				e.headFailed()
			}
			return
		}
		st.readable = k == most || st.hungUp
		seen := n
		if n += k; e.heads(b[:n], seen) {
			return
		}
	}
}

// headFailed tells why there is no answer. A safe request is sent once more
// when a reused connection turns out to have been closed and not a byte came
// back, as in reach.
func (e *errand) headFailed() {
	if len(e.part) == 0 && e.interims == 0 && e.strand.reused && !e.again && e.x.head.safe() && !e.x.head.hasBody() {
		e.dropStrand()
		e.again = true
		if !e.send() {
			e.hand(nil)
		}
		return
	}
	e.hand(errBroken)
}

// heads takes the heads in b, of which the first seen bytes were looked at
// before; true: what there is to do is done.
func (e *errand) heads(b []byte, seen int) bool {
	at := 0
	for {
		n, refused := findHeadEnd(b[at:], seen)
		if refused != nil || n > maxAnswerHead || n == 0 && len(b)-at >= maxAnswerHead {
			e.hand(errAnswerHead)
			return true
		}
		if n == 0 {
			e.keepPart(b[at:])
			return false
		}
		a := &e.answer
		if err := scanAnswer(b[at:at+n], a); err != nil || a.status == 101 && !e.x.head.upgrade {
			e.hand(errAnswerHead)
			return true
		}
		at, seen = at+n, 0
		if a.status == 101 {
			e.upgrade(b[at:])
			return true
		}
		if a.status >= 200 {
			e.keepPart(nil)
			e.begin(b, at)
			return true
		}
		if e.interims++; e.interims > maxInterim {
			e.hand(errAnswerHead)
			return true
		}
		if a.status != 100 && e.x.head.minor == 1 && !e.sayInterim() {
			return true
		}
	}
}

// keepPart holds the beginning of a head in place of what was held.
func (e *errand) keepPart(b []byte) {
	old := e.part
	e.part = nil
	if len(b) > 0 {
		e.part = append(takeBuffer(len(b))[:0], b...)
	}
	if old != nil {
		giveBuffer(old)
	}
}

// sayInterim passes a 1xx answer on. One that the client has no room for ends
// it: nobody has said anything to it yet.
func (e *errand) sayInterim() bool {
	head := e.s.appendAnswerHead(e.lane.head[:0], &e.x, &e.x.route, &e.answer)
	e.lane.head = head[:0]
	n, _ := loop.Write(e.caller.fd(), head)
	e.x.heads += int64(n)
	e.x.sent += int64(n)
	if n < len(head) {
		e.clientGone()
		return false
	}
	return true
}

// begin passes the answer's head on, with the first bytes of its body, which
// are b[at:]. Before b there is room for a longer head.
func (e *errand) begin(b []byte, at int) {
	l, x, a := e.lane, &e.x, &e.answer
	e.frame = newFraming(&x.head, a)
	first, err := e.frame.take(b[at:])
	if err != nil {
		e.hand(errAnswerHead)
		return
	}
	if !e.frame.ended() {
		end := &errandEnd{pass: x.route.pass(), lane: l, errand: e}
		if e.binding, err = l.p.bind(&x.route.decision, end); err != nil {
			end.errand = nil
			e.hand(err)
			return
		}
		e.end = end
		// httpuv sends a head and its body in two pieces, the second when the
		// first is acknowledged.
		loop.QuickAck(e.strand.fd())
	}
	early := e.left != 0 // the rest of the body may never be read, here or there
	x.closing = x.closing || early || e.frame.untilClose() || l.leaving
	x.status = a.status
	e.stage = answering
	l.loop.ClearDeadline(e.strand.key)
	head := e.s.appendAnswerHead(l.head[:0], x, &x.route, a)
	l.head = head[:0]
	x.heads += int64(len(head))
	room := l.loop.Scratch()[:answerRoom+at]
	var out []byte
	if len(head) <= len(room) {
		start := len(room) - len(head)
		copy(room[start:], head)
		out = l.loop.Scratch()[start : answerRoom+at+len(first)]
	} else {
		out = append(head, first...)
	}
	if e.put(out) < 0 {
		return
	}
	e.carry()
}

// put writes to the client and holds what it has no room for. It returns how
// many bytes were written, or -1 when the errand is over.
func (e *errand) put(b []byte) int {
	n := e.write(b)
	if n >= 0 && n < len(b) {
		e.pooled = takeBuffer(len(b) - n)
		e.unsent = e.pooled[:copy(e.pooled, b[n:])]
	}
	return n
}

// write writes to the client; fewer bytes than b: it is blocked.
func (e *errand) write(b []byte) int {
	n, err := loop.Write(e.caller.fd(), b)
	if err != nil && err != loop.ErrAgain {
		e.abort()
		return -1
	}
	e.wrote(n, n == len(b))
	return n
}

// wrote books n bytes that the client's socket took; not all: it is blocked.
func (e *errand) wrote(n int, all bool) {
	x, l := &e.x, e.lane
	x.sent += int64(n)
	earned := n
	if !e.stuck && x.sent < freeBytes { // see exchange.write
		earned = 0
	}
	x.writing.moved(earned, 0)
	switch {
	case all:
		e.stuck = false
	case !e.blocked:
		e.blocked, e.blockedAt, e.caller.stalled = true, l.loop.Now(), true
		e.awaitCaller()
	}
}

// room goes on where the client had no room.
func (e *errand) room() {
	e.waited()
	for len(e.unsent) > 0 {
		n := e.write(e.unsent)
		if n < 0 {
			return
		}
		e.unsent = e.unsent[n:]
		if len(e.unsent) > 0 {
			e.awaitCaller()
			return
		}
	}
	e.letGo()
	if e.pipe != nil && e.pipe.Held() > 0 {
		if !e.drainPipe() {
			return
		}
		if e.pipe != nil && e.pipe.Held() > 0 {
			e.awaitCaller()
			return
		}
	}
	e.blocked = false
	e.carry()
}

// waited books the time since the client was blocked, or was last asked.
func (e *errand) waited() {
	now := e.lane.loop.Now()
	d := time.Duration(now - e.blockedAt)
	e.stuck = e.stuck || d >= e.lane.p.limits.paceLook // a shorter wait is the kernels' own business
	e.x.writing.moved(0, d)
	e.blockedAt = now
}

// stall cuts a client who has not read for too long.
func (e *errand) stall() {
	e.waited()
	if e.x.writing.left() <= 0 {
		e.abort()
		return
	}
	e.awaitCaller()
}

// letGo gives back the buffer of unsent.
func (e *errand) letGo() {
	if e.pooled != nil {
		giveBuffer(e.pooled)
	}
	e.pooled, e.unsent = nil, nil
}

// carry passes on what Shiny sends until the answer ends, the client has no
// room, or Shiny has nothing.
func (e *errand) carry() {
	st := e.strand
	for range acceptsPerTurn {
		if e.blocked {
			return
		}
		if e.frame.ended() {
			e.complete()
			return
		}
		if !st.readable {
			return
		}
		if e.large() {
			if !e.splice() {
				return
			}
		} else if !e.carryOnce() {
			return
		}
	}
	e.lane.loop.Again(st.key, loop.Readable)
}

// carryOnce shows the client what Shiny's socket holds, and takes from there
// what it took: what a slow reader leaves waits in the kernel, not here.
func (e *errand) carryOnce() bool {
	st := e.strand
	b := e.lane.loop.Scratch()
	if e.caller.stalled {
		b = b[:copyBuffer]
	}
	if e.frame.chunked && !e.frame.raw {
		return e.carryUnchunked(b[:slowRead])
	}
	n, err := loop.Peek(st.fd(), b)
	if err != nil {
		return e.sourceEnds(err)
	}
	before := e.frame
	body, err := e.frame.take(b[:n])
	took := e.write(body)
	if took < 0 {
		return false
	}
	if took < len(body) {
		e.frame = before
		e.frame.take(b[:took])
		n = took
		err = nil
	} else if n < len(b) && !st.hungUp {
		st.readable = false
	}
	if loop.Discard(st.fd(), n) != nil || err != nil {
		e.abort()
		return false
	}
	return true
}

// carryUnchunked is carryOnce for a client of HTTP/1.0: what it gets is not
// what Shiny sent, so it is held here.
func (e *errand) carryUnchunked(b []byte) bool {
	st := e.strand
	n, err := loop.Read(st.fd(), b)
	if err != nil {
		return e.sourceEnds(err)
	}
	st.readable = n == len(b) || st.hungUp
	body, err := e.frame.take(b[:n])
	if e.put(body) < 0 {
		return false
	}
	if err != nil {
		e.abort()
		return false
	}
	return true
}

// sourceEnds is what comes of a read that brought nothing.
func (e *errand) sourceEnds(err error) bool {
	st := e.strand
	st.readable = false
	switch {
	case err == loop.ErrAgain:
		return true
	case err == io.EOF && e.frame.untilClose():
		e.finish(connOver)
	default:
		e.abort()
	}
	return false
}

// complete ends an errand whose answer has gone out whole.
func (e *errand) complete() {
	x, a, f := &e.x, &e.answer, &e.frame
	// As in sendAnswer: bytes behind the answer are nobody's.
	if !a.late(x.head.method) && e.left == 0 && !a.close && !f.untilClose() && !f.over && !e.strand.hungUp {
		e.lane.sparesOf(x.route.backend).put(e.strand)
		e.strand = nil
	}
	next := connKept
	if x.closing {
		next = connOver
	}
	e.finish(next)
}
