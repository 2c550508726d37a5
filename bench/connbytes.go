package bench

import "fastproxy/fastproxy/loop"

// How bytes come and go on a conn.

const (
	// readBudget is how much one connection may read before the others of its
	// loop get their turn.
	readBudget = 1 << 20
	// restLimit is how long an incomplete head may get.
	restLimit = 64 << 10
)

// readAll reads what is there; with ending the end is near and must be read,
// too.
func (c *conn) readAll(ending bool) {
	cl, key := c.client, c.key
	room := cl.loop.Scratch()
	for total := 0; ; {
		n, err := loop.Read(cl.loop.FD(c.key), room)
		if err == loop.ErrAgain {
			return
		}
		if err != nil {
			c.broke(err)
			return
		}
		if c.take(room[:n]); !c.still(key) || n < len(room) && !ending {
			return
		}
		if total += n; total > readBudget {
			cl.loop.Again(c.key, loop.Readable|loop.HangUp)
			return
		}
	}
}

// broke takes that reading ended, or failed.
func (c *conn) broke(cause error) {
	if c.tls != nil {
		c.tls.end(cause)
		return
	}
	c.end(cause)
}

// take takes what was read.
func (c *conn) take(b []byte) {
	if c.tls != nil {
		c.tls.read(b)
		return
	}
	c.takeClear(b)
}

// takeClear hands what was read to the speaker and keeps what it leaves.
func (c *conn) takeClear(b []byte) {
	if len(c.rest) > 0 {
		c.rest = append(c.rest, b...)
		b = c.rest
	}
	key := c.key
	used, err := c.client.speak.read(c, b)
	switch {
	case !c.still(key):
		return
	case err != nil:
		c.end(err)
	case used == len(b):
		c.rest = nil
	case len(b)-used > restLimit:
		c.end(faultf("too long", "a head of more than %d bytes", restLimit))
	default:
		c.rest = append(make([]byte, 0, len(b)-used), b[used:]...)
	}
}

// still reports whether c is on the connection that key named, and open.
func (c *conn) still(key loop.Key) bool { return c.state != connOff && c.key == key }

// write sends b, which is borrowed, now or as soon as there is room.
func (c *conn) write(b []byte) {
	if c.tls != nil {
		c.tls.write(b)
		return
	}
	c.writeRaw(b)
}

// writeRaw writes to the socket what is encrypted, if anything is.
func (c *conn) writeRaw(b []byte) {
	n := 0
	if len(c.out) == 0 {
		var err error
		n, err = loop.Write(c.client.loop.FD(c.key), b)
		if err != nil && err != loop.ErrAgain {
			c.end(err)
			return
		}
	}
	if n < len(b) {
		c.client.queued += len(b) - n
		c.out = append(c.out, b[n:]...)
	}
}

func (c *conn) flush() {
	n, err := loop.Write(c.client.loop.FD(c.key), c.out)
	if err != nil && err != loop.ErrAgain {
		c.end(err)
		return
	}
	c.client.queued -= n
	if c.out = c.out[n:]; len(c.out) == 0 {
		c.out = nil
	}
}
