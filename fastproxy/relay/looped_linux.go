package relay

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"fastproxy/fastproxy/loop"
)

// NewOn returns a Relay whose tunnels of TCP and Unix sockets are carried by
// the loops, in turn; tunnels with any other leg (TLS) are carried as New's
// are. The caller runs the loops, from before the first Join until after
// Drain. A tunnel's done is called on its loop, which it must not block.
func NewOn(loops []*loop.Loop, o Options) *Relay {
	r := New(o)
	if len(loops) == 0 {
		return r
	}
	r.looped = newLooped(loops, r)
	r.engine = r.looped.couple
	return r
}

func newLooped(loops []*loop.Loop, r *Relay) *looped {
	e := &looped{opts: r.opts, holds: newHolds(r.opts.Buffer), rest: r.engine, spliceFrom: spliceFrom}
	for _, l := range loops {
		e.homes = append(e.homes, &home{l, e})
	}
	return e
}

// looped is the engine whose tunnels wait in event loops.
type looped struct {
	homes []*home
	opts  Options
	holds *holds // for bytes that wait for a slow reader
	rest  engine // for legs that are no plain sockets
	turn  atomic.Uint32

	spliceFrom uint64 // the const, but for the benchmark

	orphans sync.Mutex // one at a time ends what its loop has left
}

// home is the loop that a tunnel waits in, and the engine.
type home struct {
	loop   *loop.Loop
	engine *looped
}

// couple takes the descriptors out of Go's poller, which would watch them too.
func (e *looped) couple(c, b Leg) (*Tunnel, error) {
	if !isSocket(c.Conn) || !isSocket(b.Conn) {
		return e.rest(c, b)
	}
	for s, in := range [2]Leg{c, b} {
		if err := tune(in.Conn, e.opts.KeepAlive); err != nil {
			return nil, fmt.Errorf("%s: %w", side(s), err)
		}
	}
	var fds [2]int
	for s, in := range [2]Leg{c, b} {
		fd, err := duplicate(in.Conn)
		if err != nil {
			if s == int(backend) {
				unix.Close(fds[client])
			}
			return nil, fmt.Errorf("%s: %w", side(s), err)
		}
		fds[s] = fd
	}
	k := &coupling{home: e.homes[int(e.turn.Add(1))%len(e.homes)]}
	k.t.carrier = k
	if c.Inspect != nil || b.Inspect != nil {
		k.inspectors = &[2]func(b []byte) (int, *Farewell){c.Inspect, b.Inspect}
	}
	for s, in := range [2]Leg{c, b} {
		in.Conn.Close() // the socket lives on in its duplicate
		_, tcp := in.Conn.(*net.TCPConn)
		k.ways[s].init(k, fds[s], tcp, in)
	}
	return &k.t, nil
}

// isSocket reports these very types: a wrapper's Read may do more.
func isSocket(conn net.Conn) bool {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// duplicate returns a descriptor of conn's socket that is the caller's.
func duplicate(conn net.Conn) (fd int, err error) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	var dupErr error
	err = raw.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = dupErr
	}
	return fd, err
}

// coupling is a tunnel of this engine: two descriptors in one loop and, named
// by the side it reads, a way for each direction. Only its loop touches it. It
// is 240 bytes, for there may be a hundred thousand, idle: look at
// TestAnIdleTunnelIsSmall before it gets another field.
type coupling struct {
	t Tunnel

	// set once
	*home
	inspectors *[2]func(b []byte) (int, *Farewell) // by the side that is read; nil: none

	ways    [2]way
	over    bool  // both descriptors are closed
	stopped uint8 // ways on which nothing will be passed on any more
	silent  uint8 // legs that were read to their end
}

// The carrier's methods come from any goroutine, with the tunnel's lock held.

func (k *coupling) start() { k.post(k.begin) }
func (k *coupling) part()  { k.post(k.turnBoth) }
func (k *coupling) cut()   { k.post(k.close) }

func (k *coupling) carried() (clientBytes, backendBytes uint64) {
	return k.ways[client].passed.Load(), k.ways[backend].passed.Load()
}

func (k *coupling) discard() {
	for s := range k.ways {
		k.ways[s].close()
	}
}

// post has f done on the loop. A loop that has ended has told what it watched;
// what it never watched is closed here.
func (k *coupling) post(f func()) {
	if !k.loop.Post(f) {
		go k.orphaned()
	}
}

// orphaned ends a tunnel whose loop is gone. Nobody else touches it any more.
func (k *coupling) orphaned() {
	k.engine.orphans.Lock()
	defer k.engine.orphans.Unlock()
	k.close()
}

// begin watches both descriptors and passes on what was read before.
func (k *coupling) begin() {
	if k.over {
		return
	}
	for s := range k.ways {
		w := &k.ways[s]
		if w.watched { // adopted
			continue
		}
		key, err := k.loop.Watch(int(w.fd), w)
		if err != nil {
			k.t.ended(w.from(), err)
			k.close()
			return
		}
		w.key, w.watched, w.readable = key, true, true
	}
	for s := range k.ways {
		k.ways[s].open()
	}
	k.turnBoth()
}

func (k *coupling) turnBoth() {
	for s := range k.ways {
		if !k.over && k.ways[s].watched {
			k.ways[s].turn()
		}
	}
}

// wayStopped is told once by each way. When neither passes anything on, what
// is left is waiting for the sides to hang up, and that has a limit.
func (k *coupling) wayStopped() {
	if k.stopped++; k.stopped == 2 {
		k.t.linger()
	}
}

// legSilent is told once by each way, and ends the tunnel when nothing can
// come from either side and nothing waits for one.
func (k *coupling) legSilent() {
	k.silent++
	k.closeWhenDone()
}

func (k *coupling) closeWhenDone() {
	if k.silent == 2 && !k.ways[client].waits() && !k.ways[backend].waits() {
		k.close()
	}
}

// lost ends the tunnel because one side is gone: the other is told in the
// same way, by a reset, unless that would destroy bytes on their way to it;
// then it is told by an ordinary end and given time to take them.
func (k *coupling) lost(gone side) {
	rest := &k.ways[gone.other()]
	if rest.abort() {
		k.close()
		return
	}
	k.ways[gone].closeSink()
	k.t.linger()
}

// close ends the tunnel: both descriptors, then its record.
func (k *coupling) close() {
	if k.over {
		return
	}
	k.over = true
	for s := range k.ways {
		k.ways[s].close()
	}
	k.t.finish()
}
