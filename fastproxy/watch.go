package fastproxy

import (
	"context"
	"sync"
	"time"
)

// watch notices a client that goes away while its answer is awaited or
// streamed, so that R does not compute for nobody. A byte of the next request
// ends the watching: the client is there. One that closes only its sending
// half counts as gone, as for most proxies: TCP does not tell the two apart,
// and no browser does it. So does everybody once the process has stopped
// waiting for answers.
type watch struct {
	c    *conn
	gone func() // called once, from another goroutine, when the client is gone

	mu      sync.Mutex
	timer   *time.Timer   // guarded by mu, as are the others
	done    chan struct{} // not nil: a goroutine reads, and closes it when it has
	blind   bool          // bytes of the next request are here: nothing can be noticed
	uncut   func() bool   // the process's end is not waited for any more
	stopped bool
}

// start begins to watch after limits.watch; the request's body must have been
// read.
func (w *watch) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blind = w.c.unused() > 0
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
	w.uncut = context.AfterFunc(w.c.p.cut, w.end)
	if w.blind {
		return
	}
	w.done = make(chan struct{})
	w.c.nc.SetReadDeadline(time.Time{})
	go w.read(w.done)
}

// end is the process's word that nobody waits any more.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		w.gone()
	}
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
	if w.uncut != nil {
		w.uncut()
	}
	done := w.done
	w.mu.Unlock()
	if done != nil {
		w.c.nc.SetReadDeadline(longAgo)
		<-done
	}
}
