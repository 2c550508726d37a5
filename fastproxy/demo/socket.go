package demo

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	// fasthttp/websocket reads and writes the frames: its Upgrader for net/http
	// is the one of gorilla/websocket, and the bench needs it anyway.
	"github.com/fasthttp/websocket"
)

const (
	maxMessage = 0x3ffffff // bytes from a browser, as Shiny Server's limit
	writeLimit = time.Minute
)

// No Origin check and no compression: so it is with httpuv and Shiny Server.
var upgrader = websocket.Upgrader{
	CheckOrigin: func(*http.Request) bool { return true },
	Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
		plainText(w, status, reason.Error())
	},
}

func isUpgrade(r *http.Request) bool {
	return r.Header.Get("Upgrade") != "" && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// socket is a WebSocket that many goroutines may write to.
type socket struct {
	conn *websocket.Conn
	mu   sync.Mutex // one writer at a time
}

// upgrade answers the handshake; false if it was answered with an error. From
// then until free, the socket closes by itself, grace after the pocket Shiny.
func (s *Shiny) upgrade(w http.ResponseWriter, r *http.Request, grace time.Duration) (sock *socket, free func(), ok bool) {
	if !s.enter() {
		plainText(w, http.StatusServiceUnavailable, "closing")
		return nil, nil, false
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		s.busy.Done()
		return nil, nil, false
	}
	conn.SetReadLimit(maxMessage)
	stop := context.AfterFunc(s.ctx, func() {
		time.AfterFunc(grace, func() { conn.Close() })
	})
	return &socket{conn: conn}, func() {
		stop()
		conn.Close()
		s.busy.Done()
	}, true
}

// text writes one text message. After a failure the connection is closed, which
// its reader notices.
func (s *socket) text(message string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn.SetWriteDeadline(time.Now().Add(writeLimit))
	if err := s.conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
		s.conn.Close()
		return false
	}
	return true
}

// ping writes an empty Ping; websocket allows that beside another writer.
func (s *socket) ping() bool {
	return s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeLimit)) == nil
}

// servePlainSocket is Shiny's own WebSocket as httpuv serves it: bare JSON, a
// Ping every 20 s whose Pong nobody waits for, and at the end no Close frame,
// only the end of the stream, whoever closed.
func (s *Shiny) servePlainSocket(w http.ResponseWriter, r *http.Request) {
	sock, free, ok := s.upgrade(w, r, 0)
	if !ok {
		return
	}
	defer free()
	sock.conn.SetCloseHandler(func(int, string) error { return nil })
	v := s.newVisit(&delays, environOf(r), func(m []byte) { sock.text(string(m)) })
	if v == nil {
		return
	}
	defer v.leave()
	stop := s.pingEvery(v.ctx, sock)
	defer stop()
	for {
		kind, message, err := sock.conn.ReadMessage()
		if err != nil || kind != websocket.TextMessage || v.receive(message) != nil {
			return
		}
	}
}

// pingEvery pings until ctx ends; stop waits for that.
func (s *Shiny) pingEvery(ctx context.Context, sock *socket) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(s.timing.Ping)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				sock.ping()
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
