package fastproxy

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"time"

	"fastproxy/fastproxy/session"
)

var errHeadTimeout = &scanError{408, "the request head did not come in time"}

// conn is one client connection of the portable engine: a goroutine reads a
// head, hands it to serve as an exchange, and reads the next. While it waits
// for a first byte it holds no buffer. Whoever reads or writes nc sets the
// deadline for that; none is counted on to be absent.
type conn struct {
	p    *Proxy
	nc   net.Conn
	peer netip.Addr // zero for Unix sockets

	// The bytes that were read and not used: ahead, then buf[r:w]. The head of
	// the exchange under way stays in buf before r.
	buf   []byte // pooled; nil while idle
	r, w  int
	ahead []byte // put back, see unread

	mu      sync.Mutex
	waiting bool       // guarded by mu: for a client that has nothing to wait for itself
	leaving bool       // guarded by mu: the process stops, no further request
	stream  *streamEnd // guarded by mu: an answer without an end of its own
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
			c.linger()
			return
		}
	}
}

// connNext is what becomes of a connection after an exchange.
type connNext uint8

const (
	connKept   connNext = iota // the next head may come
	connOver                   // the answer was the last one
	connBroken                 // the answer broke off
	connTaken                  // it is a tunnel's
)

// exchange answers one request, whose head was read or is refused with err.
func (c *conn) exchange(raw []byte, err *scanError) connNext {
	x := acquireExchange(c)
	defer releaseExchange(x)
	if err == nil {
		err = scan(raw, &x.head)
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

// readHead returns the bytes of the next head, which stay as they are until
// it is called again. No bytes and no error: the client is gone, or was idle
// too long.
func (c *conn) readHead() ([]byte, *scanError) {
	if c.unused() == 0 && !c.awaitFirst() {
		return nil, nil
	}
	c.gather()
	c.nc.SetReadDeadline(time.Now().Add(c.p.limits.head))
	seen := 0
	for {
		n, err := findHeadEnd(c.buf[c.r:c.w], seen)
		if err != nil {
			return nil, err
		}
		if n > maxHeadBytes {
			return nil, errHeadTooLarge
		}
		if n > 0 {
			c.r += n
			return c.buf[c.r-n : c.r], nil
		}
		seen = c.w - c.r
		if c.w == len(c.buf) && !c.makeRoom() {
			return nil, errHeadTooLarge
		}
		k, rerr := c.nc.Read(c.buf[c.w:])
		c.w += k
		if k == 0 && rerr != nil {
			if isTimeout(rerr) {
				return nil, errHeadTimeout
			}
			return nil, nil
		}
	}
}

// awaitFirst waits for one byte without a buffer, so that an idle connection
// costs its goroutine and nothing more.
func (c *conn) awaitFirst() bool {
	var first [1]byte
	c.dropBuffer()
	if n, _ := c.readWaiting(first[:], c.p.limits.idle); n == 0 {
		return false
	}
	c.buf = takeSmall()
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

// unused returns how many bytes were read and not used.
func (c *conn) unused() int { return len(c.ahead) + c.w - c.r }

// gather brings all unused bytes into buf, for a head to be found in them.
func (c *conn) gather() {
	if len(c.ahead) == 0 {
		return
	}
	n := c.unused()
	var b []byte
	switch {
	case n < smallBuffer:
		b = takeSmall()
	case n < maxHeadBytes:
		b = takeHead()
	default: // requests that were sent behind a body without waiting
		b = make([]byte, n)
	}
	copy(b[copy(b, c.ahead):], c.buf[c.r:c.w])
	c.dropBuffer()
	c.buf, c.w, c.ahead = b, n, nil
}

// makeRoom gets space behind c.w for the head that begins at c.r; it reports
// false when the head is as large as heads may be.
func (c *conn) makeRoom() bool {
	n := c.w - c.r
	if n >= maxHeadBytes {
		return false
	}
	b := takeHead()
	copy(b, c.buf[c.r:c.w])
	giveBuffer(c.buf)
	c.buf, c.r, c.w = b, 0, n
	return true
}

func (c *conn) dropBuffer() {
	giveBuffer(c.buf)
	c.buf, c.r, c.w = nil, 0, 0
}

// findHeadEnd returns the length of the head in b, through its empty line, or
// 0 while it is not complete. A bare LF is refused as soon as it is there: a
// head that ends by bare LFs would otherwise hang until the deadline. Bytes
// before seen were looked at before.
func findHeadEnd(b []byte, seen int) (int, *scanError) {
	for i := max(seen-1, 0); ; {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return 0, nil
		}
		i += j
		if i == 0 || b[i-1] != '\r' {
			return 0, errBareLF
		}
		if i == 1 {
			return 0, errRequestLine // an empty line before the request line
		}
		if i >= 3 && b[i-2] == '\n' {
			return i + 1, nil
		}
		i++
	}
}

// read reads what comes behind the head: unused bytes first, then the socket's.
func (c *conn) read(p []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	if c.r < c.w {
		n := copy(p, c.buf[c.r:c.w])
		c.r += n
		return n, nil
	}
	return c.nc.Read(p)
}

// unread puts back the last bytes that read returned; b is copied.
func (c *conn) unread(b []byte) {
	if len(b) > 0 {
		c.ahead = append(append([]byte(nil), b...), c.ahead...)
	}
}

// takeRest gives away all bytes behind the head, for a tunnel.
func (c *conn) takeRest() []byte {
	rest := append(c.ahead, c.buf[c.r:c.w]...)
	c.r, c.ahead = c.w, nil
	return rest
}

// linger closes after the last answer so that the client can read it: closing
// with unread bytes in the socket would reset the connection and take the
// answer with it (RFC 9112 section 9.6).
func (c *conn) linger() {
	defer c.nc.Close()
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.dropBuffer()
	c.ahead = nil
	b := takeSmall()
	defer giveBuffer(b)
	for end := time.Now().Add(c.p.limits.linger); ; {
		quiet := min(c.p.limits.lingerQuiet, time.Until(end))
		if _, err := c.readWaiting(b, quiet); err != nil {
			return
		}
	}
}
