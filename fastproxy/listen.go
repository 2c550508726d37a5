package fastproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"fastproxy/fastproxy/loop"
)

const acceptPause = 100 * time.Millisecond

// listen opens every address of the settings. The default asks for both
// loopback families, and a machine may have IPv6 switched off: then one of
// them is enough.
func listen(addrs []ListenAddr) ([]net.Listener, error) {
	var all []net.Listener
	var faults []error
	for _, a := range addrs {
		l, err := listenOn(a)
		switch {
		case err == nil:
			all = append(all, l)
		case a.Optional && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)):
		default:
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 || len(all) == 0 {
		for _, l := range all {
			l.Close()
		}
		return nil, fmt.Errorf("listen: %w", errors.Join(faults...))
	}
	return all, nil
}

func listenOn(a ListenAddr) (net.Listener, error) {
	if a.Network != "unix" {
		var lc net.ListenConfig
		lc.SetMultipathTCP(false) // Go's default; what it accepts would not have the listener's options
		lc.Control = a.tune
		return lc.Listen(context.Background(), a.Network, a.Address)
	}
	if err := removeStaleSocket(a.Address); err != nil {
		return nil, err
	}
	l, err := net.Listen(a.Network, a.Address)
	if err != nil {
		return nil, err
	}
	// Whatever the umask: the web server in front is in our group, or nobody.
	if err := os.Chmod(a.Address, 0o660); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// tune is a net.ListenConfig's Control. What it sets, accepted connections have
// too.
func (a ListenAddr) tune(network, address string, raw syscall.RawConn) error {
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().IsLoopback() {
		if err := raw.Control(func(fd uintptr) { loop.Unpace(int(fd)) }); err != nil {
			return err
		}
	}
	if a.Shared {
		return sharePort(network, address, raw)
	}
	return nil
}

// removeStaleSocket removes a socket file that nobody listens on any more.
func removeStaleSocket(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s: found a file that is no socket", path)
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return fmt.Errorf("%s: found another process listening there", path)
	}
	return os.Remove(path)
}

// accept serves the connections of one listener until it is closed. One for
// which there is no room is held until there is: a place taken before somebody
// comes would be missing at the other listeners.
func (p *Proxy) accept(l net.Listener) {
	var failed error
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			failed = nil
			boundUnsent(nc)
			if !p.room.await(p.stopping) {
				nc.Close()
			} else if !p.conns.serve(&conn{p: p, inbox: inbox{nc: nc}, peer: peerAddr(nc)}, -1) {
				nc.Close()
				p.room.leave()
			}
		case errors.Is(err, net.ErrClosed):
			return
		case p.room.starved(err):
			if p.room.await(p.stopping) {
				p.room.leave()
			}
		default:
			if failed == nil {
				p.acceptFailed(err)
			}
			failed = err
			select {
			case <-time.After(acceptPause):
			case <-p.stopping:
			}
		}
	}
}

// acceptFailed tells of what passes: descriptors come back when connections
// close, and those that are open do not notice. It is called for the first
// failure of a row; acceptPause later it is tried again.
func (p *Proxy) acceptFailed(err error) {
	p.log.Logger().Error("cannot accept: new connections wait", zap.NamedError("error.message", err))
}

// connSet knows the client connections of the portable engine that are no
// tunnels.
type connSet struct {
	mu      sync.Mutex
	all     map[*conn]struct{}
	closing bool
	done    sync.WaitGroup
}

// serve runs a connection in a goroutine of its own; one that a lane lends is
// fd. False: the process stops, and the connection is still the caller's.
func (s *connSet) serve(c *conn, fd int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.all[c] = struct{}{}
	s.done.Add(1)
	go s.run(c, fd)
	return true
}

// open returns how many there are.
func (s *connSet) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

func (s *connSet) run(c *conn, fd int) {
	defer s.done.Done()
	defer func() {
		if v := recover(); v != nil { // outside of any one request's road
			c.p.logPanic("", v)
			c.cut()
		}
		if !c.passedOn {
			c.p.room.leave()
		}
		s.mu.Lock()
		delete(s.all, c)
		s.mu.Unlock()
	}()
	if c.lane != nil {
		c.attend(fd)
		return
	}
	c.serve()
}

// drain lets answers under way finish and takes no further request; idle
// connections end at once. When ctx ends, so does the rest.
func (s *connSet) drain(ctx context.Context) {
	s.mu.Lock()
	s.closing = true
	for c := range s.all {
		c.leave()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.done.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	s.mu.Lock()
	for c := range s.all {
		c.cut()
	}
	s.mu.Unlock()
	<-done
}
