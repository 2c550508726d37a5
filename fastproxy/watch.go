package fastproxy

import (
	"sync"
	"time"
)

// watch notices a client that goes away while its answer is awaited or
// streamed, so that R does not compute for nobody. A byte of the next request
// ends the watching: the client is there. One that closes only its sending
// half counts as gone, as for most proxies: TCP does not tell the two apart,
// and no browser does it.
type watch struct {
	c    *conn
	gone func() // called once, from another goroutine, when the client is gone

	mu      sync.Mutex
	timer   *time.Timer   // guarded by mu, as are the others
	done    chan struct{} // not nil: a goroutine reads, and closes it when it has
	stopped bool
}

// start begins to watch after limits.watch; the request's body must have been
// read. Where bytes of the next request are here already, nothing can be
// noticed.
func (w *watch) start() {
	if w.c.unused() > 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		w.timer = time.AfterFunc(w.c.p.limits.watch, w.begin)
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
		w.c.unread(one[:])
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
	}
}
