package relay

import (
	"sync/atomic"

	"fastproxy/fastproxy/loop"
)

// A way that always has more to read lets the others of its loop have their
// turn after so many reads or bytes.
const (
	roundsPerTurn = 4
	bytesPerTurn  = 256 << 10
)

// way is one direction of a coupling: what its leg says, carried to the other.
// It is the loop's handler of that leg, and holds a buffer or a pipe only
// while bytes wait for a slow reader.
type way struct {
	k *coupling // set once

	// owned by the loop; of hold and pipe one is nil
	hold   *hold      // bytes that wait, in memory
	pipe   *loop.Pipe // bytes that wait, in the kernel
	passed atomic.Uint64
	scan   scanner

	fd       int32    // set once
	key      loop.Key // once watched
	stage    wayStage
	end      sinkEnd
	tcp      bool // set once
	watched  bool
	readable bool // the kernel may have more
	hungUp   bool // an end follows: a short read is not the last
	large    bool // the last read was: there is much
	words    bool // what waits is the farewell
}

type wayStage uint8

const (
	carrying   wayStage = iota
	parting             // to the next place where the farewell fits
	discarding          // the source is read to its end, for nobody
	ended               // it is at its end; only a reset is still news
)

// inspector is what the Leg that is read wants asked, or nil.
func (w *way) inspector() func(b []byte) (int, *Farewell) {
	if w.k.inspectors == nil {
		return nil
	}
	return w.k.inspectors[w.from()]
}

func (w *way) init(k *coupling, fd int, tcp bool, in Leg) {
	w.k, w.fd, w.tcp = k, int32(fd), tcp
	w.scan.masked = w.from() == client
	if len(in.Pending) > 0 {
		w.hold = &hold{rest: append([]byte(nil), in.Pending...)}
	}
}

// from is the side that is read.
func (w *way) from() side {
	if w == &w.k.ways[client] {
		return client
	}
	return backend
}

func (w *way) sink() *way { return &w.k.ways[w.from().other()] }

// waits reports bytes that the sink has not taken.
func (w *way) waits() bool { return w.hold != nil || w.pipe != nil }

// open passes on what was read before, unless the tunnel was closed meanwhile.
func (w *way) open() {
	pending := w.hold
	w.hold = nil
	if pending != nil && w.k.t.parting() == nil {
		w.pass(pending.rest)
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

// turn carries until the source has nothing, the sink has no room, or it is
// the others' turn.
func (w *way) turn() {
	for round, bytes := 0, 0; !w.k.over; round++ {
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
		if round >= roundsPerTurn || bytes >= bytesPerTurn {
			w.k.loop.Again(w.key, loop.Readable)
			return
		}
		bytes += w.read()
	}
}

// flush writes what waits and reports whether nothing does any more.
func (w *way) flush() bool {
	if w.waits() {
		switch err := w.push(); {
		case err == loop.ErrAgain:
			return false
		case err != nil:
			w.sinkGone(err)
			return !w.k.over
		}
		w.release()
	}
	if w.end == shutting {
		w.closeSink()
		w.k.closeWhenDone()
	}
	return true
}

// push writes what waits; nil means all.
func (w *way) push() error {
	to := int(w.sink().fd)
	if w.pipe != nil {
		n, err := w.pipe.Drain(to)
		w.count(n)
		if err != loop.ErrNoSplice {
			return err
		}
		if err := w.takeBack(); err != nil {
			return err
		}
	}
	for len(w.hold.rest) > 0 {
		n, err := loop.Write(to, w.hold.rest)
		w.count(n)
		w.hold.rest = w.hold.rest[n:]
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *way) count(n int) {
	if !w.words && n > 0 {
		w.passed.Add(uint64(n))
	}
}

// release forgets what waits.
func (w *way) release() {
	if w.hold != nil {
		w.k.engine.holds.drop(w.hold)
		w.hold = nil
	}
	if w.pipe != nil {
		w.k.loop.ReturnPipe(w.pipe)
		w.pipe = nil
	}
}

// read reads once, does with it what the stage asks, and returns how many
// bytes there were.
func (w *way) read() int {
	if w.splices() {
		if pipe := w.k.loop.BorrowPipe(); pipe != nil {
			return w.splice(pipe)
		}
	}
	return w.readBytes()
}

// readBytes reads no more than may wait if the sink turns out to be slow.
func (w *way) readBytes() int {
	b := w.k.loop.Scratch()
	b = b[:min(len(b), w.k.engine.opts.Buffer)]
	n, err := loop.Read(int(w.fd), b)
	if err != nil {
		w.unreadable(err)
		return 0
	}
	if w.large = n == len(b); !w.large && !w.hungUp {
		w.readable = false
	}
	switch b = b[:n]; w.stage {
	case carrying:
		w.pass(b)
	case parting:
		w.reach(b)
	}
	return n
}

// unreadable takes that a read has brought nothing.
func (w *way) unreadable(err error) {
	w.readable = false
	if err != loop.ErrAgain {
		w.sourceEnds(err)
	}
}

// pass writes b, which the scanner has not seen; what the sink has no room for
// waits, and the source is not read meanwhile.
func (w *way) pass(b []byte) {
	if inspect := w.inspector(); inspect != nil {
		n, bye := inspect(b)
		if b = b[:n]; bye != nil {
			w.k.t.Close(*bye)
		}
	}
	w.scan.follow(b)
	w.write(b)
}

func (w *way) write(b []byte) {
	n, err := loop.Write(int(w.sink().fd), b)
	w.count(n)
	switch {
	case err != nil && err != loop.ErrAgain:
		w.sinkGone(err)
	case n < len(b):
		w.hold = w.k.engine.holds.keep(b[n:])
	}
}
