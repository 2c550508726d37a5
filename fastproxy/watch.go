package fastproxy

import (
	"sync"
	"time"
)

// watchDelay spares quick exchanges the watching: Shiny answers most requests
// sooner, and a client that leaves within it is noticed when we write.
const watchDelay = 50 * time.Millisecond

// watch notices a client that goes away while its answer is awaited, so that
// R does not compute for nobody. A byte of the next request ends the watching:
// the client is there.
type watch struct {
	c       *conn
	headLen int
	gone    func() // called once, from another goroutine, when the client is gone

	mu      sync.Mutex
	timer   *time.Timer
	done    chan struct{} // not nil: a goroutine reads
	stopped bool
}

// start begins to watch after watchDelay; the request's body must have been
// read. Bytes that were read already belong to the next request: then nothing
// can be noticed.
func (w *watch) start() {
	if w.c.r+w.headLen < w.c.w || len(w.c.pending) > 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped && w.timer == nil {
		w.timer = time.AfterFunc(watchDelay, w.begin)
	}
}

func (w *watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	w.done = make(chan struct{})
	w.c.nc.SetReadDeadline(time.Time{})
	go w.read(w.done)
}

func (w *watch) read(done chan struct{}) {
	defer close(done)
	var one [1]byte
	n, err := w.c.nc.Read(one[:])
	switch {
	case n > 0:
		w.c.pending = append(w.c.pending, one[0])
	case !isTimeout(err):
		w.gone()
	}
}

// stop ends the watching; afterwards the connection is the caller's to read.
func (w *watch) stop() {
	w.mu.Lock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
	done := w.done
	w.mu.Unlock()
	if done != nil {
		w.c.nc.SetReadDeadline(longAgo)
		<-done
		w.c.nc.SetReadDeadline(time.Time{})
	}
}
