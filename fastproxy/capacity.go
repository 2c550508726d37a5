package fastproxy

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// capacity counts client connections, and says when no more may be accepted:
// newcomers then wait in the kernel's queue, and who is inside notices
// nothing. A connection enters when it is accepted and leaves when it is
// closed for good, whoever holds it in between: a lane, a worker, a tunnel.
//
// Many goroutines and loops may use it. Nothing blocks but await; enter, leave,
// hold and release are an atomic operation or two while there is room.
type capacity struct {
	// set once
	most  mark // clients
	room  mark // descriptors of clients and of what is held for them
	log   *zap.Logger
	times pauseTimes

	clients atomic.Int64
	held    atomic.Int64
	shut    atomic.Bool  // nobody may enter; changed with mu held
	paused  atomic.Bool  // for the gauge; changed with mu held
	pauses  atomic.Int64 // since the start

	mu     sync.Mutex
	opened chan struct{} // guarded by mu, as are the others; closed when there is room again, then there is another
	told   []func()
	pause  pause
	timer  *time.Timer
	turn   int // of timer: one that was replaced as it fired does nothing
	closed bool
}

// mark is where there is no more room, and somewhat lower where there is again,
// so that not every one who leaves wakes everybody.
type mark struct{ full, again int64 }

func newMark(n int) mark { return mark{int64(n), int64(n - max(n/64, 1))} }

// newCapacity returns one for a number of connections, each with one
// descriptor and perhaps others held for it, of descriptors that they may have
// together.
func newCapacity(connections, descriptors int, log *zap.Logger) *capacity {
	return &capacity{most: newMark(connections), room: newMark(descriptors), log: log, times: usualPauseTimes, opened: make(chan struct{})}
}

// enter books a client connection. False: there is no room. What is not
// accepted then stays where it is until onRoom's function is called.
func (c *capacity) enter() bool {
	if c.shut.Load() {
		return false
	}
	n := c.clients.Add(1)
	if n <= c.most.full && n+c.held.Load() <= c.room.full {
		return true
	}
	c.clients.Add(-1)
	c.stop(nil)
	return false
}

// leave takes back one enter: the connection is closed.
func (c *capacity) leave() {
	c.clients.Add(-1)
	c.left()
}

// hold books n descriptors beyond a client's own: its connection to Shiny, the
// two of a pipe. It refuses nothing to who is inside: only newcomers wait.
func (c *capacity) hold(n int) { c.held.Add(int64(n)) }

// release takes back a hold.
func (c *capacity) release(n int) {
	c.held.Add(int64(-n))
	c.left()
}

func (c *capacity) left() {
	if c.shut.Load() && c.hasRoom() {
		c.reopen(false)
	}
}

// hasRoom reports room enough to accept again.
func (c *capacity) hasRoom() bool {
	n := c.clients.Load()
	return n <= c.most.again && n+c.held.Load() <= c.room.again
}

// starved hears why accepting failed, and reports whether it was for want of
// descriptors or memory: then nobody may enter until it is worth another try.
// Who had entered for that connection leaves first.
func (c *capacity) starved(err error) bool {
	for _, short := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, short) {
			c.stop(err)
			return true
		}
	}
	return false
}

// onRoom has f called whenever there is room again after enter was false. It
// is called from any goroutine and must not block: a loop's posts to the loop.
func (c *capacity) onRoom(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, f)
}

// await enters as soon as there is room; false means that stop was closed.
func (c *capacity) await(stop <-chan struct{}) bool {
	for {
		c.mu.Lock()
		opened := c.opened // before enter, so that what happens after it is seen
		c.mu.Unlock()
		if c.enter() {
			return true
		}
		select {
		case <-opened:
		case <-stop:
			return false
		}
	}
}

// register shows the figures at /metrics.
func (c *capacity) register(r *prometheus.Registry) {
	gauge := func(name, help string, f func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "fastproxy", Name: name, Help: help}, f))
	}
	gauge("accept_limit", "How many clients may be connected, tunnels included.", func() float64 { return float64(c.most.full) })
	gauge("accept_paused", "1 while new connections wait for room.", func() float64 {
		if c.paused.Load() {
			return 1
		}
		return 0
	})
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "fastproxy", Name: "accept_pauses_total",
		Help: "How often new connections had to wait for room."}, func() float64 { return float64(c.pauses.Load()) }))
}
