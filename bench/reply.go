package bench

import "strconv"

// reply is what a conn keeps of the request under way and its answer.
type reply struct {
	asked  bool // a request is under way
	begun  bool // its answer has begun
	body   bool // the head is read
	last   bool // the connection ends with it
	again  bool // it was sent a second time
	chunks chunks
	status int
	left   int64 // of the body, or -1: until the end of the connection
	size   int64 // of the body so far
}

func (a *asking) read(c *conn, b []byte) (used int, err error) {
	for c.state == connReady {
		if !c.reply.asked {
			if len(b) > used {
				return used, faultf("protocol", "bytes that no request asked for")
			}
			return used, nil
		}
		n, err := a.readReply(c, b[used:])
		used += n
		if err != nil || n == 0 && c.reply.asked {
			return used, err
		}
	}
	return used, nil
}

// readReply takes the head, or some body.
func (a *asking) readReply(c *conn, b []byte) (used int, err error) {
	r := &c.reply
	r.begun = r.begun || len(b) > 0
	if !r.body {
		return a.readHead(c, b)
	}
	switch {
	case r.chunks.on:
		var n int64
		used, n, err = r.chunks.read(b)
		r.size += n
		if err != nil || !r.chunks.done {
			return used, err
		}
	case r.left < 0:
		r.size += int64(len(b))
		return len(b), nil
	default:
		used = int(min(r.left, int64(len(b))))
		r.left -= int64(used)
		r.size += int64(used)
		if r.left > 0 {
			return used, nil
		}
	}
	a.complete(c)
	return used, nil
}

func (a *asking) readHead(c *conn, b []byte) (used int, err error) {
	h, used, err := readResponseHead(b)
	if used == 0 || err != nil || h.status < 200 {
		return used, err // 1xx: another head follows
	}
	r := &c.reply
	r.body, r.status, r.last, r.left = true, h.status, h.last, h.length
	switch {
	case a.head || h.status == 204 || h.status == 304:
		r.left = 0
	case h.chunked:
		r.chunks = chunks{on: true}
	case h.length < 0:
		r.last = true
	}
	if h.status != a.status {
		a.client.faults.add("status "+strconv.Itoa(h.status), h.unwanted(a.what, a.status).Error())
	}
	if !r.chunks.on && r.left == 0 {
		a.complete(c)
	}
	return used, nil
}

// complete takes a whole answer.
func (a *asking) complete(c *conn) {
	cl, r := a.client, c.reply
	now := cl.loop.Clock()
	cl.loop.ClearDeadline(c.key)
	measured := cl.measured(c.due)
	cl.answers.record(now-c.due, measured)
	cl.second++
	cl.outstanding--
	cl.live.Messages.Add(1)
	if measured {
		cl.counts.Answered++
		cl.counts.BytesIn += int(r.size)
		cl.counts.BytesOut += len(a.request)
	}
	a.judge(&r)
	c.reply = reply{}
	c.answered++
	if r.last {
		a.renew(c)
		return
	}
	a.ready(c)
}

// judge counts an answer that is not as wanted. Outside of the measured time,
// too: it is no less wrong there.
func (a *asking) judge(r *reply) {
	switch {
	case r.status != a.status: // told when its head was read
		a.client.counts.Wrong++
	case a.head:
	case a.size < 0:
		a.size = r.size
	case r.size != a.size:
		a.client.counts.Wrong++
		a.client.faults.add("wrong size", a.what+" was answered with "+strconv.FormatInt(r.size, 10)+
			" bytes, want "+strconv.FormatInt(a.size, 10))
	}
}
