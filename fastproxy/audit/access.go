package audit

import (
	"net/netip"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
	"unsafe"
)

// Access is one request and its answer, or one WebSocket from its upgrade to
// its end. All strings are the record's own.
type Access struct {
	Start     time.Time
	Duration  time.Duration
	RequestID string
	Client    netip.Addr
	Method    string
	Path      string // redacted; never a query
	Host      string
	UserAgent string
	Kind      string // shiny.Kind's name, or "own" for our own pages
	Mount     string
	Upstream  string
	Status    int
	BytesIn   int64 // body, or bytes of the tunnel, from the client
	BytesOut  int64 // to the client
	User      string
	Login     string // "oidc", "passwd", "" when nobody is known
	WebSocket bool   // a tunnel: Duration, bytes and ClosedBy are its whole life
	ClosedBy  string // of a tunnel: client, backend, proxy, error
	Reason    string // why: of a failure, a refusal or a close

	room []byte // what Keep has kept; it never moves
}

// accessRoom is for a method, a path, a host, a user agent and a user.
const accessRoom = 1 << 10

var accesses = sync.Pool{New: func() any { return new(Access) }}

// NewAccess returns an empty record, perhaps one that was written before. It
// is the caller's until it is handed to Log.Access.
func NewAccess() *Access { return accesses.Get().(*Access) }

// Keep copies b into the record and returns the copy as text, which lasts as
// long as the record does.
func (a *Access) Keep(b []byte) string {
	if a.room == nil {
		a.room = make([]byte, 0, accessRoom)
	}
	if len(b) > cap(a.room)-len(a.room) {
		return string(b)
	}
	at := len(a.room)
	a.room = append(a.room, b...)
	return Borrow(a.room[at:])
}

// Borrow returns b as text for a record that is added to a Batch before b
// changes.
func Borrow(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// recycle makes the record somebody else's.
func (a *Access) recycle() {
	*a = Access{room: a.room[:0]}
	accesses.Put(a)
}

// appendLine appends the record as one line of JSON: what zap's encoder would
// write, in a third of its time (log_test.go has both), since a record is
// written for every request.
func (a *Access) appendLine(b []byte) []byte {
	b = append(b, `{"log.level":"info","@timestamp":"`...)
	b = a.Start.Add(a.Duration).AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","message":"`...)
	b = appendEscaped(b, a.Method)
	b = append(b, ' ')
	b = appendEscaped(b, a.Path)
	if a.WebSocket {
		b = append(b, `","event.dataset":"fastproxy.websocket","event.duration":`...)
	} else {
		b = append(b, `","event.dataset":"fastproxy.access","event.duration":`...)
	}
	b = strconv.AppendInt(b, int64(a.Duration), 10)
	b = appendText(b, `,"event.outcome":"`, outcome(a.Status < 400))
	b = appendText(b, `,"http.request.id":"`, a.RequestID)
	b = appendText(b, `,"http.request.method":"`, a.Method)
	b = append(b, `,"http.request.body.bytes":`...)
	b = strconv.AppendInt(b, a.BytesIn, 10)
	b = append(b, `,"http.response.status_code":`...)
	b = strconv.AppendInt(b, int64(a.Status), 10)
	b = append(b, `,"http.response.body.bytes":`...)
	b = strconv.AppendInt(b, a.BytesOut, 10)
	b = appendText(b, `,"url.path":"`, a.Path)
	b = appendText(b, `,"url.domain":"`, a.Host)
	b = appendText(b, `,"user_agent.original":"`, a.UserAgent)
	if a.Client.IsValid() {
		b = append(b, `,"client.address":"`...)
		b = append(a.Client.AppendTo(b), '"')
	}
	b = appendText(b, `,"user.id":"`, a.User)
	b = appendText(b, `,"fastproxy.login":"`, a.Login)
	b = appendText(b, `,"fastproxy.kind":"`, a.Kind)
	b = appendText(b, `,"fastproxy.mount":"`, a.Mount)
	b = appendText(b, `,"fastproxy.upstream":"`, a.Upstream)
	b = appendText(b, `,"fastproxy.closed_by":"`, a.ClosedBy)
	b = appendText(b, `,"event.reason":"`, a.Reason)
	return append(b, '}', '\n')
}

// appendText appends a field, whose name comes with all up to the text; empty
// ones are left out.
func appendText(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	b = append(b, name...)
	return append(appendEscaped(b, text), '"')
}

// appendEscaped appends text as it stands in a JSON string (RFC 8259 section
// 7). What is no UTF-8 becomes U+FFFD.
func appendEscaped(b []byte, text string) []byte {
	const hex = "0123456789abcdef"
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, text[start:i]...), `\ufffd`...)
				start = i + 1
			}
			i += n
			continue
		}
		b = append(b, text[start:i]...)
		if c < ' ' {
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			b = append(b, '\\', c)
		}
		i++
		start = i
	}
	return append(b, text[start:]...)
}
