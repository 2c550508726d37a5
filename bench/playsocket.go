package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	// fasthttp/websocket dials where sockets are few and each has a goroutine of
	// its own; the loop's client is for thousands of idle ones.
	"github.com/fasthttp/websocket"
)

// playSocket is the socket of a replayed session, whatever carries it. One
// goroutine uses it; what comes from the server goes into its inbox.
type playSocket interface {
	// send sends one message as the browser would.
	send(ctx context.Context, text string) error
	// close says goodbye and does not wait. What comes after is no failure.
	close()
}

// socketLost is an established socket that the other side ended: by a Close
// frame's code, "eof" or "reset".
type socketLost struct{ code string }

func (l *socketLost) Error() string { return "the server ended the socket: " + l.code }

func lostBy(err error) *socketLost {
	var c *websocket.CloseError
	if errors.As(err, &c) && c.Code != websocket.CloseAbnormalClosure {
		return &socketLost{strconv.Itoa(c.Code)}
	}
	if kind := faultKind(err); kind == "reset" || kind == "timeout" {
		return &socketLost{kind}
	}
	return &socketLost{"eof"}
}

// endCode is how a session's socket was ended by the other side; "" where it
// was not.
func endCode(err error) string {
	var l *socketLost
	var c *closedBy
	switch {
	case errors.As(err, &l):
		return l.code
	case errors.As(err, &c):
		return strconv.Itoa(c.code)
	}
	return ""
}

// webSocket is a playSocket over a WebSocket, plain or SockJS.
type webSocket struct {
	conn *websocket.Conn
	in   *inbox
	net  *network
	stop func() bool // of what closes conn when the context ends
}

const (
	// handshakeLimit is how long a server may take to answer an upgrade: a busy
	// R answers late, and Shiny Server never answers one on a path it does not
	// know.
	handshakeLimit = 5 * time.Minute
	// closeLimit is how long the other side may take to end a socket that we
	// have said goodbye on.
	closeLimit = 2 * time.Second
)

// frameBuffers are websocket's own, for writing.
var frameBuffers sync.Pool

// dialWebSocket opens one below the app and reads it into in until it ends.
func (v *visitor) dialWebSocket(ctx context.Context, path string, in *inbox) (*webSocket, error) {
	conn, err := v.upgrade(ctx, path)
	if err != nil {
		return nil, err
	}
	s := &webSocket{conn: conn, in: in, net: v.net}
	s.stop = context.AfterFunc(ctx, func() {
		in.closing.Store(true)
		conn.Close()
	})
	conn.SetReadLimit(maxServerMessage)
	v.net.running.Go(s.listen)
	return s, nil
}

// upgrade dials and shakes hands.
func (v *visitor) upgrade(ctx context.Context, path string) (*websocket.Conn, error) {
	c := v.net.homeCall(path)
	h := v.fields(c)
	h.Del("Accept-Encoding")
	h.Del("Accept")
	return v.upgradeWith(ctx, c, h)
}

// upgradeWith does so with a header of the caller's, cookies included.
func (v *visitor) upgradeWith(ctx context.Context, c *call, h http.Header) (*websocket.Conn, error) {
	under, err := v.net.dial(ctx, c.to)
	if err != nil {
		return nil, err
	}
	limit := handshakeLimit
	if v.net.answer > 0 {
		limit = v.net.answer
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cut := context.AfterFunc(ctx, func() { under.SetDeadline(time.Unix(1, 0)) })
	given := func(context.Context, string, string) (net.Conn, error) { return under, nil }
	d := websocket.Dialer{NetDialContext: given, NetDialTLSContext: given, ReadBufferSize: 2048, WriteBufferSize: 2048, WriteBufferPool: &frameBuffers}
	to := *c.to
	to.Scheme = map[string]string{"http": "ws", "https": "wss"}[to.Scheme]
	conn, res, err := d.DialContext(ctx, to.String(), h)
	if !cut() {
		under.Close()
		return nil, fmt.Errorf("WebSocket not answered: %w", ctx.Err())
	}
	if res != nil {
		v.jar.SetCookies(c.to, res.Cookies())
	}
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, websocket.ErrBadHandshake) && res.StatusCode != http.StatusSwitchingProtocols:
		return nil, faultf("status "+strconv.Itoa(res.StatusCode), "the WebSocket is answered %d, want 101", res.StatusCode)
	case errors.Is(err, websocket.ErrBadHandshake):
		return nil, faultf("handshake", "the WebSocket is answered 101 without what makes it one (RFC 6455 section 4.2.2)")
	}
	return nil, fmt.Errorf("WebSocket: %w", err)
}

// textBuffers are lent while a message is read.
var textBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// keptBuffer is the largest buffer that goes back into the pool, in bytes: one
// plot of megabytes must not stay for every session.
const keptBuffer = 256 << 10

// listen reads until the socket ends, and closes it then.
func (s *webSocket) listen() {
	defer s.conn.Close()
	defer s.stop()
	for {
		kind, r, err := s.conn.NextReader()
		if err != nil {
			s.in.fail(lostBy(err))
			return
		}
		b := textBuffers.Get().(*bytes.Buffer)
		b.Reset()
		_, err = b.ReadFrom(r)
		wanted := err == nil && (kind != websocket.TextMessage || s.in.hear(b.Bytes()))
		if b.Cap() <= keptBuffer {
			textBuffers.Put(b)
		}
		if err != nil {
			s.in.fail(lostBy(err))
		}
		if !wanted {
			return
		}
	}
}

func (s *webSocket) send(_ context.Context, text string) error {
	if s.net.answer > 0 {
		s.conn.SetWriteDeadline(time.Now().Add(s.net.answer))
	}
	s.net.bytesOut.Add(int64(len(text)))
	if err := s.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		return lostBy(err)
	}
	return nil
}

func (s *webSocket) close() {
	s.in.closing.Store(true)
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	s.conn.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(closeLimit))
	s.conn.SetReadDeadline(time.Now().Add(closeLimit))
}
