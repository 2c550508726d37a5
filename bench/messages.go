package bench

import (
	"bytes"
	"encoding/binary"
	"time"
)

// leaveWait is how long a goodbye may take before the connection is cut.
const leaveWait = 2 * time.Second

// messages is the speaker of WebSockets whose messages come back: as the
// server's echo of a text, or as the Pong of a Ping.
type messages struct {
	client *client
	ping   bool
	listen bool // the server talks, of itself; what it says is counted only
	sizes  Sizes
	filler []byte // what stands in a message at each place, behind the mark
	seed   uint64 // of the handshakes' keys
	out    []byte // the frame that is being written
	// came is called when a message that was due then came back
	came func(c *conn, due int64)
}

func newMessages(cl *client, ping bool, sizes Sizes) *messages {
	const line = "The quick brown fox jumps over the lazy dog, 0123456789 times. "
	filler := bytes.Repeat([]byte(line), sizes.Max/len(line)+1)
	return &messages{client: cl, ping: ping, sizes: sizes, filler: filler[:sizes.Max], seed: cl.random.Uint64()}
}

// checkSizes says whether messages of these sizes can be told from each other.
func checkSizes(z Sizes, ping bool) error {
	switch {
	case z.Min < markSize:
		return usage("size: found %d, want at least %d: a message carries when it was due", z.Min, markSize)
	case ping && z.Max > 125:
		return usage("size: found %d, want 125 at most for a Ping frame", z.Max)
	case z.Max > 64<<20:
		return usage("size: found %d, want 64 MiB at most", z.Max)
	}
	return nil
}

func (m *messages) read(c *conn, b []byte) (used int, err error) {
	if c.state == connGreeting {
		used, err = m.readUpgrade(c, b)
		if used == 0 || err != nil {
			return 0, err
		}
		m.client.isReady(c)
	}
	for used < len(b) && c.state != connOff {
		n, err := m.readFrame(c, b[used:])
		if n == 0 || err != nil {
			return used, err
		}
		used += n
	}
	return used, nil
}

// frame is what a conn keeps of a message that is only half read.
type frame struct {
	left   int64 // bytes of this frame's payload that are to come
	at     int   // bytes of the message so far
	mark   mark
	inside bool // a message
	fin    bool // this frame is its last
	ours   bool
	wrong  bool // another content than was sent
}

// readFrame takes a head, or payload, or a whole control frame.
func (m *messages) readFrame(c *conn, b []byte) (used int, err error) {
	f := &c.frame
	if f.left > 0 {
		used = int(min(f.left, int64(len(b))))
		f.left -= int64(used)
		m.payload(f, b[:used])
		m.finish(c)
		return used, nil
	}
	h, used, err := readFrameHead(b)
	switch {
	case used == 0 || err != nil:
		return 0, err
	case h.op&0x8 != 0:
		if len(b) < used+int(h.size) {
			return 0, nil
		}
		err := m.control(c, h.op, b[used:used+int(h.size)])
		return used + int(h.size), err
	case f.inside != (h.op == opContinuation):
		return 0, faultf("protocol", "a message begins inside another, or goes on that has not begun")
	case !m.listen && !f.inside && int64(len(b)-used) < min(h.size, markSize):
		return 0, nil // the mark is wanted in one piece
	}
	if !f.inside {
		*f = frame{inside: true}
	}
	f.left, f.fin = h.size, h.fin
	m.finish(c)
	return used, nil
}

// payload takes the next part of a message.
func (m *messages) payload(f *frame, b []byte) {
	if m.listen {
		m.heard(len(b))
		return
	}
	if f.at == 0 {
		var err error
		f.mark, err = readMark(b)
		f.ours = err == nil
	}
	if f.ours {
		skip := max(markSize-f.at, 0)
		if end := f.at + len(b); end > len(m.filler) || skip < len(b) && !bytes.Equal(b[skip:], m.filler[f.at+skip:end]) {
			f.wrong = true
		}
	}
	f.at += len(b)
}

// finish ends the frame, and the message, if they are whole.
func (m *messages) finish(c *conn) {
	f := &c.frame
	if f.left > 0 || !f.fin {
		return
	}
	f.inside = false
	if m.listen {
		m.heardWhole()
	}
	if f.ours {
		m.answer(c, f.mark, !f.wrong && f.at == m.sizeOf(f.mark))
	}
}

// answer takes a message that came back.
func (m *messages) answer(c *conn, a mark, right bool) {
	cl := m.client
	switch {
	case c.state != connReady:
		return
	case a.seq < c.answered && a.conn == c.id:
		return // given up before
	case a.conn != c.id || a.seq >= c.sent || a.seq != c.answered && !m.ping || !right:
		cl.counts.Wrong++
		cl.faults.add("wrong answer", "a message came back changed, in another order, or on another connection")
	}
	if a.conn != c.id || a.seq >= c.sent {
		return
	}
	now := cl.loop.Clock()
	cl.outstanding -= int(a.seq + 1 - c.answered) // a Pong may answer several Pings (RFC 6455 §5.5.3)
	c.answered = a.seq + 1
	measured := cl.measured(a.due)
	cl.answers.record(now-a.due, measured)
	cl.second++
	cl.live.Messages.Add(1)
	if measured {
		cl.counts.Answered++
		cl.counts.BytesIn += m.sizeOf(a)
	}
	m.came(c, a.due)
}

// heard counts a part of what the server said of itself, when it came: a
// message may be longer than the measured time.
func (m *messages) heard(n int) {
	if cl := m.client; cl.measured(cl.loop.Clock()) {
		cl.counts.BytesIn += n
	}
}

// heardWhole counts one whole message of it.
func (m *messages) heardWhole() {
	cl := m.client
	cl.second++
	cl.live.Messages.Add(1)
	if cl.measured(cl.loop.Clock()) {
		cl.counts.Answered++
	}
}

// forget takes back what is under way on c, which is ended before it is
// answered. Only in the measured time.
func (m *messages) forget(c *conn) {
	missing := int(c.sent - c.answered)
	m.client.outstanding -= missing
	m.client.counts.Sent -= missing
	c.answered = c.sent
}

// sizeOf is the size of a message, which follows from its mark.
func (m *messages) sizeOf(a mark) int {
	x := (uint64(a.conn)<<32 | uint64(a.seq)) * 0x9e3779b97f4a7c15 // Knuth's multiplicative hash
	return m.sizes.Min + int(x>>33%uint64(m.sizes.Max-m.sizes.Min+1))
}

// control takes a whole control frame.
func (m *messages) control(c *conn, op byte, payload []byte) error {
	switch op {
	case opPing:
		if c.state == connReady {
			m.write(c, opPong, payload)
		}
	case opPong:
		if a, err := readMark(payload); err == nil && m.ping {
			m.answer(c, a, len(payload) == m.sizeOf(a) && bytes.Equal(payload[markSize:], m.filler[markSize:len(payload)]))
		}
	case opClose:
		switch cl := m.client; {
		case c.state == connLeaving && cl.revolving && !cl.closing:
			return nil // as a browser does, it lets the server end the connection (RFC 6455 §7.1.1)
		case c.state == connLeaving:
			c.end(nil)
			return nil
		}
		closed := &closedBy{code: 1005} // none was said
		if len(payload) >= 2 {
			closed.code, closed.reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
		m.write(c, opClose, payload[:min(len(payload), 2)])
		return closed
	}
	return nil
}

// send sends the message that was due then; false: too much waits already for
// the other side to read it.
func (m *messages) send(c *conn, due int64) bool {
	cl := m.client
	measured := cl.measured(due)
	if measured {
		cl.counts.Sent++
	}
	if cl.queued > queueLimit {
		cl.faults.add("not sent", "256 MiB wait already for the other side to read")
		return false
	}
	a := mark{conn: c.id, seq: c.sent, due: due}
	size := m.sizeOf(a)
	if measured {
		cl.counts.BytesOut += size
	}
	c.sent++
	cl.outstanding++
	var head [markSize]byte
	op := byte(opText)
	if m.ping {
		op = opPing
	}
	m.write(c, op, a.append(head[:0]), m.filler[markSize:size])
	return true
}

func (m *messages) write(c *conn, op byte, payload ...[]byte) {
	m.out = appendFrame(m.out[:0], op, m.client.random.Uint32(), payload...)
	c.write(m.out)
}

// bye begins the goodbye of c.
func (m *messages) bye(c *conn) {
	c.state = connLeaving
	m.write(c, opClose, []byte{0x03, 0xe8}) // 1000
	if c.state == connLeaving {
		c.deadline(leaveWait)
	}
}

func (m *messages) ended(*conn, error) bool { return false }

func (m *messages) gone(c *conn) {
	m.client.outstanding -= int(c.sent - c.answered)
}
