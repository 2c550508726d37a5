package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/fasthttp/websocket"
)

var sockJSIDShape = regexp.MustCompile(`/(\w+/\w+)/websocket$`)

// serveSocket carries and records the session's socket. A recording has one.
func (r *recorder) serveSocket(w http.ResponseWriter, q *http.Request) {
	if !r.take() {
		http.Error(w, "fastbench record: one session is recorded, and one was opened.", http.StatusConflict)
		return
	}
	defer r.sockets.Done()
	path := q.URL.EscapedPath()
	if m := infoShape.FindStringSubmatch(path); m != nil {
		r.scribe.learn(m[1], "${"+tokenRobust+"}")
	}
	if m := sockJSIDShape.FindStringSubmatch(path); m != nil {
		r.scribe.learn(m[1], "${"+tokenSockJS+"}")
	}
	entry, begin := r.scribe.begin(), time.Now()
	target := path
	if q.URL.RawQuery != "" {
		target += "?" + q.URL.RawQuery
	}
	there, err := r.dial(q, target)
	if err != nil {
		r.scribe.finish(entry, nil)
		r.release()
		r.log.Warn("the WebSocket does not open", "error", err)
		http.Error(w, "fastbench record: "+err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }} // foreign has looked at it
	here, err := upgrader.Upgrade(w, q, nil)
	if err != nil {
		r.scribe.finish(entry, nil)
		r.release()
		return
	}
	defer here.Close()
	r.scribe.finish(entry, &recorded{Type: wsOpen, Begin: stamp(begin), URL: target})
	r.carry(here, there)
}

// take claims the recording's one socket.
func (r *recorder) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opened || r.ending {
		return false
	}
	r.opened = true
	r.sockets.Add(1)
	return true
}

// release gives it back where no socket came of it.
func (r *recorder) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened = false
}

// dial opens the socket at the target, with the browser's own header.
func (r *recorder) dial(q *http.Request, target string) (*websocket.Conn, error) {
	h := http.Header{}
	for _, name := range []string{"User-Agent", "Origin", "Accept-Language"} {
		if v := q.Header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
	r.address(h, q)
	return r.visitor.upgradeWith(r.ctx, r.net.homeCall(target), h)
}

// carry passes messages both ways until either side ends.
func (r *recorder) carry(here, there *websocket.Conn) {
	here.SetReadLimit(maxServerMessage)
	there.SetReadLimit(maxServerMessage)
	cut := context.AfterFunc(r.ctx, func() {
		here.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, ""), time.Now().Add(time.Second))
		here.Close()
		there.Close()
	})
	defer cut()
	down := make(chan struct{})
	go func() {
		defer close(down)
		err := r.pump(there, here, r.heard)
		r.scribe.close()
		passOn(here, err)
		r.closed()
		here.SetReadDeadline(time.Now().Add(closeLimit))
	}()
	err := r.pump(here, there, r.said)
	r.scribe.close()
	passOn(there, err)
	r.closed()
	there.SetReadDeadline(time.Now().Add(closeLimit))
	<-down
}

// closed has the recorder end, once either side has closed and the other was
// told.
func (r *recorder) closed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.ended = true
		close(r.over)
	}
}

// passOn closes to as the other side was closed.
func passOn(to *websocket.Conn, err error) {
	code, reason := websocket.CloseNormalClosure, ""
	var c *websocket.CloseError
	if errors.As(err, &c) && c.Code != websocket.CloseNoStatusReceived && c.Code != websocket.CloseAbnormalClosure {
		code, reason = c.Code, c.Text
	}
	to.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
}

// pump passes messages from one side to the other, each recorded before it is
// passed on: an answer never stands before what it answers.
func (r *recorder) pump(from, to *websocket.Conn, record func([]byte)) error {
	for {
		kind, text, err := from.ReadMessage()
		if err != nil {
			return err
		}
		if kind == websocket.TextMessage {
			record(text)
		} else {
			r.log.Warn("a binary message is passed on and not recorded", "bytes", len(text))
		}
		if err := to.WriteMessage(kind, text); err != nil {
			return err
		}
	}
}

// heard records what came from the server. A SockJS frame with several messages
// becomes an event for each: those that play recordings know no other.
func (r *recorder) heard(text []byte) {
	if !bytes.HasPrefix(text, []byte("a[")) {
		r.heardOne(text)
		return
	}
	parts, err := readArray(text[1:])
	if err != nil || len(parts) == 1 {
		r.heardOne(text)
		return
	}
	for _, part := range parts {
		r.heardOne(frameOf(part))
	}
}

func frameOf(message string) []byte {
	var b bytes.Buffer
	encode := json.NewEncoder(&b)
	encode.SetEscapeHTML(false)
	encode.Encode([]string{message})
	return append([]byte("a"), bytes.TrimSpace(b.Bytes())...)
}

func (r *recorder) heardOne(text []byte) {
	m, err := readMessage(text)
	var c *closedBy
	switch {
	case errors.As(err, &c):
		r.log.Warn("the server ended the session", "code", c.code)
		return
	case err != nil:
		r.log.Warn("a message is passed on and not recorded", "error", err)
		return
	case m.ignored:
		return
	}
	event := recorded{Type: wsReceive}
	switch {
	case m.session != "":
		event.Type = wsReceiveInit
		r.scribe.learn(m.session, "${"+tokenSession+"}")
	case m.job != "":
		event.Type = wsReceiveUpload
		r.scribe.learn(m.job, "${"+tokenUploadID+"}")
	}
	message := string(text)
	event.Message = &message
	r.scribe.note(&event)
}

// said records a message of the browser.
func (r *recorder) said(text []byte) {
	if bytes.HasPrefix(text, []byte(`["ACK`)) || bytes.HasPrefix(text, []byte(`["CONTINUE`)) {
		return
	}
	message := string(text)
	r.scribe.note(&recorded{Type: wsSend, Message: &message})
}
