package fastproxy

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"fastproxy/fastproxy/session"
)

var (
	errHeadTimeout = &scanError{408, "the request head did not come in time"}
	errBodyTimeout = &scanError{408, "the request body did not come in time"}
)

// conn is one client connection of the portable engine: a goroutine reads a
// head, hands it to serve as an exchange, and reads the next. While it waits
// for a first byte it holds no buffer. Whoever reads or writes nc sets the
// deadline for that; none is counted on to be absent.
type conn struct {
	p *Proxy
	inbox
	peer netip.Addr // zero for Unix sockets
	lane *lane      // that lent the connection; nil for a connection of this engine's own
	loan loan

	passedOn bool // back to its lane, or to a tunnel: it is open still

	mu      sync.Mutex
	waiting bool       // guarded by mu: for a client that has nothing to wait for itself
	leaving bool       // guarded by mu: the process stops, no further request
	stream  *streamEnd // guarded by mu: an answer without an end of its own
	asking  *transfer  // guarded by mu: holds a connection to Shiny
	gone    bool       // guarded by mu: cut was called
}

// serve answers requests until the connection ends; it closes nc unless an
// exchange gave it to a tunnel.
func (c *conn) serve() {
	defer c.dropBuffer()
	for {
		raw, err := c.readHead()
		if raw == nil && err == nil {
			c.nc.Close()
			return
		}
		switch c.exchange(raw, err) {
		case connTaken:
			return
		case connBroken:
			c.nc.Close()
			return
		case connOver:
			c.linger(c.p.limits.linger)
			return
		case connSlow:
			c.linger(c.p.limits.lingerSlow)
			return
		}
	}
}

// connNext is what becomes of a connection after an exchange.
type connNext uint8

const (
	connKept   connNext = iota // the next head may come
	connOver                   // the answer was the last one
	connSlow                   // likewise, to a client that was cut for being slow
	connBroken                 // the answer broke off
	connTaken                  // it is a tunnel's
)

// exchange answers one request, whose head was read or is refused with err.
func (c *conn) exchange(raw []byte, err *scanError) connNext {
	x := acquireExchange(c)
	defer releaseExchange(x)
	if err == nil {
		err = scan(raw, &x.head)
		x.head.expect = x.head.expect && !c.loan.told
	}
	if err == nil && !x.parse() {
		err = refuse("malformed request head")
	}
	if err != nil {
		c.p.refuseHead(x, err)
	} else {
		c.p.serveSafely(x)
	}
	return x.finish()
}

// readHead returns the bytes of the next head, as nextHead does. No bytes and
// no error: the client is gone, or was idle too long.
func (c *conn) readHead() ([]byte, *scanError) {
	if c.unused() == 0 && !c.awaitFirst() {
		return nil, nil
	}
	c.nc.SetReadDeadline(time.Now().Add(c.p.limits.head))
	return c.nextHead()
}

// awaitFirst waits for one byte without a buffer, so that an idle connection
// costs its goroutine and nothing more.
func (c *conn) awaitFirst() bool {
	var first [1]byte
	c.dropBuffer()
	if n, _ := c.readWaiting(first[:], c.p.limits.idle); n == 0 {
		return false
	}
	c.buf = takeBuffer(firstBuffer)
	c.buf[0] = first[0]
	c.r, c.w = 0, 1
	return true
}

// readWaiting reads what a client may send or not: leave ends the wait.
func (c *conn) readWaiting(b []byte, limit time.Duration) (int, error) {
	c.mu.Lock()
	if c.leaving {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	c.waiting = true
	c.nc.SetReadDeadline(time.Now().Add(limit))
	c.mu.Unlock()
	n, err := c.nc.Read(b)
	c.mu.Lock()
	c.waiting = false
	c.mu.Unlock()
	return n, err
}

// leave ends the connection after the answer under way; at once one that
// waits for a request, and an answer that has no end.
func (c *conn) leave() {
	c.mu.Lock()
	c.leaving = true
	if c.waiting {
		c.nc.SetReadDeadline(longAgo)
	}
	stream := c.stream
	c.mu.Unlock()
	if stream != nil {
		stream.End(session.WhyShutdown)
	}
}

// cut ends the connection and what is under way on it.
func (c *conn) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	if c.nc != nil {
		c.nc.Close()
	}
	if c.asking != nil { // its client may be watched no more
		c.asking.clientGone()
	}
}

// setAsking names the transfer under way, nil when it is over.
func (c *conn) setAsking(t *transfer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking = t
	if c.gone && t != nil {
		t.clientGone()
	}
}

// left reports that the process stops.
func (c *conn) left() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leaving
}

// setStream names the endless answer under way, nil when it is over.
func (c *conn) setStream(s *streamEnd) {
	c.mu.Lock()
	c.stream = s
	left := c.leaving
	c.mu.Unlock()
	if s != nil && left {
		s.End(session.WhyShutdown)
	}
}

// linger closes after the last answer so that the client can read it: closing
// with unread bytes in the socket would reset the connection and take the
// answer with it (RFC 9112 section 9.6).
func (c *conn) linger(most time.Duration) {
	defer c.nc.Close()
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.dropBuffer()
	c.ahead = nil
	b := takeBuffer(smallBuffer)
	defer giveBuffer(b)
	for end := time.Now().Add(most); ; {
		quiet := min(c.p.limits.lingerQuiet, time.Until(end))
		if _, err := c.readWaiting(b, quiet); err != nil {
			return
		}
	}
}
