package demo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
)

// response is one HTTP answer that carries SockJS frames.
type response struct {
	w       http.ResponseWriter
	control *http.ResponseController
	prelude string
	wrap    func(frame string) string
	room    int // bytes of frames after which it ends
}

// newResponse knows how each transport writes a frame and how long it lasts.
func (s *Shiny) newResponse(w http.ResponseWriter, transport string) *response {
	newline := func(frame string) string { return frame + "\n" }
	p := &response{w: w, control: http.NewResponseController(w), wrap: newline, room: s.timing.StreamSize}
	kind := "application/javascript; charset=UTF-8"
	switch transport {
	case "xhr":
		p.room = 1 // polling: one frame an answer
	case "xhr_streaming":
		p.prelude = strings.Repeat("h", 2048) + "\n" // for browsers that hold back the first 2 KiB
	case "eventsource":
		kind = "text/event-stream; charset=UTF-8"
		p.prelude = "\r\n"
		p.wrap = func(frame string) string { return "data: " + eventEscaper.Replace(frame) + "\r\n\r\n" }
	}
	w.Header().Set("Content-Type", kind)
	return p
}

var eventEscaper = strings.NewReplacer("\r", `\r`, "\n", `\n`, "\x00", `\x00`)

// put writes and flushes one frame; false when the answer is full or broken.
func (p *response) put(frame string) bool {
	text := p.wrap(frame)
	p.room -= len(text)
	return p.write(text) && p.room > 0
}

func (p *response) write(text string) bool {
	p.control.SetWriteDeadline(time.Now().Add(writeLimit))
	if _, err := io.WriteString(p.w, text); err != nil {
		return false
	}
	return p.control.Flush() == nil
}

// serveResponse answers xhr, xhr_streaming and eventsource: what is queued now
// and, unless it is a poll, what comes.
func (s *Shiny) serveResponse(w http.ResponseWriter, r *http.Request, at sockjsPath, name, transport string) {
	io.Copy(io.Discard, io.LimitReader(r.Body, 64<<10))
	p := s.newResponse(w, transport)
	w.WriteHeader(http.StatusOK)
	if p.prelude != "" && !p.write(p.prelude) {
		return
	}
	c, made := s.carriageFor(name, true)
	if c == nil { // closing
		p.put(closeFrame(codeShuttingDown, "The server is shutting down"))
		return
	}
	if made {
		s.connect(c, at)
	}
	if !c.attach() {
		p.put(closeFrame(2010, "Another connection still open"))
		return
	}
	defer c.detach()
	c.carry(r.Context(), p.put, func() bool { return p.put("h") })
}

// serveSockJSSocket is the WebSocket transport: a["…"] frames down, ["…"] up,
// and a protocol Ping as heartbeat, which must be answered in time.
func (s *Shiny) serveSockJSSocket(w http.ResponseWriter, r *http.Request, at sockjsPath, name string) {
	if !isUpgrade(r) {
		plainText(w, http.StatusBadRequest, `Can "Upgrade" only to "WebSocket".`)
		return
	}
	sock, free, ok := s.upgrade(w, r, time.Second)
	if !ok {
		return
	}
	defer free()
	// A socket is a session of its own: nobody else may fetch from it.
	s.runSocket(sock, at, name, sock.text, func(body []byte) ([]string, bool) {
		var one string
		if len(body) == 0 {
			return nil, true
		}
		if json.Unmarshal(body, &one) == nil {
			return []string{one}, true
		}
		messages, fault := readMessages(body)
		return messages, fault == ""
	})
}

// serveRawSocket is __sockjs__/websocket: each text message is one string, and
// there are no frames around it.
func (s *Shiny) serveRawSocket(w http.ResponseWriter, r *http.Request, at sockjsPath) {
	if !isUpgrade(r) {
		plainText(w, http.StatusBadRequest, `Can "Upgrade" only to "WebSocket".`)
		return
	}
	sock, free, ok := s.upgrade(w, r, time.Second)
	if !ok {
		return
	}
	defer free()
	bare := func(frame string) bool {
		var messages []string
		if rest, ok := strings.CutPrefix(frame, "a"); ok && json.Unmarshal([]byte(rest), &messages) == nil {
			for _, m := range messages {
				if !sock.text(m) {
					return false
				}
			}
		}
		return true
	}
	s.runSocket(sock, at, "raw", bare, func(body []byte) ([]string, bool) { return []string{string(body)}, true })
}

// runSocket carries a new session over a WebSocket until either side is done;
// then the session is, too. put writes a frame, split reads a message.
func (s *Shiny) runSocket(sock *socket, at sockjsPath, name string, put func(string) bool, split func([]byte) ([]string, bool)) {
	c, _ := s.carriageFor(name+"\x00"+newToken(), true)
	if c == nil {
		return
	}
	s.connect(c, at)
	c.attach()
	defer c.drop()
	ctx, cancel := context.WithCancel(context.Background())
	carried := make(chan struct{})
	patience := &patience{wait: func() func() {
		return s.later(s.timing.Pong, func() { c.close(3000, "No response from heartbeat") })
	}}
	sock.conn.SetPongHandler(func(string) error {
		patience.stop()
		return nil
	})
	beat := func() bool {
		patience.start()
		return sock.ping()
	}
	go func() {
		defer close(carried)
		c.carry(ctx, put, beat)
		patience.stop()
		sock.farewell()
	}()
	for {
		kind, body, err := sock.conn.ReadMessage()
		if err != nil || kind != websocket.TextMessage {
			break
		}
		messages, ok := split(body)
		if !ok {
			break
		}
		c.hear(messages)
	}
	cancel()
	<-carried
}

// patience is the wait for the Pong of the oldest unanswered Ping.
type patience struct {
	wait func() (stop func())

	mu      sync.Mutex
	waiting func()
}

func (p *patience) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		p.waiting = p.wait()
	}
}

func (p *patience) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting != nil {
		p.waiting()
		p.waiting = nil
	}
}

// farewell closes as WebSocket wants it: a Close frame, then the connection.
func (s *socket) farewell() {
	message := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	s.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(time.Second))
	s.conn.Close()
}
