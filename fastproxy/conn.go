package fastproxy

import (
	"bytes"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	headLimit  = 10 * time.Second // from a head's first byte to its last
	idleLimit  = 60 * time.Second // until a head's first byte
	lingerMost = 10 * time.Second
)

var errHeadTimeout = &scanError{408, "the request head took longer than 10 s"}

// conn is one client connection of the portable engine: a goroutine reads a
// head, hands it to serve as an exchange, and reads the next. While it waits
// for a first byte it holds no buffer.
type conn struct {
	p    *Proxy
	nc   net.Conn
	peer netip.Addr // zero for Unix sockets

	buf     []byte // pooled; nil while idle
	r, w    int    // buf[r:w] was read and not used
	pending []byte // read after buf[:w] was full or lent out; comes after it

	idle    atomic.Bool // waits for a first byte
	leaving atomic.Bool // the process stops: no further request
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
		x := acquireExchange(c)
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
		next := x.finish()
		taken, broken := x.taken, x.broken
		releaseExchange(x)
		switch {
		case taken:
			return
		case broken:
			c.nc.Close()
			return
		case !next:
			c.linger()
			return
		}
		c.r += len(raw)
		if c.r == c.w {
			c.dropBuffer()
		}
	}
}

// readHead returns the bytes of the next head, which stay in c.buf until
// c.r moves. No bytes and no error: the client is gone, or was idle too long.
func (c *conn) readHead() ([]byte, *scanError) {
	if c.r == c.w && len(c.pending) == 0 && !c.awaitFirst() {
		return nil, nil
	}
	c.takePending()
	c.nc.SetReadDeadline(time.Now().Add(headLimit))
	defer c.nc.SetReadDeadline(time.Time{})
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
			return c.buf[c.r : c.r+n], nil
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
	c.idle.Store(true)
	defer c.idle.Store(false)
	c.nc.SetReadDeadline(time.Now().Add(idleLimit))
	if c.leaving.Load() { // after the deadline was set: leave sets another
		return false
	}
	if n, _ := c.nc.Read(first[:]); n == 0 {
		return false
	}
	c.buf = takeSmall()
	c.buf[0] = first[0]
	c.r, c.w = 0, 1
	return true
}

// leave ends the connection after the answer under way; one that waits for a
// request, at once.
func (c *conn) leave() {
	c.leaving.Store(true)
	if c.idle.Load() {
		c.nc.SetReadDeadline(longAgo)
	}
}

// takePending moves bytes that were read past a body behind those in buf.
func (c *conn) takePending() {
	if len(c.pending) == 0 {
		return
	}
	b := append(append([]byte(nil), c.buf[c.r:c.w]...), c.pending...)
	c.dropBuffer()
	c.pending = nil
	c.buf, c.r, c.w = b, 0, len(b)
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
	if c.buf != nil {
		giveBuffer(c.buf)
	}
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

// read reads body bytes: first those that came with the head, then the
// socket's.
func (c *conn) read(p []byte, headLen int) (int, error) {
	if from := c.r + headLen; from < c.w {
		n := copy(p, c.buf[from:c.w])
		// Close the gap, so that the head stays where it is.
		copy(c.buf[from:], c.buf[from+n:c.w])
		c.w -= n
		return n, nil
	}
	if len(c.pending) > 0 {
		n := copy(p, c.pending)
		c.pending = c.pending[n:]
		return n, nil
	}
	return c.nc.Read(p)
}

// unread puts back bytes that read returned last and that belong to the next
// request.
func (c *conn) unread(b []byte) {
	if len(b) > 0 {
		c.pending = append(append([]byte(nil), b...), c.pending...)
	}
}

// takeRest gives away all bytes behind the head, for a tunnel.
func (c *conn) takeRest(headLen int) []byte {
	rest := append(append([]byte(nil), c.buf[c.r+headLen:c.w]...), c.pending...)
	c.w, c.pending = c.r+headLen, nil
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
	b := takeSmall()
	defer giveBuffer(b)
	end := time.Now().Add(lingerMost)
	for time.Now().Before(end) {
		c.nc.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.nc.Read(b); err != nil {
			return
		}
	}
}
