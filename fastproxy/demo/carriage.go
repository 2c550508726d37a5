package demo

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// carriage is a SockJS session: a queue of messages for one browser, which
// outlives the single responses that carry it there. One response at a time may
// be attached. Many goroutines may call it.
type carriage struct {
	shiny *Shiny
	name  string // its path, which makes it unique

	mu       sync.Mutex
	opened   bool // "o" was sent
	attached bool
	queue    []string
	waiting  int    // bytes in queue
	closing  string // the c[...] frame, once closed
	dead     bool
	passer   passer        // whoever takes what the browser says
	fresh    chan struct{} // holds one token when there is something to carry
	turn     int           // counts responses, so that an old timer knows it is old
}

// passer takes the messages of a carriage and learns of its end. Neither is
// called with a lock held.
type passer interface {
	receive(message string)
	lost()
}

// maxWaiting bounds the bytes queued for a browser that does not fetch them.
const maxWaiting = 4 << 20

func newCarriage(s *Shiny, name string) *carriage {
	return &carriage{shiny: s, name: name, fresh: make(chan struct{}, 1)}
}

// carriageFor returns the session of that name, made now if there was none and
// create is set; nil if there is none, or after Close.
func (s *Shiny) carriageFor(name string, create bool) (c *carriage, made bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.carriers[name]
	if ok || !create || s.closed {
		return c, false
	}
	c = newCarriage(s, name)
	s.carriers[name] = c
	return c, true
}

// attach claims the carriage for one response; false if another has it.
func (c *carriage) attach() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attached {
		return false
	}
	c.attached = true
	c.turn++
	return true
}

// detach gives the carriage back. Unless another response comes in time, it ends.
func (c *carriage) detach() {
	c.mu.Lock()
	c.attached = false
	turn := c.turn
	c.mu.Unlock()
	c.shiny.later(c.shiny.timing.Disconnect, func() { c.expire(turn) })
}

// expire ends the carriage unless a response has come since that turn.
func (c *carriage) expire(turn int) {
	c.mu.Lock()
	back := c.turn != turn
	c.mu.Unlock()
	if !back {
		c.drop()
	}
}

// drop ends the carriage, tells whoever listens, and forgets it. It may be
// called more than once, never under a lock.
func (c *carriage) drop() {
	c.mu.Lock()
	again := c.dead
	c.dead = true
	listener := c.passer
	c.mu.Unlock()
	if again {
		return
	}
	c.shiny.mu.Lock()
	if c.shiny.carriers[c.name] == c {
		delete(c.shiny.carriers, c.name)
	}
	c.shiny.mu.Unlock()
	if listener != nil {
		listener.lost()
	}
}

// write queues one message for the browser. False if that is too late.
func (c *carriage) write(message string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead || c.closing != "" {
		return false
	}
	c.queue = append(c.queue, message)
	c.waiting += len(message)
	if c.waiting > maxWaiting {
		c.queue, c.waiting = nil, 0
		c.closing = closeFrame(1011, "The browser is not fetching its messages.")
	}
	c.wake()
	return true
}

// close tells the browser to go, and not to come back silently; what is queued
// goes first.
func (c *carriage) close(code int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing == "" {
		c.closing = closeFrame(code, reason)
		c.wake()
	}
}

func (c *carriage) wake() {
	select {
	case c.fresh <- struct{}{}:
	default:
	}
}

// next returns the frame to send now, if any; last after the closing one.
func (c *carriage) next() (frame string, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.opened:
		c.opened = true
		return "o", false
	case len(c.queue) > 0:
		frame = messageFrame(c.queue)
		c.queue, c.waiting = nil, 0
		return frame, false
	case c.closing != "":
		return c.closing, true
	}
	return "", false
}

// carry sends frames through put as they come, and calls beat when a heartbeat
// is due, until the closing frame is out, ctx ends, or either says stop by
// returning false. The caller has attached.
func (c *carriage) carry(ctx context.Context, put func(frame string) bool, beat func() bool) {
	heart := time.NewTicker(c.shiny.timing.Heartbeat)
	defer heart.Stop()
	for {
		frame, last := c.next()
		if frame != "" {
			if !put(frame) || last {
				return
			}
			continue
		}
		select {
		case <-c.fresh:
		case <-heart.C:
			if !beat() {
				return
			}
		case <-ctx.Done():
			return
		case <-c.shiny.ctx.Done():
			// Close has queued the farewell before it ended the context.
			for frame, last := c.next(); frame != "" && put(frame) && !last; frame, last = c.next() {
			}
			return
		}
	}
}

// hear passes on what the browser sent.
func (c *carriage) hear(messages []string) {
	c.mu.Lock()
	listener, deaf := c.passer, c.dead || c.closing != ""
	c.mu.Unlock()
	for _, m := range messages {
		if listener != nil && !deaf {
			listener.receive(m)
		}
	}
}

func (c *carriage) listen(p passer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passer = p
}

// messageFrame is a["...","..."]. The encoder escapes what JavaScript might not
// read back as it was (U+2028, U+2029), as SockJS asks.
func messageFrame(messages []string) string {
	var b strings.Builder
	b.WriteString("a")
	write := json.NewEncoder(&b)
	write.SetEscapeHTML(false)
	write.Encode(messages)
	return strings.TrimSuffix(b.String(), "\n")
}

func closeFrame(code int, reason string) string {
	body, _ := json.Marshal([]any{code, reason})
	return "c" + string(body)
}
