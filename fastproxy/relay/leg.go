package relay

import (
	"net"
	"time"
)

// leg is one connection as the portable engine holds it. What reads it and
// what writes it are each one goroutine; the rest may be called by any.
type leg struct {
	conn net.Conn
	src  source // used by the pump that reads this leg
}

// probes that nobody answers end a connection.
const probes = 4

// tune prepares a connection for a long life: nobody's deadline, and probes
// that find out when the other end has vanished.
func tune(conn net.Conn, keepAlive time.Duration) error {
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	tcp, ok := innermost(conn).(*net.TCPConn)
	if !ok || keepAlive < 0 {
		return nil
	}
	return tcp.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: true, Idle: keepAlive, Interval: max(keepAlive/3, time.Second), Count: probes,
	})
}

// closeWrite tells the peer that nothing more comes, after what was written.
// It reports false when this kind of connection cannot say so.
func (l *leg) closeWrite() bool {
	half, ok := l.conn.(interface{ CloseWrite() error })
	if ok {
		half.CloseWrite() // an error means that the peer is gone: its reader will say so
	}
	return ok
}

// abort makes the coming close a reset, as the other side's was, and reports
// whether it may: not while the peer has yet to acknowledge bytes, which a
// reset would throw away.
func (l *leg) abort() bool {
	tcp, ok := l.conn.(*net.TCPConn)
	return ok && settled(tcp) && tcp.SetLinger(0) == nil
}

// wake makes a read that waits, or the next one, return errWoken.
func (l *leg) wake() { l.conn.SetReadDeadline(time.Unix(1, 0)) }

// closeConn closes conn, which may be nil, at once: a TLS connection's
// CloseNotify may wait 5 s for a peer that does not read, so what carries it
// is closed first.
func closeConn(conn net.Conn) {
	if conn == nil {
		return
	}
	if inner := innermost(conn); inner != conn {
		inner.Close()
	}
	conn.Close()
}

// innermost is what a TLS connection stands on, or conn itself.
func innermost(conn net.Conn) net.Conn {
	if outer, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return outer.NetConn()
	}
	return conn
}
