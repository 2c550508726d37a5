package upstream

import (
	"net"
	"syscall"
	"time"
)

// Conn is a connection to a backend, used by one exchange at a time.
type Conn struct {
	net.Conn
	reused bool
	since  time.Time // waiting since; guarded by the backend's mu
}

// Reused reports whether an earlier exchange went over this connection, so
// that the backend may have closed it just as we wrote.
func (c *Conn) Reused() bool { return c.reused }

// alive looks, without waiting, whether the backend closed the connection or
// sent bytes nobody asked for; either makes it useless. It costs one system
// call, and saves the visitor from most stale connections.
func (c *Conn) alive() bool {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN || err == syscall.EINTR
		return true
	})
	return err == nil && quiet
}
