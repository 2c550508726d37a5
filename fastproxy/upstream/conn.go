package upstream

import (
	"net"
	"syscall"
	"time"
)

// Conn is a connection to a backend, used by one exchange at a time.
type Conn struct {
	net.Conn
	raw    syscall.RawConn // nil where the kernel cannot be asked
	reused bool
	since  time.Time // waiting since; guarded by the backend's mu

	// of one look, see alive; kept because a closure is an allocation
	peek  func(fd uintptr) bool
	quiet bool
}

func newConn(nc net.Conn) *Conn {
	c := &Conn{Conn: nc}
	if sc, ok := nc.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn()
	}
	c.peek = func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		c.quiet = err == syscall.EAGAIN
		return true
	}
	return c
}

// Reused reports whether an earlier exchange went over this connection, so
// that the backend may have closed it just as we wrote.
func (c *Conn) Reused() bool { return c.reused }

// alive looks, without waiting, whether the backend closed the connection or
// sent bytes nobody asked for; either makes it useless. It costs one system
// call, and saves the visitor from most stale connections.
func (c *Conn) alive() bool {
	if c.raw == nil {
		return true
	}
	c.quiet = false
	return c.raw.Read(c.peek) == nil && c.quiet
}
