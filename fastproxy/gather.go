package fastproxy

import (
	"time"

	"fastproxy/fastproxy/loop"
)

// gatherMost is the largest body that is awaited: a sign-in has 200 bytes. A
// form of ours is awaited as long as forms may be (maxForm), since nobody reads
// a part of it.
const gatherMost = 2 << 10

// gathering is a body that is awaited whole before a worker sees it, so that
// the worker, and all that one takes, is not kept waiting by somebody who sends
// a form byte by byte.
type gathering struct {
	pace pace
	at   int64 // on the loop's clock: what pace knows of
}

// gather waits for the rest of a small body; false: nothing is to be waited for.
// g is the wait so far, nil before it.
func (c *caller) gather(e *errand, g *gathering) bool {
	missing := c.missing(e)
	if missing <= 0 || e.x.head.expect && !c.tell() {
		return false
	}
	l := c.lane
	b := l.loop.Scratch()
	n := copy(b, e.raw)
	n += copy(b[n:], c.kept)
	c.wants = int32(n + missing)
	c.errand = nil
	e.leave()
	l.giveErrand(e)
	c.keep(b[:n])
	if c.gathering = g; g == nil {
		c.gathering = &gathering{pace{limits: &l.p.limits}, l.loop.Now()}
		c.late = true
		l.loop.SetDeadline(c.key, l.loop.Now()+int64(c.gathering.pace.left()))
	}
	return true
}

// missing returns how many bytes of a request's body have yet to come, at
// least, before a worker should see it; 0 or less: none.
func (c *caller) missing(e *errand) int {
	h := &e.x.head
	if !e.judged || !h.hasBody() {
		return 0
	}
	most := int64(gatherMost)
	if h.bringsForm() {
		most = maxForm
	}
	switch {
	case h.expect && most < maxForm: // Shiny's, or nobody's, to ask for
		return 0
	case !h.chunked && h.contentLength <= most:
		return int(h.contentLength) - len(c.kept)
	case !h.chunked || most < maxForm || len(c.kept) >= maxForm:
		return 0
	}
	var body chunks
	for rest := c.kept; len(rest) > 0; {
		n, _, err := body.next(rest)
		if err != nil || body.done() {
			return 0
		}
		rest = rest[n:]
	}
	return int(max(1, min(body.size, int64(maxForm-len(c.kept))))) // of the chunk under way
}

// bringsForm reports a form for one of our own pages that take any.
func (h *head) bringsForm() bool {
	path := string(h.path())
	return string(h.method) == "POST" && (path == "/.fastproxy/password" || path == "/logout")
}

// gathered books n bytes of the body that is awaited.
func (c *caller) gathered(n int) {
	g, now := c.gathering, c.lane.loop.Now()
	g.pace.moved(n, time.Duration(now-g.at))
	g.at = now
	c.lane.loop.SetDeadline(c.key, now+int64(g.pace.left()))
}

// tell asks a client for the body that it holds back, once; see
// exchange.sendContinue.
func (c *caller) tell() bool {
	const line = "HTTP/1.1 100 Continue\r\n\r\n"
	if !c.told {
		n, _ := loop.Write(c.fd(), []byte(line))
		c.told = n == len(line)
	}
	return c.told
}
