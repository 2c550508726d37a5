package fastproxy

import (
	"math"
	"time"

	"fastproxy/fastproxy/gate"
	"fastproxy/fastproxy/loop"
	"fastproxy/fastproxy/session"
)

// errand is one request carried to Shiny, and its answer back, on a lane: what
// transfer is for a worker. It does the plain ones, which are nearly all:
// somebody known, no body, no upgrade. It is used again for other requests.
type errand struct {
	lane   *lane
	caller *caller
	raw    []byte // of the head; x points into it
	x      exchange
	s      *snapshot

	strand *strand // to Shiny
	stage  errandStage
	judged bool // the head is a good one
	again  bool // a reused strand was stale: this one is new

	answer   answerHead
	frame    framing
	part     []byte // of an answer's head; pooled
	interims int

	unsent    []byte // of pooled: what the client had no room for
	pooled    []byte
	pipe      *loop.Pipe // lent while a large body passes
	blocked   bool       // the client had no room for all
	blockedAt int64      // on the loop's clock
	stuck     bool       // it read nothing for a while: what it takes now, it has made room for

	left    int64 // of the request's body: not passed on yet; less: Shiny wants no more
	full    bool  // Shiny has no room for more of it
	reading pace  // of the client's sending
	readAt  int64 // on the loop's clock

	end     *errandEnd // nil: bound to no session
	binding *session.Binding
}

type errandStage uint8

const (
	dialing errandStage = iota
	asking
	answering
)

// Both bound what somebody can make the proxy hold who reads nothing. A client
// takes some 164 KB before its kernel and ours are full.
const (
	firstRead  = 128 << 10 // of an answer
	slowRead   = smallBuffer
	answerRoom = 4 << 10 // before an answer as it is read: its new head may be longer
)

// start judges the head and sends the request; false: it is not for a loop,
// and Shiny has seen nothing of it. fasthttp's parser has no part in it: it
// reads what the handlers of our pages see, and no page is asked for. (FuzzScan
// holds that it finds the same request in all that scan lets pass.)
func (e *errand) start() bool {
	l, x := e.lane, &e.x
	x.start = time.Now()
	if e.judged = scan(e.raw, &x.head) == nil; !e.judged {
		return false
	}
	x.client = l.p.clientAddr(e.caller.peer, &x.head)
	x.closing = x.head.close
	x.writing.limits = &l.p.limits
	e.s = l.p.current.Load()
	if !l.p.isPlain(x, e.s) {
		return false
	}
	x.id = l.newID()
	x.carried = true
	e.left = max(x.head.contentLength, 0)
	return e.send()
}

// isPlain reports a request that goes to Shiny and needs nothing that a loop
// cannot do, and fills its route; it answers nothing itself. What it lets pass
// is what serve would take to forward, by the same questions in the same order.
func (p *Proxy) isPlain(x *exchange, s *snapshot) bool {
	h := &x.head
	if h.chunked || string(h.target) == "*" {
		return false
	}
	if s.callbackPath != "" && string(h.path()) == s.callbackPath {
		return false
	}
	m, err := s.table.Judge(h.target)
	if err != nil || m.Own || m.Mount == nil || m.Redirect {
		return false
	}
	x.route.lead(s, &m, h)
	if x.route.kind.IsStream() || s.foreignOrigin(h, &x.route) || !s.ourHost(h.host) && h.isNavigation() {
		return false
	}
	req := s.credentials(x)
	req.Rule = &m.Mount.Rule
	d, known := s.gate.Recall(&req)
	if !known || d.Verdict != gate.Allow {
		return false
	}
	x.decided(&d, req.HasBearer)
	x.route.decision = d
	x.route.identity = d.Headers
	return p.enterSockJS(x, s, &x.route, m.Mount.Upstream) == nil && (!h.hasBody() || carriesBody(x))
}

// send writes the request to a strand that waits, or opens one.
func (e *errand) send() bool {
	l := e.lane
	for !e.again && !e.x.head.upgrade {
		st := l.sparesOf(e.x.route.backend).take()
		if st == nil {
			break
		}
		e.bind(st)
		if e.ask() {
			return true
		}
		e.dropStrand()
	}
	st := l.dial(e.x.route.backend)
	if st == nil {
		return false
	}
	e.bind(st)
	e.stage = dialing
	return true
}

func (e *errand) bind(st *strand) { e.strand, st.errand = st, e }

// ask writes the head of the request.
func (e *errand) ask() bool {
	l, st := e.lane, e.strand
	head := e.s.appendRequestHead(l.head[:0], &e.x, &e.x.route)
	body := e.takeKept()
	head = append(head, body...)
	l.head = head[:0]
	// A new socket, or one whose last request was answered, has room for all.
	if n, err := loop.Write(st.fd(), head); err != nil || n < len(head) {
		return false
	}
	e.sentHead(len(body))
	return true
}

// strandEvent hears of the connection to Shiny.
func (e *errand) strandEvent(ev loop.Events) {
	switch {
	case e.stage == dialing:
		e.dialed(ev)
	case ev&loop.Expired != 0:
		if e.stage == asking && (e.full || !e.uploading()) { // else it is the client who is waited for
			e.hand(errSlow)
		}
	case e.stage == asking:
		if ev&loop.Writable != 0 && e.full {
			e.full = false
			if e.upload(); e.strand == nil || e.stage != asking { // it is over, or answered
				return
			}
		}
		e.readHead()
	default:
		if ev&loop.Writable != 0 && e.full {
			e.full = false
			if e.upload(); e.strand == nil { // it broke off
				return
			}
		}
		e.carry()
	}
}

// dialed goes on when the connection is there. If it cannot be made, a worker
// tries again: it knows names and their other addresses, and what to say.
func (e *errand) dialed(ev loop.Events) {
	if ev&(loop.Expired|loop.Failed) == 0 && ev&loop.Writable == 0 {
		return
	}
	if ev&(loop.Expired|loop.Failed) != 0 || !e.ask() {
		e.x.route.backend.Gone()
		e.hand(nil)
	}
}

// callerEvent hears of the client's connection.
func (e *errand) callerEvent(ev loop.Events) {
	c := e.caller
	hungUp := ev&(loop.HangUp|loop.Failed) != 0
	if e.uploading() {
		hungUp = c.hungUp // it may have been heard of before the last of the body was read
		if ev&loop.Expired != 0 {
			e.lateBody()
		} else {
			e.upload()
		}
		if c.errand != e { // it is over, or a worker's
			return
		}
	}
	switch {
	case hungUp && !e.uploading() && c.gone():
		e.clientGone()
	case !e.blocked:
	case ev&loop.Expired != 0:
		e.stall()
	case ev&loop.Writable != 0:
		e.room()
	}
}

// awaitCaller sets the deadline of what is awaited of the client: more of its
// body, room for more of the answer, or both.
func (e *errand) awaitCaller() {
	at := int64(math.MaxInt64)
	if e.uploading() {
		at = e.readAt + int64(e.reading.left())
	}
	if e.blocked {
		at = min(at, e.blockedAt+int64(e.x.writing.left()))
	}
	if at < math.MaxInt64 {
		e.lane.loop.SetDeadline(e.caller.key, at)
	}
}

// clientGone ends the errand because nobody waits for it: closing the strand
// is how R learns of that.
func (e *errand) clientGone() {
	x := &e.x
	if e.stage != answering {
		x.status, x.reason = 499, failureName(errClientGone)
		e.lane.p.metrics.upstreamErrors.WithLabelValues(x.reason).Inc()
	}
	e.finish(connBroken)
}

// abort breaks an answer off so that it cannot be taken for a whole one; see
// exchange.abort.
func (e *errand) abort() {
	loop.ResetOnClose(e.caller.fd())
	e.finish(connBroken)
}

// hand gives the request to a worker; with failure, Shiny has been asked and
// this is to be told.
func (e *errand) hand(failure error) {
	c := e.caller
	e.dropStrand()
	e.leave()
	c.errand = nil
	what := loan{bytes: e.raw, failure: failure}
	if failure != nil {
		what.id, what.start, what.read = e.x.id, e.x.start, e.x.body.read
	}
	c.lend(what)
	e.lane.giveErrand(e)
}

// finish ends the errand and says what becomes of the client's connection.
func (e *errand) finish(next connNext) {
	l, c := e.lane, e.caller
	e.dropStrand()
	e.leave()
	if e.binding != nil {
		e.binding.Release()
	}
	l.p.answeredOnLane(l, &e.x)
	c.errand = nil
	l.giveErrand(e)
	switch next {
	case connKept:
		if l.leaving {
			c.end()
			return
		}
		c.idle()
		c.turn()
	case connOver:
		c.linger(l.p.limits.linger)
	default:
		c.end()
	}
}

// leave gives back the ids of a SockJS path.
func (e *errand) leave() {
	if e.x.route.leave != nil {
		e.x.route.leave()
	}
}

func (e *errand) dropStrand() {
	if e.strand != nil {
		e.strand.close()
		e.strand = nil
	}
}

// reset makes the errand nobody's. What it borrowed goes back.
func (e *errand) reset() {
	e.keepPart(nil)
	e.letGo()
	e.returnPipe()
	if e.end != nil {
		e.end.errand = nil
	}
	x, lines := &e.x, e.answer.lines
	clear(x.head.lines) // beyond it they are clear
	clear(lines)
	raw := e.raw[:0]
	if cap(raw) > smallBuffer { // few are so long
		raw = nil
	}
	*e = errand{lane: e.lane, raw: raw, x: exchange{head: head{lines: x.head.lines[:0]}}, answer: answerHead{lines: lines[:0]}}
}

// errandEnd is an answer as its session sees it; it outlives the errand, and
// then does nothing.
type errandEnd struct {
	pass
	lane   *lane
	errand *errand // the loop's; nil once the answer is over
}

// End implements session.Stream.
func (e *errandEnd) End(session.Why) {
	e.lane.loop.Post(func() {
		if it := e.errand; it != nil {
			defer it.caller.survive()
			it.abort()
		}
	})
}

// ClientBytes implements session.Stream: an answer is not what the visitor does.
func (e *errandEnd) ClientBytes() uint64 { return 0 }
