package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// EventType is what an event of a recording does.
type EventType string

const (
	reqHome         EventType = "REQ_HOME"             // GET of the page
	reqToken        EventType = "REQ_TOK"              // GET of __token__
	reqInfo         EventType = "REQ_SINF"             // GET of SockJS's info
	reqGet          EventType = "REQ_GET"              // any other GET
	reqPost         EventType = "REQ_POST"             // POST, its body in a file
	wsOpen          EventType = "WS_OPEN"              // the socket opens
	wsReceiveInit   EventType = "WS_RECV_INIT"         // the message with config, which names the session
	wsReceiveUpload EventType = "WS_RECV_BEGIN_UPLOAD" // the answer to uploadInit
	wsReceive       EventType = "WS_RECV"              // any other message from the server
	wsSend          EventType = "WS_SEND"              // a message to the server
	wsClose         EventType = "WS_CLOSE"             // the browser closes the socket
)

var eventTypes = []EventType{reqHome, reqToken, reqInfo, reqGet, reqPost, wsOpen, wsReceiveInit, wsReceiveUpload, wsReceive, wsSend, wsClose}

// Event is one line of a recording.
type Event struct {
	Line     int // of the file, from 1
	Type     EventType
	Begin    time.Time
	Status   int    // of a request
	URL      string // of a request and of WS_OPEN, below the app's; tokens in it
	Message  string // of a message; tokens in it
	Datafile string // of a POST with a body

	url  tokenText
	say  tokenText    // WS_SEND's message
	want shinyMessage // that of WS_RECV…
	post string       // path of Datafile
}

// awaits reports whether the event waits for a message.
func (e *Event) awaits() bool {
	return e.Type == wsReceive || e.Type == wsReceiveInit || e.Type == wsReceiveUpload
}

// eventLine is the JSON of an event. Pointers tell what is missing from what
// is empty.
type eventLine struct {
	Type     *string `json:"type"`
	Begin    *string `json:"begin"`
	End      *string `json:"end"`
	Status   *int    `json:"status"`
	URL      *string `json:"url"`
	Message  *string `json:"message"`
	Datafile *string `json:"datafile"`
}

// readEvent reads a line. Fields that nobody knows are passed over, as
// shinycannon does.
func readEvent(line int, text []byte) (Event, error) {
	e := Event{Line: line}
	if len(bytes.TrimSpace(text)) == 0 {
		return e, errors.New("found an empty line, want an event")
	}
	var l eventLine
	decode := json.NewDecoder(bytes.NewReader(text))
	if err := decode.Decode(&l); err != nil {
		return e, fmt.Errorf("found no JSON object of an event: %v", err)
	}
	if _, err := decode.Token(); err != io.EOF {
		return e, errors.New("found something after the event's JSON object, want one object a line")
	}
	if l.Type == nil {
		return e, errors.New(`found no "type", want one`)
	}
	e.Type = EventType(*l.Type)
	if !slices.Contains(eventTypes, e.Type) {
		return e, fmt.Errorf("type: found %q, want one of %s", clip(*l.Type, 40), strings.Trim(fmt.Sprint(eventTypes), "[]"))
	}
	return e, errors.Join(e.readTime(&l), e.readRequest(&l), e.readMessage(&l))
}

func (e *Event) readTime(l *eventLine) error {
	var err error
	if l.Begin == nil {
		return fmt.Errorf(`%s: found no "begin", want one`, e.Type)
	}
	if e.Begin, err = time.Parse(time.RFC3339, *l.Begin); err != nil {
		return fmt.Errorf("begin: found %q, want a time such as 2026-11-21T18:56:58.206Z", clip(*l.Begin, 40))
	}
	return nil
}

// readRequest reads what requests and WS_OPEN have.
func (e *Event) readRequest(l *eventLine) error {
	request := strings.HasPrefix(string(e.Type), "REQ_")
	if !request && e.Type != wsOpen {
		return nil
	}
	switch {
	case l.URL == nil:
		return fmt.Errorf(`%s: found no "url", want one`, e.Type)
	case !strings.HasPrefix(*l.URL, "/"):
		return fmt.Errorf("url: found %q, want a path below the app's that begins with /", clip(*l.URL, 100))
	case request && l.Status == nil:
		return fmt.Errorf(`%s: found no "status", want one`, e.Type)
	case request && (*l.Status < 100 || *l.Status > 999):
		return fmt.Errorf("status: found %d, want an HTTP status", *l.Status)
	}
	e.URL = *l.URL
	if request {
		e.Status = *l.Status
	}
	if e.Type == reqPost && l.Datafile != nil {
		e.Datafile = *l.Datafile
	}
	var err error
	if e.url, err = cutTokens(e.URL); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	return nil
}

// readMessage reads what messages have. A message from the server must be one
// that can be awaited.
func (e *Event) readMessage(l *eventLine) error {
	if e.Type != wsSend && !e.awaits() {
		return nil
	}
	if l.Message == nil {
		return fmt.Errorf(`%s: found no "message", want one`, e.Type)
	}
	e.Message = *l.Message
	say, err := cutTokens(e.Message)
	if err != nil {
		return fmt.Errorf("message: %w", err)
	}
	if e.Type == wsSend {
		e.say = say
		return nil
	}
	if e.want, err = readMessage([]byte(e.Message)); err != nil {
		return fmt.Errorf("message: found %w", err)
	}
	if e.want.ignored {
		return errors.New("message: found one that a replay passes over, so that it would never come")
	}
	return nil
}
