package fastproxy

import (
	"net/netip"
	"time"

	"fastproxy/fastproxy/loop"
)

// caller is a client connection on a lane: the loop engine's conn. While it
// waits for a request it is this struct and a row of the loop's table.
type caller struct {
	lane   *lane
	errand *errand // nil: no request is being answered
	kept   []byte  // read and not used; pooled
	peer   netip.Addr
	key    loop.Key
	stage  callerStage

	readable bool // the kernel may have more
	hungUp   bool // an end follows: a short read is not the last
	late     bool // a head has begun, and has a deadline
	stalled  bool // wrote less than it was given, lately
	told     bool // to send the body that it held back

	wants     int32 // so many bytes are to be here before the head is looked at
	lingerEnd int64 // on the loop's clock
	gathering *gathering
}

type callerStage uint8

const (
	waiting   callerStage = iota // for a head, or for its errand
	lingering                    // the last answer was given, see conn.linger
	over
)

func (c *caller) fd() int { return c.lane.loop.FD(c.key) }

// Handle implements loop.Handler.
func (c *caller) Handle(_ loop.Key, ev loop.Events) {
	defer c.survive()
	if ev&loop.Stopped != 0 {
		c.cut()
		return
	}
	if ev&(loop.Readable|loop.HangUp|loop.Failed) != 0 {
		c.readable = true
		c.hungUp = c.hungUp || ev&(loop.HangUp|loop.Failed) != 0
	}
	switch {
	case c.stage == lingering:
		c.drop(ev)
	case c.errand != nil:
		c.errand.callerEvent(ev)
	case ev&loop.Expired != 0:
		c.tooLate()
	default:
		c.turn()
	}
}

// survive makes a fault of ours cost this request and nobody else's. As long as
// nothing went out, a worker says so.
func (c *caller) survive() {
	v := recover()
	if v == nil {
		return
	}
	defer c.giveUp()
	e := c.errand
	if e == nil {
		c.lane.p.logPanic("", v)
		c.cut()
		return
	}
	c.lane.p.logPanic(e.x.id, v)
	if e.binding != nil {
		e.binding.Release()
		e.binding = nil
	}
	switch {
	case e.x.sent > 0:
		e.abort() // it may look whole
	case e.strand == nil && e.x.body.read == 0:
		e.hand(nil) // Shiny has seen nothing: a worker may do better, or knows what to say
	default:
		e.hand(errFault)
	}
}

// giveUp takes a second fault, in what survive does about the first.
func (c *caller) giveUp() {
	if v := recover(); v != nil {
		c.lane.p.logPanic("", v)
		c.errand = nil
		c.end()
	}
}

// idle waits for the next head.
func (c *caller) idle() {
	c.late, c.told = false, false
	c.lane.loop.SetDeadline(c.key, c.lane.loop.Now()+int64(c.lane.p.limits.idle))
}

// turn begins the errand of the next head, if there is one. The end of that
// errand calls it again.
func (c *caller) turn() {
	for c.stage == waiting && c.errand == nil && (c.readable || len(c.kept) > 0) {
		if !c.readHead() {
			return
		}
	}
}

// readHead reads once; false: what there is to do is done.
func (c *caller) readHead() bool {
	l := c.lane
	b := l.loop.Scratch()
	n := copy(b, c.kept)
	var end int
	var refused *scanError
	if n >= int(c.wants) {
		end, refused = findHeadEnd(b[:n], 0)
	}
	if end == 0 && refused == nil {
		if !c.readable {
			return false
		}
		k, err := loop.Read(c.fd(), b[n:n+maxHeadBytes])
		if err != nil {
			c.readable = false
			if err != loop.ErrAgain {
				c.end()
			}
			return false
		}
		c.readable = k == maxHeadBytes || c.hungUp
		seen := n
		if n += k; c.wants > 0 {
			seen = 0
			c.gathered(k)
		}
		if n < int(c.wants) {
			c.keep(b[:n])
			return true
		}
		end, refused = findHeadEnd(b[:n], seen)
	}
	c.wants = 0
	switch {
	case refused != nil:
		c.lend(loan{bytes: b[:n], refusal: refused})
	case end > maxHeadBytes, end == 0 && n >= maxHeadBytes:
		c.lend(loan{bytes: b[:n], refusal: errHeadTooLarge})
	case end == 0:
		c.keep(b[:n])
		if !c.late {
			c.late = true
			l.loop.SetDeadline(c.key, l.loop.Now()+int64(l.p.limits.head))
		}
		return true
	default:
		c.keep(b[end:n])
		c.begin(b[:end])
	}
	return true
}

// begin starts the errand that a head asks for, or lends the connection to a
// worker who can do what a loop cannot.
func (c *caller) begin(head []byte) {
	e := c.lane.takeErrand()
	e.caller, c.errand = c, e
	e.raw = append(e.raw[:0], head...)
	g := c.gathering
	c.gathering = nil
	if !e.start() && !c.gather(e, g) {
		e.hand(nil)
	}
}

// keep holds b, read and not used, in place of what was held.
func (c *caller) keep(b []byte) {
	old := c.kept
	c.kept = nil
	if len(b) > 0 {
		c.kept = append(takeBuffer(len(b))[:0], b...)
	}
	if old != nil {
		giveBuffer(old)
	}
}

// tooLate ends a caller who sent no head, or half of one.
func (c *caller) tooLate() {
	if len(c.kept) == 0 {
		c.end()
		return
	}
	why := errHeadTimeout
	if c.gathering != nil {
		if c.gathered(0); c.gathering.pace.left() > 0 {
			return
		}
		why = errBodyTimeout
	}
	c.lend(loan{bytes: c.kept, refusal: why})
}

// linger closes after the last answer so that the client can read it; see
// conn.linger.
func (c *caller) linger(most time.Duration) {
	l := c.lane
	if loop.ShutdownWrite(c.fd()) != nil {
		c.end()
		return
	}
	c.keep(nil)
	c.stage = lingering
	c.lingerEnd = l.loop.Now() + int64(most)
	c.drop(loop.Readable)
}

// drop reads what a lingering client still sends, for nobody.
func (c *caller) drop(ev loop.Events) {
	l := c.lane
	if ev&loop.Expired != 0 || l.loop.Now() >= c.lingerEnd {
		c.end()
		return
	}
	b := l.loop.Scratch()
	for range acceptsPerTurn {
		n, err := loop.Read(c.fd(), b)
		if err == loop.ErrAgain || err == nil && n < len(b) && !c.hungUp {
			l.loop.SetDeadline(c.key, min(l.loop.Now()+int64(l.p.limits.lingerQuiet), c.lingerEnd))
			return
		}
		if err != nil {
			c.end()
			return
		}
	}
	l.loop.Again(c.key, loop.Readable)
}

// gone reports, when an end was heard of while an answer is under way, that
// nobody waits for it any more; see watch.
func (c *caller) gone() bool {
	if len(c.kept) > 0 {
		return false
	}
	var one [1]byte
	_, err := loop.Peek(c.fd(), one[:])
	return err != nil && err != loop.ErrAgain
}

// end closes the connection; it has no errand.
func (c *caller) end() {
	if c.stage == over {
		return
	}
	c.stage = over
	c.keep(nil)
	c.lane.loop.Close(c.key)
	c.lane.p.room.leave()
	c.lane.gone()
}

// vanish forgets the connection, which is a tunnel's.
func (c *caller) vanish() {
	c.stage, c.errand = over, nil
	c.keep(nil)
	c.lane.gone()
}

// cut ends the connection and what is under way on it.
func (c *caller) cut() {
	if e := c.errand; e != nil {
		e.clientGone()
		return
	}
	c.end()
}
