package fastproxy

import (
	"net/netip"

	"fastproxy/fastproxy/loop"
	"fastproxy/fastproxy/upstream"
)

// strand is a connection of a lane to Shiny: an errand's, or a spare.
type strand struct {
	lane   *lane
	spares *spares
	errand *errand // nil while it waits to be used again
	key    loop.Key

	readable bool
	hungUp   bool
	reused   bool
	closed   bool
}

func (st *strand) fd() int { return st.lane.loop.FD(st.key) }

// Handle implements loop.Handler.
func (st *strand) Handle(_ loop.Key, ev loop.Events) {
	if e := st.errand; e != nil {
		defer e.caller.survive()
	}
	if ev&(loop.Readable|loop.HangUp|loop.Failed) != 0 {
		st.readable = true
		st.hungUp = st.hungUp || ev&(loop.HangUp|loop.Failed) != 0
	}
	switch {
	case ev&loop.Stopped != 0 && st.errand != nil:
		st.errand.caller.cut()
	case ev&loop.Stopped != 0:
		st.spares.drop(st)
	case st.errand != nil:
		st.errand.strandEvent(ev)
	case ev&loop.Expired != 0 || st.readable && !st.quiet():
		st.spares.drop(st)
	}
}

// quiet reports that nothing came on a connection that waits: that it is
// closed, and bytes that nobody asked for, make it useless. An event may tell
// again of what was read before.
func (st *strand) quiet() bool {
	var one [1]byte
	_, err := loop.Peek(st.fd(), one[:])
	st.readable = err != loop.ErrAgain
	return !st.readable && !st.hungUp
}

func (st *strand) close() {
	if !st.closed {
		st.closed = true
		st.errand = nil
		st.lane.loop.Close(st.key)
		st.lane.p.room.release(1)
	}
}

// spares are the connections of a lane to one backend that wait to be used
// again, the most recently used last.
type spares struct {
	lane *lane
	idle []*strand
}

// maxSpares bounds them.
const maxSpares = 256

func (l *lane) sparesOf(b *upstream.Backend) *spares {
	s := l.spares[b]
	if s == nil {
		s = &spares{lane: l}
		l.spares[b] = s
	}
	return s
}

// take takes the one used last that is still of use, nil if there is none. What
// the loop has told is known, but the word of a connection's end, or of what
// Shiny said unasked, which would be this visitor's answer, may stand behind
// this request in the same turn.
func (s *spares) take() *strand {
	for n := len(s.idle); n > 0; n = len(s.idle) {
		st := s.idle[n-1]
		s.idle[n-1] = nil
		s.idle = s.idle[:n-1]
		if !st.lane.loop.Pending(st.key) || st.quiet() {
			st.reused = true
			return st
		}
		st.close()
	}
	return nil
}

// put has a connection wait whose last answer was read to its end.
func (s *spares) put(st *strand) {
	st.errand = nil
	if st.readable && !st.quiet() || len(s.idle) >= maxSpares || s.lane.leaving {
		st.close()
		return
	}
	st.lane.loop.SetDeadline(st.key, st.lane.loop.Now()+int64(upstream.IdleLimit))
	s.idle = append(s.idle, st)
}

// drop closes one that waits.
func (s *spares) drop(st *strand) {
	for i, other := range s.idle {
		if other == st {
			s.idle = append(s.idle[:i], s.idle[i+1:]...)
			break
		}
	}
	st.close()
}

// dial begins to connect to a backend; nil: it cannot be done on a loop, or
// failed at once.
func (l *lane) dial(b *upstream.Backend) *strand {
	addr, known := b.Near()
	if !known {
		return nil
	}
	fd, err := loop.Connect(addr, netip.Addr{})
	if err != nil {
		return nil // a worker finds out why
	}
	st := &strand{lane: l, spares: l.sparesOf(b)}
	if st.key, err = l.loop.Watch(fd, st); err != nil {
		loop.CloseFD(fd)
		return nil
	}
	l.p.room.hold(1)
	l.loop.SetDeadline(st.key, l.loop.Now()+int64(upstream.DialLimit))
	return st
}
