package bench

import (
	"context"
	"errors"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// timedAs is under which name the events of a type are timed.
var timedAs = map[EventType]string{
	reqHome: "page", reqToken: "request", reqInfo: "request", reqGet: "request", reqPost: "upload",
	wsOpen: "handshake", wsReceiveInit: "answer", wsReceiveUpload: "answer", wsReceive: "answer",
}

func (p *playback) act(ctx context.Context, e *Event) error {
	switch e.Type {
	case reqHome, reqToken, reqInfo, reqGet, reqPost:
		return p.request(ctx, e)
	case wsOpen:
		return p.open(ctx, e)
	case wsSend:
		return p.say(ctx, e)
	case wsClose:
		p.socket.close()
		p.socket = nil
		p.run.crowd.closed()
		return nil
	}
	return p.await(ctx, e)
}

// request sends a request and compares the status.
func (p *playback) request(ctx context.Context, e *Event) error {
	path, err := e.url.fill(p.values)
	if err != nil {
		return faultf("token", "%v", err)
	}
	c := p.run.net.homeCall(path)
	switch e.Type {
	case reqHome:
		c.accept, c.want = acceptPage, maxPage
	case reqToken:
		c.want = 4 << 10
	case reqPost:
		c.method, c.stay = http.MethodPost, true
		if e.post != "" {
			f, err := os.Open(e.post)
			if err != nil {
				return faultf("post file", "%v", err)
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				return faultf("post file", "%v", err)
			}
			c.body, c.length, c.kind = f, info.Size(), "application/octet-stream"
		}
	}
	a, err := p.visitor.do(ctx, c)
	if err != nil {
		return err
	}
	if !sameStatus(e, a.status) {
		return faultf("status "+strconv.Itoa(a.status), "answered %d, recorded is %d", a.status, e.Status)
	}
	return p.learn(e, a)
}

// sameStatus: a browser's cache makes a 304 of a 200.
func sameStatus(e *Event, status int) bool {
	fresh := func(s int) bool { return s == 200 || s == 304 }
	return status == e.Status || e.Type != reqPost && fresh(status) && fresh(e.Status)
}

var workerShape = regexp.MustCompile(`<base href="_w_([0-9a-z]+)/`)

// learn takes the values of tokens from a page.
func (p *playback) learn(e *Event, a *answer) error {
	switch e.Type {
	case reqHome:
		if m := workerShape.FindSubmatch(a.body); m != nil {
			p.values[tokenWorker] = string(m[1])
		}
	case reqToken:
		return p.set(tokenToken, strings.TrimSpace(string(a.body)))
	}
	return nil
}

func (p *playback) set(name, value string) error {
	if err := checkValue(name, value); err != nil {
		return faultf("token", "%v", err)
	}
	p.values[name] = value
	return nil
}

// open opens the socket by the transport that was asked for.
func (p *playback) open(ctx context.Context, e *Event) error {
	path, err := e.url.fill(p.values)
	if err != nil {
		return faultf("token", "%v", err)
	}
	var heard func([]byte)
	if p.debug != nil {
		heard = func(text []byte) { p.debug.Debug("received", "message", redacted(string(text))) }
	}
	p.in = newInbox(&p.run.net.bytesIn, heard)
	p.run.crowd.opening(1)
	defer p.run.crowd.opening(-1)
	if p.run.transport == WebSocket {
		p.socket, err = p.visitor.dialWebSocket(ctx, path, p.in)
	} else {
		p.socket, err = p.visitor.dialSockJS(ctx, path, p.run.transport, p.in)
	}
	if err != nil {
		p.socket = nil
		return err
	}
	p.run.crowd.opened()
	return nil
}

func (p *playback) say(ctx context.Context, e *Event) error {
	text, err := e.say.fill(p.values)
	if err != nil {
		return faultf("token", "%v", err)
	}
	if p.debug != nil {
		p.debug.Debug("sent", "message", redacted(e.Message))
	}
	return p.socket.send(ctx, text)
}

// await waits for the next message that counts, however long, and compares it.
func (p *playback) await(ctx context.Context, e *Event) error {
	m, err := p.next(ctx, e)
	if err != nil {
		return err
	}
	if err := e.want.matches(&m); err != nil {
		return faultf("message", "%v", err)
	}
	switch e.Type {
	case wsReceiveInit:
		if m.session == "" {
			return faultf("message", "config without a sessionId")
		}
		return p.set(tokenSession, m.session)
	case wsReceiveUpload:
		if m.job == "" {
			return faultf("message", "the answer to uploadInit names no jobId")
		}
		if m.upload != "" {
			if err := p.set(tokenUpload, m.upload); err != nil {
				return err
			}
		}
		return p.set(tokenUploadID, m.job)
	}
	return nil
}

// warnAfter is how often a session that waits for a message says so.
const warnAfter = 30 * time.Second

func (p *playback) next(ctx context.Context, e *Event) (shinyMessage, error) {
	if limit := p.run.net.answer; limit > 0 {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return p.in.next(ctx)
	}
	for waited := warnAfter; ; waited += warnAfter {
		some, cancel := context.WithTimeout(ctx, warnAfter)
		m, err := p.in.next(some)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return m, err
		}
		p.run.say.Warn("still waiting for a message", "line", e.Line, "session", p.trace.Session, "waited", waited)
	}
}
