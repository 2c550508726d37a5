package relay

import (
	"io"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"fastproxy/fastproxy/loop"
)

// roundsPerTurn is how often a way that always has more to read is read before
// the others of its loop get their turn.
const roundsPerTurn = 4

// way is one direction of a coupling: what its leg says, carried to the other.
// It is the loop's handler of that leg, and holds a buffer only while bytes
// wait for a slow reader.
type way struct {
	// set once
	k       *coupling
	inspect func(b []byte) (int, *Farewell) // of the Leg that is read
	fd      int
	from    side
	tcp     bool

	// owned by the loop
	key      loop.Key
	stage    wayStage
	watched  bool
	readable bool // the kernel may have more
	hungUp   bool // an end follows: a short read is not the last
	shutting bool // the sink's half is closed once nothing waits
	shut     bool // and now it is
	words    bool // what waits is the farewell
	scan     scanner
	hold     *[]byte // lent; nil while nothing waits
	waiting  []byte  // of hold: read and not yet taken
	pending  []byte  // read before the tunnel began

	passed atomic.Uint64 // written by the loop
}

type wayStage uint8

const (
	carrying   wayStage = iota
	parting             // to the next place where the farewell fits
	discarding          // the source is read to its end, for nobody
	ended               // it is at its end; only a reset is still news
)

func (w *way) init(k *coupling, from side, fd int, tcp bool, in Leg) {
	w.k, w.from, w.fd, w.tcp, w.inspect = k, from, fd, tcp, in.Inspect
	w.pending = append([]byte(nil), in.Pending...)
	w.scan.masked = from == client
}

func (w *way) sink() *way { return &w.k.ways[w.from.other()] }

// waits reports bytes that the sink has not taken.
func (w *way) waits() bool { return len(w.waiting) > 0 }

// open passes on what was read before, unless the tunnel was closed meanwhile.
func (w *way) open() {
	b := w.pending
	w.pending = nil
	w.readable = true
	if len(b) > 0 && w.k.t.parting() == nil {
		w.pass(b)
	}
}

// Handle implements loop.Handler for the leg that this way reads and the other
// one writes.
func (w *way) Handle(_ loop.Key, ev loop.Events) {
	k := w.k
	if ev&loop.Stopped != 0 {
		k.close()
		return
	}
	if ev&(loop.Readable|loop.HangUp|loop.Failed) != 0 {
		w.readable = true
		w.hungUp = w.hungUp || ev&(loop.HangUp|loop.Failed) != 0
	}
	if ev&(loop.Writable|loop.Failed) != 0 && w.sink().waits() {
		w.sink().turn() // it carries the other direction, to this leg
	}
	if !k.over {
		w.turn()
	}
	if ev&loop.Failed != 0 && !k.over && w.stage == ended {
		w.mournReset()
	}
}

// mournReset ends the tunnel when a leg that had closed its half is gone
// altogether; a read would answer EOF for ever.
func (w *way) mournReset() {
	if err := loop.SocketError(w.fd); err != nil {
		w.k.t.ended(w.from, err)
		w.k.lost(w.from)
	}
}

// turn carries until the source has nothing, the sink has no room, or it is
// the others' turn.
func (w *way) turn() {
	for round := 0; !w.k.over; round++ {
		if w.stage == carrying && w.k.t.parting() != nil {
			w.stage = parting
			w.k.wayStopped()
		}
		if !w.flush() || w.stage == ended {
			return
		}
		if w.stage == parting && w.sayFarewell() {
			continue
		}
		if !w.readable {
			return
		}
		if round == roundsPerTurn {
			w.k.loop.Again(w.key, loop.Readable)
			return
		}
		w.read()
	}
}

// flush writes what waits and reports whether nothing does any more.
func (w *way) flush() bool {
	for w.waits() {
		n, err := loop.Write(w.sink().fd, w.waiting)
		w.count(n)
		w.waiting = w.waiting[n:]
		switch {
		case err == loop.ErrAgain:
			return false
		case err != nil:
			w.sinkGone(err)
			return !w.k.over
		}
	}
	w.release()
	if w.shutting {
		w.closeSink()
		w.k.closeWhenDone()
	}
	return true
}

func (w *way) count(n int) {
	if !w.words && n > 0 {
		w.passed.Add(uint64(n))
	}
}

func (w *way) release() {
	if w.hold != nil {
		w.k.engine.pool.put(w.hold)
	}
	w.hold, w.waiting = nil, nil
}

// read reads once and does with it what the stage asks.
func (w *way) read() {
	b := w.k.loop.Scratch()
	b = b[:min(len(b), w.k.engine.opts.Buffer)]
	n, err := loop.Read(w.fd, b)
	if err != nil {
		w.readable = false
		if err != loop.ErrAgain {
			w.sourceEnds(err)
		}
		return
	}
	if n < len(b) && !w.hungUp {
		w.readable = false
	}
	switch b = b[:n]; w.stage {
	case carrying:
		w.pass(b)
	case parting:
		w.reach(b)
	}
}

// sourceEnds takes the end of the source: its half, or all of it.
func (w *way) sourceEnds(err error) {
	k, was := w.k, w.stage
	w.stage = ended
	k.t.ended(w.from, err)
	switch {
	case was == carrying && err == io.EOF:
		w.closeSink()
		k.wayStopped()
	case was == carrying:
		k.wayStopped()
		k.lost(w.from)
	case was == parting:
		w.closeSink()
	}
	if !k.over {
		k.legSilent()
	}
}

// sinkGone takes that nobody takes what the source says: it is read to its
// end all the same.
func (w *way) sinkGone(err error) {
	w.release()
	w.k.t.ended(w.from.other(), err)
	if w.stage == carrying {
		w.k.wayStopped()
	}
	if w.stage != ended {
		w.stage = discarding
	}
	w.shutting = false
	w.k.closeWhenDone()
}

// pass writes b, which the scanner has not seen; what the sink has no room for
// waits, and the source is not read meanwhile.
func (w *way) pass(b []byte) {
	if w.inspect != nil {
		n, bye := w.inspect(b)
		if b = b[:n]; bye != nil {
			w.k.t.Close(*bye)
		}
	}
	w.scan.follow(b)
	w.write(b)
}

func (w *way) write(b []byte) {
	n, err := loop.Write(w.sink().fd, b)
	w.count(n)
	switch {
	case err != nil && err != loop.ErrAgain:
		w.sinkGone(err)
	case n < len(b):
		w.keep(b[n:])
	}
}

// keep holds what the sink has no room for. It fits: a read is no larger.
func (w *way) keep(b []byte) {
	if len(b) > w.k.engine.opts.Buffer { // only bytes read before the tunnel began
		w.waiting = append([]byte(nil), b...)
		return
	}
	w.hold = w.k.engine.pool.get()
	w.waiting = (*w.hold)[:copy(*w.hold, b)]
}

// farewell returns the words for the sink.
func (w *way) farewell() []byte {
	f := w.k.t.parting()
	if w.from == client {
		return f.ToBackend
	}
	return f.ToClient
}

// sayFarewell says the proxy's last words if they fit here, and gives up on
// them where nothing fits any more; it reports whether either was so.
func (w *way) sayFarewell() bool {
	words := w.farewell()
	switch {
	case len(words) > 0 && w.scan.fits(words):
		w.words = true
		w.stage = discarding
		w.write(words)
	case len(words) == 0, w.scan.hopeless(), w.inspect != nil: // the rest of a frame may be just what must not pass
		w.stage = discarding
	default:
		return false
	}
	w.shutting = true
	return true
}

// reach passes on the rest of what is half through and drops what comes
// behind it.
func (w *way) reach(b []byte) {
	if n := w.scan.until(b, w.farewell()); n > 0 {
		w.write(b[:n])
	}
}

// closeSink tells the sink that nothing more comes, after what was written.
func (w *way) closeSink() {
	w.shutting = false
	if !w.shut {
		w.shut = true
		unix.Shutdown(w.sink().fd, unix.SHUT_WR) // an error means that the peer is gone: its reader will say so
	}
}

// abort makes the coming close of this leg a reset, as the other's was, and
// reports whether it may: not while the peer has yet to acknowledge bytes.
func (w *way) abort() bool {
	if !w.tcp {
		return false
	}
	n, err := unix.IoctlGetInt(w.fd, unix.SIOCOUTQ) // tcp(7)
	return err == nil && n == 0 && loop.ResetOnClose(w.fd) == nil
}

func (w *way) close() {
	w.release()
	if w.watched {
		w.watched = false
		w.k.loop.Close(w.key)
		return
	}
	unix.Close(w.fd)
}
