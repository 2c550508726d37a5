package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Options are a Relay's. The zero Options are usable.
type Options struct {
	// Buffer is how many bytes one direction of one tunnel may hold while
	// they wait for a slow reader. Default 32 KiB. What waits in the middle of
	// a large frame may wait in a pipe instead, in the kernel: 256 KiB at most,
	// of 64 pipes at most for each loop.
	Buffer int
	// CloseWait is how long a tunnel that is being closed may take: for the
	// rest of a frame, for the last words, for the other side to hang up.
	// After that both connections are cut. Default 2 s.
	CloseWait time.Duration
	// KeepAlive is how long a TCP leg may be silent before the kernel asks
	// whether somebody is there; four unanswered probes a third of that apart
	// end it. Default 45 s, which a silent client survives by 105 s at most;
	// negative: the connections are left as they are.
	KeepAlive time.Duration
}

// Leg is one connection of a tunnel.
type Leg struct {
	Conn net.Conn
	// Pending are bytes already read from Conn that are not delivered yet.
	// Join copies them.
	Pending []byte
	// Inspect, if not nil, is asked with all that is read from Conn, in order,
	// before it is passed on: the first pass bytes are, and with a farewell the
	// tunnel is closed with it and nothing more passes. It is called from one
	// goroutine at a time, must not block, and borrows b.
	Inspect func(b []byte) (pass int, bye *Farewell)
}

// Stats is what a tunnel was.
type Stats struct {
	ClientBytes  uint64        // read from the client and passed on
	BackendBytes uint64        // read from the backend and passed on
	Duration     time.Duration // since Join
	// ClosedBy is who ended it. A side that closed its half first has ended
	// it, unless the proxy closed the tunnel before the other half was over.
	ClosedBy ClosedBy
	Reason   string // the farewell's; else "eof", "reset", or which leg failed and how
}

// Totals are a Relay's counts since New; all but Tunnels only grow.
type Totals struct {
	Tunnels      int // joined and not over
	Joined       uint64
	ClientBytes  uint64
	BackendBytes uint64
}

// ErrDraining is Join's answer once Drain was called.
var ErrDraining = errors.New("relay: join: draining")

// Relay carries tunnels. Its methods may be called from any goroutine.
type Relay struct {
	// set once
	opts   Options
	engine engine
	looped *looped // the engine, if it is that one

	mu       sync.Mutex
	live     *Tunnel       // guarded by mu: a doubly linked list
	totals   Totals        // guarded by mu: the bytes are those of the tunnels that are over
	draining bool          // guarded by mu
	drained  chan struct{} // closed, once, when draining and no tunnel is left
}

// engine makes a tunnel with what carries it, in one piece of memory. It takes
// over nothing when it fails.
type engine func(client, backend Leg) (*Tunnel, error)

// carrier carries the bytes of one tunnel, tells the tunnel what happens to
// its legs (ended, linger), and calls finish when both are closed, all from
// goroutines of its own: its methods are called with the tunnel's lock held,
// block never and call nothing back.
type carrier interface {
	start() // called once
	part()  // called once, after start: t.parting is set, say it and end
	cut()   // close both legs now; any number of times, after start
	carried() (clientBytes, backendBytes uint64)
	discard() // instead of start, when there is no tunnel after all: close what was taken over
}

// New returns a Relay on the portable engine: two goroutines for a tunnel.
func New(o Options) *Relay {
	if o.Buffer <= 0 {
		o.Buffer = 32 << 10
	}
	if o.CloseWait <= 0 {
		o.CloseWait = 2 * time.Second
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 45 * time.Second
	}
	return &Relay{opts: o, engine: portable(o), drained: make(chan struct{})}
}

// Join makes a tunnel of two connections and owns both from here on, even
// when it fails: then both are closed and done is not called. Their deadlines
// are lifted. Nothing is read or written before Start; a tunnel that is not
// to be started must be closed.
//
// done, which may be nil, is called once, when both connections are closed,
// from a goroutine of the relay's and with no lock held. It should not block.
func (r *Relay) Join(client, backend Leg, done func(Stats)) (*Tunnel, error) {
	t, err := r.join(client, backend, done)
	if err != nil {
		closeConn(client.Conn)
		closeConn(backend.Conn)
		return nil, err
	}
	return t, nil
}

func (r *Relay) join(client, backend Leg, done func(Stats)) (*Tunnel, error) {
	if client.Conn == nil || backend.Conn == nil {
		return nil, errors.New("relay: join: a leg has no connection")
	}
	t, err := r.engine(client, backend)
	if err != nil {
		return nil, fmt.Errorf("relay: join: %w", err)
	}
	t.relay, t.began, t.done = r, int64(time.Since(epoch)), done
	if !r.add(t) {
		t.carrier.discard()
		return nil, ErrDraining
	}
	return t, nil
}

// Drain refuses further Joins, closes every tunnel with f and waits until all
// are over and every done has returned: CloseWait at most, plus what the dones
// take. When ctx ends first, the rest are cut, and the error says how many.
func (r *Relay) Drain(ctx context.Context, f Farewell) error {
	r.stopJoining()
	for _, t := range r.tunnels() {
		t.Close(f)
	}
	select {
	case <-r.drained:
		return nil
	case <-ctx.Done():
	}
	rest := r.tunnels()
	for _, t := range rest {
		t.carrier.cut()
	}
	<-r.drained
	if len(rest) == 0 {
		return nil
	}
	return fmt.Errorf("relay: drain: %d tunnels cut: %w", len(rest), context.Cause(ctx))
}

// Stats counts. It visits every live tunnel: for a scrape, not for a request.
func (r *Relay) Stats() Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.totals
	for t := r.live; t != nil; t = t.next {
		c, b := t.carrier.carried()
		sum.ClientBytes += c
		sum.BackendBytes += b
	}
	return sum
}

func (r *Relay) add(t *Tunnel) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining {
		return false
	}
	if t.next = r.live; t.next != nil {
		t.next.prev = t
	}
	r.live = t
	r.totals.Tunnels++
	r.totals.Joined++
	return true
}

// remove takes a tunnel that is over off the list and keeps its counts.
func (r *Relay) remove(t *Tunnel, s Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		r.live = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
	r.totals.ClientBytes += s.ClientBytes
	r.totals.BackendBytes += s.BackendBytes
	if r.totals.Tunnels--; r.totals.Tunnels == 0 && r.draining {
		close(r.drained)
	}
}

// stopJoining makes add refuse. From then on the tunnels only get fewer.
func (r *Relay) stopJoining() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining {
		return
	}
	r.draining = true
	if r.totals.Tunnels == 0 {
		close(r.drained)
	}
}

func (r *Relay) tunnels() (all []*Tunnel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t := r.live; t != nil; t = t.next {
		all = append(all, t)
	}
	return all
}
