package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// sockJS is a playSocket over one of SockJS's fall-backs: requests that carry
// frames down, and a POST for each message up. As with a browser the way down
// has a connection of its own.
type sockJS struct {
	up   *visitor // the session's own
	down *visitor
	path string // below the app, without the transport
	kind Transport
	in   *inbox
	end  context.CancelFunc
}

// dialSockJS opens one in place of the WebSocket at path.
func (v *visitor) dialSockJS(ctx context.Context, path string, kind Transport, in *inbox) (*sockJS, error) {
	ctx, end := context.WithCancel(ctx)
	s := &sockJS{up: v, path: strings.TrimSuffix(path, "/websocket"), kind: kind, in: in, end: end}
	s.down = &visitor{net: v.net, jar: v.jar, kept: map[string]net.Conn{}}
	context.AfterFunc(ctx, func() { in.closing.Store(true) })
	first, err := s.receive(ctx)
	if err != nil {
		end()
		s.down.close()
		return nil, err
	}
	v.net.running.Go(func() { s.listen(ctx, first) })
	return s, nil
}

// receive asks for more frames.
func (s *sockJS) receive(ctx context.Context) (*exchange, error) {
	c := s.down.net.homeCall(s.path + "/" + string(s.kind))
	c.method, c.plain = http.MethodPost, true
	if s.kind == EventSource {
		c.method, c.accept = http.MethodGet, "text/event-stream"
	}
	x, err := s.down.begin(ctx, c)
	if err != nil {
		return nil, err
	}
	if x.res.StatusCode != http.StatusOK {
		x.end(false)
		return nil, faultf("status "+strconv.Itoa(x.res.StatusCode), "%s is answered %d, want 200", s.kind, x.res.StatusCode)
	}
	return x, nil
}

// listen reads answer after answer until the session ends.
func (s *sockJS) listen(ctx context.Context, x *exchange) {
	defer s.down.close()
	defer s.end()
	for {
		more := s.carry(x)
		if !more {
			return
		}
		next, err := s.receive(ctx)
		if err != nil {
			s.in.fail(err)
			return
		}
		x = next
	}
}

// carry takes in the frames of one answer; false when the session is over.
func (s *sockJS) carry(x *exchange) bool {
	frames := frameReader{in: bufio.NewReaderSize(x.res.Body, 4096), events: s.kind == EventSource}
	for {
		frame, err := frames.next()
		if errors.Is(err, io.EOF) {
			x.end(!x.res.Close)
			return true
		}
		if err != nil {
			x.end(false)
			s.in.fail(lostBy(err))
			return false
		}
		if !s.hear(frame) {
			x.end(false)
			return false
		}
	}
}

// hear takes one frame. A heartbeat, and the 2 KiB of h that a stream begins
// with, are no messages.
func (s *sockJS) hear(frame []byte) bool {
	return len(frame) <= 2048 && len(bytes.Trim(frame, "h")) == 0 || s.in.hear(frame)
}

// send posts one message and waits until it has arrived, so that the next one
// cannot overtake it.
func (s *sockJS) send(ctx context.Context, text string) error {
	c := s.up.net.homeCall(s.path + "/xhr_send")
	c.method, c.body, c.length, c.kind, c.stay = http.MethodPost, strings.NewReader(text), int64(len(text)), "text/plain", true
	a, err := s.up.do(ctx, c)
	if err != nil {
		return err
	}
	if a.status != http.StatusNoContent {
		return faultf("status "+strconv.Itoa(a.status), "xhr_send is answered %d, want 204", a.status)
	}
	return nil
}

func (s *sockJS) close() {
	s.in.closing.Store(true)
	s.end()
}

// frameReader cuts a body into SockJS frames.
type frameReader struct {
	in     *bufio.Reader
	events bool // text/event-stream: each frame is one event's data
}

// next gives the next frame, which is never empty and valid until the call
// after. io.EOF is a clean end.
func (f *frameReader) next() ([]byte, error) {
	for {
		line, err := f.line()
		if err != nil {
			return nil, err
		}
		if f.events {
			data, ok := strings.CutPrefix(string(line), "data:")
			if !ok {
				continue
			}
			line = []byte(eventEscapes.Replace(strings.TrimPrefix(data, " ")))
		}
		if len(line) > 0 {
			return line, nil
		}
	}
}

// eventEscapes undoes what SockJS does to a frame in an event stream
// (sockjs-node, escape_selected).
var eventEscapes = strings.NewReplacer("%25", "%", "%0D", "\r", "%0A", "\n", "%00", "\x00")

// line reads up to a line feed. A body that ends within a line was cut.
func (f *frameReader) line() ([]byte, error) {
	var whole []byte
	for {
		part, err := f.in.ReadSlice('\n')
		whole = append(whole, part...)
		switch {
		case err == nil:
			return bytes.TrimRight(whole, "\r\n"), nil
		case len(whole) > maxServerMessage:
			return nil, faultf("message", "a frame of more than %d bytes", maxServerMessage)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(whole) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}
