package fastproxy

import (
	"io"

	"fastproxy/fastproxy/loop"
)

// spliceFrom is the least that is left of a body for it to be worth a pipe:
// below, splice and a copy cost the same (relay's benchmarks).
const spliceFrom = 64 << 10

// large reports that what is left of the answer's body is one long run of
// bytes.
func (e *errand) large() bool { return !e.frame.chunked && e.frame.left >= spliceFrom }

// splice moves what Shiny's socket holds of a large body to the client's,
// without a copy. A client that has no room leaves the rest in the pipe, which
// is lent until it has; when all are lent, or the kernel lends none, it is
// carried like others.
func (e *errand) splice() bool {
	l, st := e.lane, e.strand
	if e.pipe == nil {
		if e.pipe = l.loop.BorrowPipe(); e.pipe == nil {
			return e.carryOnce()
		}
	}
	n, err := e.pipe.Fill(st.fd(), int(min(e.frame.left, int64(maxSplice))))
	switch err {
	case nil:
	case loop.ErrAgain, io.EOF, loop.ErrNoSplice: // a read has the last word
		e.returnPipe()
		return e.carryOnce()
	default:
		e.abort()
		return false
	}
	e.frame.left -= int64(n)
	return e.drainPipe()
}

// maxSplice is asked for at most, whatever fits a pipe.
const maxSplice = 1 << 20

// drainPipe gives the client what is in the pipe; false: the errand is over.
func (e *errand) drainPipe() bool {
	held := e.pipe.Held()
	_, err := e.pipe.Drain(e.caller.fd())
	switch err {
	case nil, loop.ErrAgain:
		e.wrote(held-e.pipe.Held(), e.pipe.Held() == 0)
	case loop.ErrNoSplice: // back into memory, once
		b := make([]byte, e.pipe.Held())
		for n := 0; n < len(b); {
			k, err := e.pipe.Take(b[n:])
			if err != nil {
				e.abort()
				return false
			}
			n += k
		}
		if e.put(b) < 0 {
			return false
		}
	default:
		e.abort()
		return false
	}
	if !e.large() && e.pipe.Held() == 0 {
		e.returnPipe()
	}
	return true
}

func (e *errand) returnPipe() {
	if e.pipe != nil {
		e.lane.loop.ReturnPipe(e.pipe)
		e.pipe = nil
	}
}
