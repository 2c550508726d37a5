package relay

import "sync"

// hold is what waits in memory: for a slow reader, or, read before the tunnel
// began, for its beginning.
type hold struct {
	rest []byte // not yet taken
	room []byte // rest's memory when it is lent; else nil
}

// holds lends holds of one size.
type holds struct {
	size int
	pool sync.Pool
}

func newHolds(size int) *holds {
	return &holds{size, sync.Pool{New: func() any { return &hold{room: make([]byte, size)} }}}
}

// keep returns a hold of a copy of b. It is lent, unless b is too large.
func (h *holds) keep(b []byte) *hold {
	if len(b) > h.size { // only what was read before the tunnel began, or is taken back from a pipe
		return &hold{rest: append([]byte(nil), b...)}
	}
	lent := h.pool.Get().(*hold)
	lent.rest = lent.room[:copy(lent.room, b)]
	return lent
}

// drop forgets what is held.
func (h *holds) drop(b *hold) {
	if b.rest = nil; b.room != nil {
		h.pool.Put(b)
	}
}
