package fastproxy

import (
	"time"

	"go.uber.org/zap"

	"fastproxy/fastproxy/loop"
)

// loan is what a lane tells a worker with a connection that it lends: the
// bytes that are read, and what is known already.
type loan struct {
	bytes   []byte     // borrowed: copied by lend
	refusal *scanError // the head is refused with this
	failure error      // Shiny was asked, and this came of it; see forward
	told    bool       // the client was told to send its body
	id      string     // of the request, if Shiny was told one
	start   time.Time
	read    int64 // of the request's body, which is gone
}

// lend gives the connection to a worker: a goroutine with the portable
// engine's conn, which answers one request and gives the connection back.
func (c *caller) lend(what loan) {
	l := c.lane
	b := append(takeBuffer(len(what.bytes) + len(c.kept))[:0], what.bytes...)
	if what.refusal == nil {
		b = append(b, c.kept...)
	}
	what.bytes, what.told = nil, c.told
	c.stage = over
	c.keep(nil)
	fd, err := l.loop.Release(c.key)
	l.gone()
	if err != nil {
		loop.CloseFD(fd)
		l.p.room.leave()
		giveBuffer(b)
		return
	}
	w := &conn{p: l.p, peer: c.peer, lane: l, loan: what}
	w.buf, w.w = b[:cap(b)], len(b)
	if !l.p.conns.serve(w, fd) {
		loop.CloseFD(fd)
		l.p.room.leave()
		w.dropBuffer()
	}
}

// attend answers the request that a lane lent its connection for.
func (c *conn) attend(fd int) {
	nc, err := loop.NetConn(fd)
	if err != nil {
		c.p.log.Logger().Error("cannot take over a connection", zap.NamedError("error.message", err))
		c.dropBuffer()
		return
	}
	c.mu.Lock()
	c.nc = nc
	if c.gone {
		nc.Close()
	}
	c.mu.Unlock()
	raw, refused := []byte(nil), c.loan.refusal
	if refused == nil {
		raw, refused = c.readHead()
	}
	next := connBroken
	if raw != nil || refused != nil {
		next = c.exchange(raw, refused)
	}
	switch next {
	case connTaken:
		c.dropBuffer()
	case connBroken:
		c.dropBuffer()
		c.nc.Close()
	default:
		c.giveBack(next)
	}
}

// giveBack returns the connection to its lane, with what was read behind the
// request.
func (c *conn) giveBack(next connNext) {
	var rest []byte
	if next == connKept {
		rest = append(rest, c.takeRest()...)
	}
	c.dropBuffer()
	fd, err := loop.TakeFD(c.nc)
	if err != nil {
		c.p.log.Logger().Error("cannot give a connection back", zap.NamedError("error.message", err))
		return
	}
	c.passedOn = true
	c.lane.adopt(fd, c.peer, rest, next)
}
