package relay

import (
	"io"

	"golang.org/x/sys/unix"

	"fastproxy/fastproxy/loop"
)

// sinkEnd is whether the sink has been told that nothing more comes.
type sinkEnd uint8

const (
	open     sinkEnd = iota
	shutting         // it will be once nothing waits
	shut
)

// sourceEnds takes the end of the source: its half, or all of it.
func (w *way) sourceEnds(err error) {
	k, was := w.k, w.stage
	w.stage = ended
	k.t.ended(w.from(), err)
	if err == io.EOF && k.silent == 1 && !w.waits() && !w.sink().waits() {
		k.close() // which says what a shutdown would
		return
	}
	switch {
	case was == carrying && err == io.EOF:
		w.closeSink()
		k.wayStopped()
	case was == carrying:
		k.wayStopped()
		k.lost(w.from())
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
	w.k.t.ended(w.from().other(), err)
	if w.stage == carrying {
		w.k.wayStopped()
	}
	if w.stage != ended {
		w.stage = discarding
	}
	if w.end == shutting {
		w.end = open
	}
	w.k.closeWhenDone()
}

// mournReset ends the tunnel when a leg that had closed its half is gone
// altogether; a read would answer EOF for ever.
func (w *way) mournReset() {
	if err := loop.SocketError(int(w.fd)); err != nil {
		w.k.t.ended(w.from(), err)
		w.k.lost(w.from())
	}
}

// closeSink tells the sink that nothing more comes, after what was written.
func (w *way) closeSink() {
	if w.end != shut {
		w.end = shut
		unix.Shutdown(int(w.sink().fd), unix.SHUT_WR) // an error means that the peer is gone: its reader will say so
	}
}

// abort makes the coming close of this leg a reset, as the other's was, and
// reports whether it may: not while the peer has yet to acknowledge bytes.
func (w *way) abort() bool {
	if !w.tcp {
		return false
	}
	n, err := unix.IoctlGetInt(int(w.fd), unix.SIOCOUTQ) // tcp(7)
	return err == nil && n == 0 && loop.ResetOnClose(int(w.fd)) == nil
}

func (w *way) close() {
	w.release()
	if w.watched {
		w.watched = false
		w.k.loop.Close(w.key)
		return
	}
	unix.Close(int(w.fd))
}
