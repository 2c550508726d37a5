package relay

import (
	"sync"
	"sync/atomic"
	"time"
)

// Farewell is how the proxy ends a tunnel.
type Farewell struct {
	// ToClient and ToBackend are whole frames, said at a boundary of what that
	// side is being sent, and not at all where there is none: after a Close
	// frame, in what is not WebSocket, within a frame of an inspected leg, or
	// when the other side or the reader keeps a frame half through for
	// CloseWait. Empty: nothing is said, and
	// what is half through stays so. They are borrowed until the tunnel is
	// over.
	ToClient, ToBackend []byte
	Reason              string // for Stats
}

// Tunnel is two joined connections. Its methods may be called from any
// goroutine, and none blocks.
type Tunnel struct {
	// set once by Join
	relay   *Relay
	carrier carrier
	done    func(Stats)
	began   int64 // ns since epoch

	next, prev *Tunnel // guarded by relay.mu

	farewell atomic.Pointer[Farewell] // set once, by the first Close

	mu      sync.Mutex
	end     *end // guarded by mu; nil while nothing of it has ended
	started bool // guarded by mu
	over    bool // guarded by mu
}

// end is what a tunnel keeps from when it begins to end.
type end struct {
	ending
	timer *time.Timer // cuts what takes too long; nil while nothing does
}

var epoch = time.Now() // a time.Time would be 24 bytes a tunnel

// Start lets the bytes flow, pending ones first. Starting again, or after
// Close, does nothing.
func (t *Tunnel) Start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.started {
		t.started = true
		t.carrier.start()
	}
}

// Close ends the tunnel: nothing more is passed on than the rest of a frame
// that is half through, then f is said and both connections are closed,
// within CloseWait whatever the two sides do. The first Close counts; later
// ones, and a Close of a tunnel that is over, do nothing. Before Start it
// works too: pending bytes are dropped.
func (t *Tunnel) Close(f Farewell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || !t.farewell.CompareAndSwap(nil, &f) {
		return
	}
	t.endLocked().close(f.Reason)
	t.armLocked()
	if !t.started {
		t.started = true
		t.carrier.start()
	}
	t.carrier.part()
}

// ClientBytes is how many bytes of the client were passed on so far. It grows
// with what the person does, so it can serve as a sign of life.
func (t *Tunnel) ClientBytes() uint64 {
	c, _ := t.carrier.carried()
	return c
}

// parting returns the farewell once the tunnel is being closed, else nil.
func (t *Tunnel) parting() *Farewell { return t.farewell.Load() }

// ended notes that a side has closed its half (err is io.EOF) or is gone.
func (t *Tunnel) ended(s side, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endLocked().note(s, err)
}

func (t *Tunnel) endLocked() *end {
	if t.end == nil {
		t.end = new(end)
	}
	return t.end
}

// endedBy is who has ended it so far, or nobody.
func (t *Tunnel) endedBy() ClosedBy {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.end == nil {
		return ""
	}
	return t.end.by
}

// linger gives the tunnel CloseWait to be over.
func (t *Tunnel) linger() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armLocked()
}

func (t *Tunnel) armLocked() {
	if e := t.endLocked(); e.timer == nil && !t.over {
		e.timer = time.AfterFunc(t.relay.opts.CloseWait, t.carrier.cut)
	}
}

// finish ends the tunnel's record. The carrier calls it once, after both legs
// are closed.
func (t *Tunnel) finish() {
	t.mu.Lock()
	t.over = true
	e := t.endLocked()
	if e.timer != nil {
		e.timer.Stop()
	}
	s := Stats{Duration: time.Since(epoch) - time.Duration(t.began)}
	s.ClosedBy, s.Reason = e.verdict()
	t.mu.Unlock()

	s.ClientBytes, s.BackendBytes = t.carrier.carried()
	if t.done != nil {
		t.done(s)
	}
	t.relay.remove(t, s)
}
