package bench

import (
	"errors"
	"io"
	"syscall"
	"time"

	"fastproxy/fastproxy/loop"
)

type connState uint8

const (
	connOff        connState = iota // not tried yet, failed, or ended
	connConnecting                  // the kernel connects
	connGreeting                    // connected, the handshake is under way
	connReady
	connLeaving // we have said goodbye and wait for the other side's
)

// queueLimit bounds what all connections of a loop together hold back for a
// target that does not read.
const queueLimit = 256 << 20

// conn is one connection of the event-driven client. It belongs to its
// client's loop. An idle one is this struct, a row of the loop, and nothing
// else: no goroutine and no buffer.
type conn struct {
	client *client
	id     uint32 // within the run
	key    loop.Key
	tls    *tlsSide // nil: the connection is plain, or off
	state  connState
	tries  uint8 // to come back, since it was lost
	// renewing: it is replaced because the other side wished so, not lost
	renewing bool

	began  int64 // ns of the loop's clock: this attempt to connect
	lostAt int64 // likewise; 0 unless it was lost and is not back
	due    int64 // http: when the request under way was due

	out  []byte // could not be written yet
	rest []byte // read, but not a whole head or frame yet

	sent, answered uint32 // since it is connected
	frame          frame
	reply          reply
}

// speaker is the protocol on a client's connections. Its methods run on the
// loop.
type speaker interface {
	// hello is what is said once c is connected; nil: nothing, it is ready.
	hello(c *conn) []byte
	// read takes from b what is complete and says how much that was; the rest
	// comes again with more behind it.
	read(c *conn, b []byte) (used int, err error)
	// ready is called when c is ready for use.
	ready(c *conn)
	// gone is called when c, which was ready, is no longer.
	gone(c *conn)
	// ended is called when the other side, or an error, ends c, which was
	// ready; true: that is no loss, and the speaker has seen to it.
	ended(c *conn, cause error) bool
	// bye says goodbye on c, which is ready; soon or at once c is off.
	bye(c *conn)
}

// connect begins an attempt.
func (c *conn) connect() {
	cl := c.client
	c.began = cl.loop.Clock()
	fd, err := loop.Connect(cl.site.to, cl.site.source(int(c.id)))
	if err != nil {
		cl.attemptFailed(c, faultKind(err), err.Error())
		return
	}
	if c.key, err = cl.loop.Watch(fd, c); err != nil {
		loop.CloseFD(fd)
		cl.attemptFailed(c, faultKind(err), err.Error())
		return
	}
	c.state = connConnecting
	c.sent, c.answered = 0, 0
	c.frame = frame{}
	cl.count(&cl.opening, 1)
	cl.loop.SetDeadline(c.key, c.began+int64(cl.site.timeout))
}

// Handle implements loop.Handler.
func (c *conn) Handle(_ loop.Key, ev loop.Events) {
	const readable = loop.Readable | loop.HangUp | loop.Failed
	switch {
	case ev == loop.Stopped:
		c.endTLS()
		return // the loop closes it
	case ev == loop.Expired:
		c.expired()
		return
	case c.state == connConnecting && !c.connected():
		return
	}
	if ev&loop.Writable != 0 && len(c.out) > 0 {
		c.flush()
	}
	if ev&readable != 0 && c.state != connOff {
		c.readAll(ev&(loop.HangUp|loop.Failed) != 0)
	}
}

func (c *conn) connected() bool {
	cl := c.client
	if err := loop.SocketError(cl.loop.FD(c.key)); err != nil {
		c.end(err)
		return false
	}
	if cl.site.tls != nil {
		c.state = connGreeting
		startTLS(c)
		return true
	}
	c.greet()
	return c.state != connOff
}

// greet begins with what the speaker says first.
func (c *conn) greet() {
	hello := c.client.speak.hello(c)
	if hello == nil {
		c.client.isReady(c)
		return
	}
	c.state = connGreeting
	c.write(hello)
}

// expired is called when the other side took too long.
func (c *conn) expired() {
	doing := map[connState]string{connConnecting: "connecting", connGreeting: "the handshake", connReady: "an answer"}[c.state]
	if c.state == connLeaving {
		c.end(nil)
		return
	}
	c.end(faultf("timeout", "%s took more than %s", doing, c.client.site.timeout))
}

// end closes the connection, for the reason cause. What it means depends on
// what the connection was doing.
func (c *conn) end(cause error) {
	cl, was := c.client, c.state
	if was == connOff || was == connReady && cl.speak.ended(c, cause) {
		return
	}
	fd := cl.loop.FD(c.key)
	if was == connLeaving && cause != io.EOF || was != connLeaving && cause != nil {
		loop.ResetOnClose(fd) // else the port is taken for a minute
	}
	cl.loop.Close(c.key)
	c.off()
	switch was {
	case connConnecting, connGreeting:
		cl.count(&cl.opening, -1)
		kind, text := describeEnd(cause)
		if was == connGreeting && cause == io.EOF {
			kind, text = "eof", "the connection ended before the handshake was answered"
		}
		cl.attemptFailed(c, kind, text)
	case connReady:
		cl.isLost(c, cause)
	case connLeaving:
		cl.count(&cl.open, -1)
		cl.hasLeft(c)
	}
}

// describeEnd names the kind of an end, and says what it was.
func describeEnd(cause error) (kind, text string) {
	var no syscall.Errno
	switch {
	case cause == nil:
		return "closed", "closed"
	case cause == io.EOF:
		return "eof", "the other side ended the connection without a word"
	case errors.As(cause, &no):
		return faultKind(cause), no.Error()
	}
	return faultKind(cause), cause.Error()
}

// deadline bounds what c waits for now, from the loop's now on.
func (c *conn) deadline(d time.Duration) {
	c.client.loop.SetDeadline(c.key, c.client.loop.Now()+int64(d))
}

// drop closes the connection and counts nothing but that it is closed.
func (c *conn) drop() {
	cl := c.client
	switch c.state {
	case connOff:
		return
	case connConnecting, connGreeting:
		cl.count(&cl.opening, -1)
	default:
		cl.count(&cl.open, -1)
	}
	cl.loop.Close(c.key)
	c.off()
}

// off lets go of what an open connection has.
func (c *conn) off() {
	c.state = connOff
	c.client.queued -= len(c.out)
	c.out, c.rest = nil, nil
	c.endTLS()
}

func (c *conn) endTLS() {
	if c.tls != nil {
		c.tls.close()
		c.tls = nil
	}
}
