package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// maxUnread is how many messages of a server may wait for a session that does
// something else: shinycannon's limit.
const maxUnread = 50

// maxServerMessage is the longest message read, in bytes: Shiny Server's own
// limit towards R.
const maxServerMessage = 0x1fffffe8

// inbox holds what the server said and nobody has awaited yet. One goroutine
// hears, another waits.
type inbox struct {
	messages chan shinyMessage
	over     chan struct{} // closed when err is set
	once     sync.Once
	err      error
	closing  atomic.Bool
	heard    func(text []byte) // sees every message, borrowed; nil: nobody
	counted  *atomic.Int64     // bytes
}

func newInbox(counted *atomic.Int64, heard func([]byte)) *inbox {
	return &inbox{messages: make(chan shinyMessage, maxUnread), over: make(chan struct{}), heard: heard, counted: counted}
}

// newEars is an inbox that only counts what it hears.
func newEars(counted *atomic.Int64) *inbox {
	return &inbox{over: make(chan struct{}), counted: counted}
}

// hear takes one text message or SockJS frame; false when no more is wanted. A
// frame may bring several messages, as a poll brings all that have waited. text
// is borrowed.
func (in *inbox) hear(text []byte) bool {
	in.counted.Add(int64(len(text)))
	if in.heard != nil {
		in.heard(text)
	}
	if in.messages == nil {
		return true
	}
	if !bytes.HasPrefix(text, []byte("a[")) {
		return in.take(readMessage(text))
	}
	parts, err := readArray(text[1:])
	if err != nil {
		return in.take(shinyMessage{}, err)
	}
	for _, part := range parts {
		if !in.take(readMultiplex(part)) {
			return false
		}
	}
	return true
}

func (in *inbox) take(m shinyMessage, err error) bool {
	if err != nil {
		var c *closedBy
		if !errors.As(err, &c) {
			err = faultf("message", "cannot read a message: %v", err)
		}
		in.fail(err)
		return false
	}
	if m.ignored {
		return true
	}
	select {
	case in.messages <- m:
		return true
	default:
		in.fail(faultf("unread", "more than %d messages came that the recording does not await", maxUnread))
		return false
	}
}

// fail ends the session; the first failure counts, none after closing.
func (in *inbox) fail(err error) {
	if in.closing.Load() {
		return
	}
	in.once.Do(func() {
		in.err = err
		close(in.over)
	})
}

// failure is why the session ended; nil while it has not.
func (in *inbox) failure() error {
	select {
	case <-in.over:
		return in.err
	default:
		return nil
	}
}

// next waits for the next message.
func (in *inbox) next(ctx context.Context) (shinyMessage, error) {
	select {
	case m := <-in.messages: // what came before the end still counts
		return m, nil
	default:
	}
	select {
	case m := <-in.messages:
		return m, nil
	case <-in.over:
		return shinyMessage{}, in.err
	case <-ctx.Done():
		return shinyMessage{}, fmt.Errorf("no message: %w", ctx.Err())
	}
}
